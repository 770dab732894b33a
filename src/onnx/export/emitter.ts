/**
 * An ONNX graph while it is written. Every value of ours is one real tensor of the ONNX graph, [N, C, H, W] where ours is [N, H, W, C]; what is
 * quantized in ours has passed through quantizing nodes there, so that it holds the same numbers.
 */
import type { Value } from '../../core/graph.js';
import type { Tensor } from '../../core/run-op.js';
import type { OnnxAttribute, OnnxNode, OnnxTensor } from '../../formats/onnx-model.js';
import { SubbitError } from '../../util/errors.js';

export class Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: Record<string, OnnxTensor> = {};
  readonly #tensors = new Map<Value, string>();
  readonly #constants: ReadonlyMap<Value, Tensor>;
  readonly #used = new Set<string>();

  /** `constants`: the values that do not depend on the image. */
  constructor(constants: ReadonlyMap<Value, Tensor>) {
    this.#constants = constants;
  }

  /** Says which tensor a value is. */
  bind(value: Value, tensor: string): void {
    this.#tensors.set(value, tensor);
  }

  /** The tensor that a value is. */
  tensorOf(value: Value | undefined): string {
    const tensor = value && this.#tensors.get(value);
    if (tensor === undefined)
      throw new SubbitError(`${value?.name}: a value that is computed, not a constant, is expected`);
    return tensor;
  }

  constantOf(value: Value | undefined): Tensor {
    const tensor = value && this.#constants.get(value);
    if (tensor === undefined)
      throw new SubbitError(`${value?.name}: a weight that is computed from the image cannot be exported to ONNX`);
    return tensor;
  }

  /** Adds a node of one output and returns the output's name: `name`, or that with a number where it is taken. */
  add(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    domain?: string,
  ): string {
    const output = this.#unique(name);
    const where = domain === undefined ? {} : { domain };
    this.nodes.push({ op, ...where, name: output, inputs, outputs: [output], attributes });
    return output;
  }

  /** Stores a tensor and returns its name. Numbers without a shape are float32 scalars. */
  store(name: string, tensor: OnnxTensor | number): string {
    const own = this.#unique(name);
    this.initializers[own] = typeof tensor === 'number' ? { shape: [], data: Float32Array.of(tensor) } : tensor;
    return own;
  }

  /** A number per channel, as a tensor that goes with [N, C, H, W]. */
  storePerChannel(name: string, { data }: Tensor): string {
    return this.store(name, { shape: [1, data.length, 1, 1], data: Float32Array.from(data) });
  }

  #unique(name: string): string {
    let own = name;
    for (let i = 2; this.#used.has(own); i++) own = `${name}.${i}`;
    this.#used.add(own);
    return own;
  }
}
