/** From an ONNX model to an evaluation graph. */
import type { Graph } from '../../core/graph.js';
import type { OnnxModel, OnnxNode } from '../../formats/onnx-model.js';
import { SubbitError, UsageError } from '../../util/errors.js';
import { constantOf } from './constants.js';
import { describe, type ImageInput, type Imported, Importer } from './importer.js';
import { operators } from './operators.js';

export interface ImportOptions {
  /** Of models that take real numbers: what a byte stands for is (byte - zeroPoints[c]) * step. @default 1 / 255 and [0] */
  readonly step?: number;
  readonly zeroPoints?: readonly number[];
}

export interface ImportedNetwork {
  /** From 'images', levels [1, H, W, C], to 'logits', real. Everything else is constant. */
  readonly graph: Graph;
  readonly input: ImageInput;
  /** Names in label order, where the model tells them; numbers elsewhere. */
  readonly classes: readonly string[];
}

/** As many as a .subbit file may have. */
const maxNodes = 10_000;

/** Throws a SubbitError that names the node, and what of it subbit has no use for. */
export function importOnnx(model: OnnxModel, options: ImportOptions = {}): ImportedNetwork {
  const [input, ...others] = model.inputs;
  const [output] = model.outputs;
  if (input === undefined || output === undefined || others.length > 0)
    throw new SubbitError(
      `an image classifier has one input and an output, this model ${model.inputs.length} and ${model.outputs.length}`,
    );
  if (model.nodes.length > maxNodes)
    throw new SubbitError(`the model has ${model.nodes.length} nodes; ${maxNodes} are the most`);
  const isBytes = input.type === 'uint8';
  const shape = input.shape.slice(1).map(Number);
  // As Keras has them, and our own export.
  const isChannelsLast = shape[2]! <= 4 && (isBytes || shape[0]! > 4);
  const [channels, height, width] = isChannelsLast ? [shape[2], shape[0], shape[1]] : shape;
  if (input.shape.length !== 4 || !(channels! >= 1 && channels! <= 4) || !(height! >= 1) || !(width! >= 1))
    throw new SubbitError(`the input '${input.name}' is no image of 1 to 4 channels: [${input.shape.join(', ')}]`);
  const image: ImageInput = { height: height!, width: width!, channels: channels! };
  const importer = new Importer(image, model.opset ?? 0);
  const tensors = new Map<string, Imported>();
  for (const [name, tensor] of Object.entries(model.initializers))
    tensors.set(name, { kind: 'constant', constant: constantOf(tensor) });
  const { step = 1 / 255, zeroPoints = [0] } = options;
  const perChannel = (numbers: readonly number[]): number[] =>
    Array.from({ length: channels! }, (_, c) => numbers[numbers.length === 1 ? 0 : c]!);
  if (zeroPoints.length !== 1 && zeroPoints.length !== channels)
    throw new UsageError(`${zeroPoints.length} zero points for ${channels} channels`);
  tensors.set(input.name, {
    kind: 'input',
    axes: isChannelsLast ? 'NHWC' : 'NCHW',
    ...(isBytes
      ? { zeroPoints: perChannel([0]), steps: perChannel([1]) }
      : { zeroPoints: perChannel(zeroPoints), steps: perChannel([step]) }),
  });
  for (const node of inOrder(model)) {
    importNode(importer, node, tensors);
    // A node may be many operations: a Concat of n inputs is n - 1.
    if (importer.graph.nodes.length > maxNodes)
      throw new SubbitError(
        `the model has ${importer.graph.nodes.length} operations up to ${describe(node)}; ${maxNodes} are the most`,
      );
  }
  const result = tensors.get(output.name);
  if (result === undefined) throw new SubbitError(`the output '${output.name}' is computed nowhere in the model`);
  // What is deployed and trained are logits; their order is that of the probabilities.
  const logits = importer.real(result.kind === 'probabilities' ? result.source : result, {
    op: 'output',
    name: output.name,
    inputs: [],
    outputs: [output.name],
  });
  const [, outHeight, outWidth, count] = logits.value.type.shape as [number, number, number, number];
  if (outHeight !== 1 || outWidth !== 1 || logits.image !== undefined)
    throw new SubbitError(`the output '${output.name}' is no row of numbers per image`);
  importer.graph.output('logits', logits.value);
  return { graph: importer.graph, input: image, classes: classesOf(model, count) };
}

/** Adds what a node computes to the graph and to `tensors`, which has its inputs by name. */
export function importNode(importer: Importer, node: OnnxNode, tensors: Map<string, Imported>): void {
  const key = node.domain === undefined ? node.op : `${node.domain}.${node.op}`;
  // Every object has a 'valueOf'.
  const operator = Object.hasOwn(operators, key) ? operators[key] : undefined;
  if (operator === undefined) throw new SubbitError(`${describe(node)}: the operator is not supported`);
  const inputs = node.inputs.map((name) => (name === '' ? undefined : tensors.get(name)));
  const missing = node.inputs.find((name, i) => name !== '' && inputs[i] === undefined);
  if (missing !== undefined) throw new SubbitError(`${describe(node)}: its input '${missing}' is nowhere in the model`);
  if (inputs[0] === undefined && node.op !== 'Constant') throw new SubbitError(`${describe(node)}: it has no input`);
  tensors.set(node.outputs[0]!, operator(importer, node, inputs));
}

function classesOf({ metadata = {} }: OnnxModel, count: number): readonly string[] {
  try {
    const names = JSON.parse(metadata.classes ?? '') as unknown;
    if (Array.isArray(names) && names.length === count && names.every((name) => typeof name === 'string')) return names;
  } catch {}
  return Array.from({ length: count }, (_, i) => String(i));
}

/** Nodes that the output needs, each after those that it reads. Throws for a cycle and for a node without an output. */
function inOrder({ nodes, outputs }: OnnxModel): OnnxNode[] {
  const makers = new Map<string, OnnxNode>();
  for (const node of nodes) {
    if (node.outputs.length === 0) throw new SubbitError(`the node '${node.name}' (${node.op}) has no output`);
    for (const output of node.outputs) {
      if (makers.has(output)) throw new SubbitError(`two nodes compute '${output}'`);
      if (output !== '') makers.set(output, node);
    }
  }
  const ordered: OnnxNode[] = [];
  const state = new Map<OnnxNode, 'open' | 'done'>();
  const stack = outputs.slice(0, 1).flatMap(({ name }) => makers.get(name) ?? []);
  while (stack.length > 0) {
    const node = stack.at(-1)!;
    if (state.get(node) === 'done') {
      stack.pop();
      continue;
    }
    const waiting = node.inputs.flatMap((name) => {
      const maker = makers.get(name);
      return maker === undefined || state.get(maker) === 'done' ? [] : [maker];
    });
    if (waiting.length === 0) {
      state.set(node, 'done');
      ordered.push(node);
      stack.pop();
      continue;
    }
    if (state.get(node) === 'open') throw new SubbitError(`${describe(node)}: the model has a cycle through it`);
    state.set(node, 'open');
    const open = waiting.find((each) => state.get(each) === 'open');
    if (open !== undefined) throw new SubbitError(`${describe(open)}: the model has a cycle through it`);
    // Not as arguments of one call, of which there may not be so many.
    for (const each of waiting) stack.push(each);
  }
  return ordered;
}
