/** How a dialect of ONNX writes quantized numbers: the only thing in which the two differ. */
import type { Encoding } from '../../core/tensor.js';
import type { OnnxFunction } from '../../formats/onnx-model.js';
import type { Emitter } from './emitter.js';

/** A constant filter, [K, C / groups, KH, KW]. */
export interface QuantizedFilter {
  readonly shape: readonly number[];
  /** What the elements mean in integers. */
  readonly integers: Int16Array;
  readonly encoding: Encoding;
  /** Real units per integer: one number, or one for each output channel. */
  readonly scale: Float32Array;
}

export interface OnnxDialect {
  readonly description: string;
  /** Images that the model takes: a named number that its caller chooses, or a fixed one. */
  readonly batch: string | number;
  /** Sets of operators besides the standard ones, by domain. */
  readonly domains: Readonly<Record<string, number>>;
  /** Operators that the model brings along. */
  readonly functions: readonly OnnxFunction[];
  /** From real numbers to the real numbers that the levels stand for: levels of `encoding`, times `scale`. */
  activations(emitter: Emitter, name: string, x: string, encoding: Encoding, scale: number): string;
  filter(emitter: Emitter, name: string, filter: QuantizedFilter): string;
}
