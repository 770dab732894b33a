/**
 * From a trained network to an ONNX model of its evaluation graph, with names kept: image bytes `images` u8 [N, H, W, C] in, `logits` f32
 * [N, classes] out. Every number that is quantized here is quantized there (dialect.ts), to the same values; what is real is float32, with
 * sums in another order.
 */
import type { Graph, Value } from '../../core/graph.js';
import { runOp, type Tensor } from '../../core/run-op.js';
import type { Encoding, TypedArray } from '../../core/tensor.js';
import type { OnnxModel } from '../../formats/onnx-model.js';
import { prune } from '../../passes/prune.js';
import { SubbitError } from '../../util/errors.js';
import type { OnnxDialect } from './dialect.js';
import { Emitter } from './emitter.js';
import { operators } from './operators.js';
import { qdqOf, zeroPointsOf } from './qdq.js';
import { qonnx } from './qonnx.js';

/** The list of dialects: a new one is a file and a line here. */
export const onnxDialects: Readonly<Record<'onnx' | 'qonnx', (opset: number) => OnnxDialect>> = {
  onnx: qdqOf,
  qonnx: () => qonnx,
};

/** Versions of the standard operators that models can be written for, with the version of the file format that came with them. */
const irVersions: Readonly<Record<number, number>> = { 21: 10, 22: 10, 23: 11, 24: 11, 25: 12 };
export const opsets = Object.keys(irVersions).map(Number);

export interface OnnxExportOptions {
  readonly dialect: keyof typeof onnxDialects;
  /** @default 21 */
  readonly opset?: number;
  readonly name: string;
  /** What else the file says. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** `graph`: of evaluation; `contents`: its variables by name. A SubbitError names what ONNX cannot say. */
export function exportOnnx(
  graph: Graph,
  contents: ReadonlyMap<string, TypedArray>,
  { dialect: dialectName, opset = opsets[0]!, name, metadata = {} }: OnnxExportOptions,
): OnnxModel {
  const dialect = onnxDialects[dialectName](opset);
  const images = graph.inputs.get('images')!;
  const logits = graph.outputs.get('logits')!;
  const nodes = prune(graph, [logits]);
  const constants = constantsOf(graph, contents, nodes);
  const emitter = new Emitter(constants);
  const bytes = emitter.add('Transpose', 'images/channels-first', ['images'], { perm: { ints: [0, 3, 1, 2] } });
  emitter.bind(images, realImages(emitter, bytes, images.type.encoding!));
  for (const node of nodes) {
    const result = node.outputs[0]!;
    if (constants.has(result)) continue;
    const operator = operators[node.op.name];
    if (operator === undefined)
      throw new SubbitError(`${node.name}: the op ${node.op.name} cannot be exported to ONNX`);
    emitter.bind(result, operator(emitter, node, dialect));
  }
  const classes = logits.type.shape.at(-1)!;
  emitter.add('Flatten', 'logits', [emitter.tensorOf(logits)]);
  return {
    name,
    inputs: [{ name: 'images', type: 'uint8', shape: [dialect.batch, ...images.type.shape.slice(1)] }],
    outputs: [{ name: 'logits', type: 'float32', shape: [dialect.batch, classes] }],
    initializers: emitter.initializers,
    nodes: emitter.nodes,
    opset,
    irVersion: irVersions[opset]!,
    domains: dialect.domains,
    functions: dialect.functions,
    metadata,
  };
}

/**
 * From bytes to real numbers: (byte - zeroPoint[channel]) * step. Arithmetic and no DequantizeLinear, because ONNX Runtime (1.30, 1.32) quantizes
 * the float filter of a convolution whose input comes from one to 8 bits, unasked ("WeightBiasQuantization").
 */
function realImages(emitter: Emitter, bytes: string, encoding: Encoding): string {
  const points = zeroPointsOf(encoding);
  const zero = { shape: [1, points.length, 1, 1], data: Float32Array.from(points) };
  const floats = emitter.add('Cast', 'images/levels', [bytes], { to: { int: 1 } });
  const integers = emitter.add('Sub', 'images/integers', [floats, emitter.store('images/zero', zero)]);
  return emitter.add('Mul', 'images/real', [integers, emitter.store('images/step', encoding.step)]);
}

/** Everything that does not depend on the image, computed. */
function constantsOf(
  graph: Graph,
  contents: ReadonlyMap<string, TypedArray>,
  nodes: ReturnType<typeof prune>,
): ReadonlyMap<Value, Tensor> {
  const constants = new Map<Value, Tensor>();
  for (const { value } of graph.variables.values())
    constants.set(value, { type: value.type, data: contents.get(value.name)! });
  for (const [value, data] of graph.constants) constants.set(value, { type: value.type, data });
  for (const { op, inputs, attributes, outputs } of nodes) {
    const given = inputs.filter((value) => value !== undefined);
    if (given.length === 0 || !given.every((value) => constants.has(value))) continue;
    const operands = inputs.map((value) => value && constants.get(value));
    constants.set(outputs[0]!, runOp(op, operands, attributes));
  }
  return constants;
}
