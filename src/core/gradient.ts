/**
 * The gradient of an op, as ops of the same graph. The gradient of a quantized tensor is the gradient of the real numbers
 * that it stands for, so straight-through estimators are ordinary rules: a quantizer passes the gradient on as it is.
 */
import type { Graph, Node, Value } from './graph.js';

export interface GradientRequest {
  readonly graph: Graph;
  readonly node: Node;
  /** By output slot; at least one is present. */
  readonly dOutputs: readonly (Value | undefined)[];
  /** Whether the gradient of this input slot is needed. */
  wants(input: number): boolean;
}

export interface GradientRule {
  /** Takes quantized gradients as they are; other rules are given real ones. */
  readonly acceptsQuantized?: true;
  /** Gradients by input slot; undefined where there is none or none is wanted. */
  gradient(request: GradientRequest): (Value | undefined)[];
}
