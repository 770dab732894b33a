/**
 * An imported evaluation graph as a network in JSON (nn/models/model-json.ts) with its parameters, from the output to the image.
 *
 * Where a quantizer of activations goes follows from what is never negative. A Relu in front of layers with weights, and of maxima
 * before them, moves behind the maxima and becomes the `activation` of these layers: at low bits the bounded function and the
 * levels, as in the presets. A Relu that something else reads as well (a shortcut, a mean) stays, and `activation` comes in addition: a Relu of what
 * is not negative changes nothing in floats. In front of a mean and the last layer it is not bounded, as in the presets' ResNets. A layer
 * whose input may be negative keeps it real.
 *
 * A factor above 0 behind a Clip (Relu6 is 6 Clip(x / 6)) moves into the filters that follow, through means and maxima.
 */
import type { Graph, Node, Value } from '../../core/graph.js';
import type { TypedArray } from '../../core/tensor.js';
import { type Padding, slide } from '../../nn/layers/window.js';
import { activate } from '../../ops/activation/activation.js';
import { concat } from '../../ops/concat/concat.js';
import { conv2d } from '../../ops/conv2d/conv2d.js';
import { spanOf } from '../../ops/conv2d/geometry.js';
import { add, reshape } from '../../ops/elementwise/elementwise.js';
import { averagePool, isWholeImage } from '../../ops/pool/average-pool.js';
import { maxPool } from '../../ops/pool/pool.js';
import { dequantize } from '../../ops/quantize/activations.js';
import { rprelu } from '../../ops/rprelu/rprelu.js';
import { strideShortcut } from '../../ops/shortcut/shortcut.js';
import { SubbitError } from '../../util/errors.js';
import { UniqueNames } from '../unique-names.js';
import { Facts } from './facts.js';
import { Flow } from './flow.js';
import { asLayer, isBias, joined, type Norm, normOf } from './norm.js';

/** Of nn/models/model-json.ts. */
export interface JsonLayer {
  readonly layer: string;
  readonly name?: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly body?: readonly JsonLayer[];
  readonly shortcut?: readonly JsonLayer[];
  readonly branches?: readonly (readonly JsonLayer[])[];
}

export interface ConvertedLayers {
  readonly layers: readonly JsonLayer[];
  readonly tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>;
  /** Batch norms whose statistics have to be measured. */
  readonly unmeasured: readonly string[];
  /** Layers with weights whose input stays real at any bits. */
  readonly unbounded: readonly string[];
}

/** Part of a path: layers, and the value that goes into them. */
interface Segment {
  readonly layers: readonly JsonLayer[];
  readonly input: Value;
}

/** As deep as networks in JSON may be. */
const maxDepth = 16;
const maxNodes = 5000;
const maxNameLength = 80;

const alreadyQuantized = 'what is quantized already (deploy it with: subbit import)';

/** Throws a SubbitError that names the node that no layer does the work of. */
export function convertLayers(graph: Graph, images: Value): ConvertedLayers {
  if (graph.nodes.length > maxNodes)
    throw new SubbitError(`the network has ${graph.nodes.length} operations; ${maxNodes} are the most`);
  return new Converter(graph, images).convert(images, graph.outputs.get('logits')!);
}

class Converter {
  readonly #graph: Graph;
  readonly #flow: Flow;
  readonly #facts: Facts;
  readonly #names = new Map<Node, string>();
  readonly #done = new Set<Node>();
  readonly #tensors: Record<string, { shape: readonly number[]; data: Float32Array }> = {};
  readonly #unmeasured: string[] = [];

  constructor(graph: Graph, images: Value) {
    this.#graph = graph;
    this.#flow = new Flow(graph);
    this.#facts = new Facts(graph, this.#flow, images);
    const names = new UniqueNames();
    for (const node of graph.nodes) this.#names.set(node, names.take(layerName(node.name)));
  }

  convert(images: Value, logits: Value): ConvertedLayers {
    const layers = this.#path(images, logits, 0);
    const unbounded = this.#graph.nodes.flatMap((node) => {
      if (node.op !== conv2d || this.#facts.isLast(node)) return [];
      const [input] = this.#flow.inputsOf(node);
      return this.#facts.isPositive(input) || this.#facts.isFromImage(input) ? [] : [this.#names.get(node)!];
    });
    return { layers, tensors: this.#tensors, unmeasured: this.#unmeasured, unbounded };
  }

  /** The layers from a value to another one behind it. */
  #path(from: Value, to: Value, depth: number): JsonLayer[] {
    const segments: (readonly JsonLayer[])[] = [];
    for (let value = to; value !== from; ) {
      const node = value.node!;
      if (depth > maxDepth) throw refused(node, `branches inside of branches, ${depth} deep,`);
      const { layers, input } = this.#segment(node, from, depth);
      segments.push([...layers, ...this.#activationBehind(value)]);
      value = input;
    }
    return segments.reverse().flat();
  }

  #segment(node: Node, from: Value, depth: number): Segment {
    if (this.#done.has(node)) throw refused(node, 'a result that leaves its branch in the middle');
    this.#done.add(node);
    const [input] = this.#flow.inputsOf(node);
    if (this.#facts.isMoved(node)) return { layers: [], input };
    const norm = normOf(this.#graph, node);
    if (norm !== undefined) return this.#norms(node, norm, from);
    const { op, attributes } = node;
    const name = this.#names.get(node)!;
    const single = (layer: string, options?: JsonLayer['options']): Segment => ({
      layers: [{ layer, name, ...(options && { options }) }],
      input,
    });
    if (op === conv2d) return this.#convolution(node, undefined);
    if (op === add || op === concat) return this.#join(node, depth);
    if (op === activate && attributes.kind === 'relu') {
      const [output] = node.outputs as [Value];
      const last = this.#facts.lastBehind(output);
      if (this.#facts.reluMoves(output)) return { layers: [], input };
      return last === undefined ? single('relu') : { layers: [this.#activation([last], { bounded: false })], input };
    }
    if (op === activate && attributes.kind === 'clip') return single('clip');
    if (op === maxPool) return single('maxPool', windowOf(node, attributes.size));
    if (op === averagePool && isWholeImage(input.type.shape, attributes)) return single('globalAverage');
    if (op === averagePool) return single('averagePool', windowOf(node, attributes.size));
    if (op === reshape) return { layers: [{ layer: 'flatten' }], input };
    if (op === strideShortcut) return single('stridedShortcut', { ...attributes });
    if (op === rprelu) return this.#bent(node);
    if (op === dequantize && input.node === undefined) return this.#normalized(node, [1], [0]);
    if (node.outputs[0]!.type.encoding !== undefined) throw refused(node, alreadyQuantized);
    throw refused(node, `the operation ${op.name}${attributes.kind === undefined ? '' : ` ${attributes.kind}`}`);
  }

  /** A batch norm and what is per channel around it. */
  #norms(last: Node, own: Norm, from: Value): Segment {
    let norm = own;
    let named = last;
    let [input] = this.#flow.inputsOf(last);
    for (;;) {
      const before = input.node;
      if (
        input === from ||
        before === undefined ||
        this.#flow.readersOf(input).length > 1 ||
        this.#facts.isMoved(before)
      )
        break;
      const earlier = normOf(this.#graph, before);
      const both = earlier && joined(earlier, norm);
      if (both === undefined) break;
      if (!norm.isMeasured) named = before;
      norm = both;
      this.#done.add(before);
      [input] = this.#flow.inputsOf(before);
    }
    const before = input === from || this.#flow.readersOf(input).length > 1 ? undefined : input.node;
    if (before?.op === dequantize && !norm.isMeasured) return this.#normalized(before, [...norm.gamma], [...norm.beta]);
    if (before?.op === conv2d && isBias(norm) && this.#facts.isLast(before))
      return this.#convolution(before, norm.beta);
    const name =
      !norm.isMeasured && before?.op === conv2d ? `${this.#names.get(before)}/norm` : this.#names.get(named)!;
    if (!norm.isMeasured) this.#unmeasured.push(name);
    const { epsilon, ...parts } = asLayer(norm);
    for (const part of ['mean', 'variance', 'gamma', 'beta'] as const) this.#store(`${name}/${part}`, parts[part]);
    return { layers: [{ layer: 'batchNorm', name, options: { epsilon } }], input };
  }

  /** Bytes of the image as the real numbers that the model takes. */
  #normalized(node: Node, steps: readonly number[], offsets: readonly number[]): Segment {
    this.#done.add(node);
    const [input] = this.#flow.inputsOf(node);
    const each = (numbers: readonly number[]): number[] =>
      Array.from({ length: input.type.shape[3]! }, (_, c) => numbers[numbers.length === 1 ? 0 : c]!);
    const options = { steps: each(steps), offsets: each(offsets) };
    return { layers: [{ layer: 'normalize', name: this.#names.get(node)!, options }], input };
  }

  #convolution(node: Node, bias: Float64Array | undefined): Segment {
    this.#done.add(node);
    const { inputs, attributes } = node;
    const [input] = this.#flow.inputsOf(node);
    const { type } = inputs[1]!;
    const name = this.#names.get(node)!;
    if (type.encoding !== undefined) throw refused(node, alreadyQuantized);
    const [height, width, , channels] = type.shape as [number, number, number, number];
    if (height !== width) throw refused(node, `a filter of ${height}x${width} pixels`);
    const factor = this.#facts.factorOf(node);
    const filter = this.#graph.constants.get(inputs[1]!) as TypedArray;
    this.#tensors[`${name}/filter`] = { shape: type.shape, data: Float32Array.from(filter, (each) => each * factor) };
    if (bias !== undefined) this.#store(`${name}/bias`, bias);
    const { stride = 1, dilation = 1, groups = 1 } = attributes as Record<string, number>;
    const hasBias = bias !== undefined;
    const isDense = input.type.shape[1] === 1 && input.type.shape[2] === 1 && height === 1 && groups === 1;
    const outputs = this.#facts.isLast(node) ? 'classes' : channels;
    const { padding } = windowOf(node, spanOf(height, dilation));
    const layer: JsonLayer = isDense
      ? { layer: 'dense', name, options: { outputs, bias: hasBias } }
      : { layer: 'conv', name, options: { channels, size: height, stride, dilation, groups, padding, bias: hasBias } };
    // What other layers read as well gets its levels here, on the way into this one.
    const isAlone =
      this.#facts.isPositive(input) && this.#facts.layersBehind(input) === undefined && !this.#facts.isLast(node);
    return { layers: [...(isAlone ? [this.#activation([node])] : []), layer], input };
  }

  /** A sum or channels side by side of two branches. */
  #join(node: Node, depth: number): Segment {
    const [left, right] = this.#flow.inputsOf(node) as [Value, Value];
    const input = this.#flow.fork(left, right ?? left);
    const branches = [left, right ?? left].map((end) => this.#path(input, end, depth + 1)) as [
      JsonLayer[],
      JsonLayer[],
    ];
    const name = this.#names.get(node)!;
    if (node.op === concat) return { layers: [{ layer: 'concat', name, branches }], input };
    const [shortcut, body] = branches.sort((a, b) => a.length - b.length) as [JsonLayer[], JsonLayer[]];
    if (body.length === 0) throw refused(node, 'a tensor added to itself');
    return { layers: [{ layer: 'residual', name, body, ...(shortcut.length > 0 && { shortcut }) }], input };
  }

  #bent(node: Node): Segment {
    const [gamma, slope, zeta] = node.inputs.slice(1).map((value) => this.#graph.constants.get(value!) as Float32Array);
    const name = this.#names.get(node)!;
    const isPlain = [...gamma!, ...zeta!].every((each) => each === 0);
    const parameters = isPlain ? { slope: slope! } : { gamma: gamma!, beta: slope!, zeta: zeta! };
    for (const [part, data] of Object.entries(parameters)) this.#store(`${name}/${part}`, data);
    const [input] = this.#flow.inputsOf(node);
    return { layers: [{ layer: isPlain ? 'prelu' : 'rprelu', name }], input };
  }

  #store(name: string, data: ArrayLike<number>): void {
    this.#tensors[name] = { shape: [data.length], data: Float32Array.from(data) };
  }

  /** The activation of the layers that are all that reads a value. */
  #activationBehind(value: Value): JsonLayer[] {
    const layers = this.#facts.layersBehind(value);
    if (layers === undefined || !this.#facts.isPositive(value)) return [];
    if (value.node !== undefined && this.#facts.isTransparent(value.node)) return [];
    const isWanted = this.#facts.awaitsRelu(value) || !layers.some((layer) => this.#facts.isLast(layer));
    return isWanted ? [this.#activation(layers)] : [];
  }

  #activation(layers: readonly Node[], options: { readonly bounded?: boolean } = {}): JsonLayer {
    const names = layers.map((layer) => this.#names.get(layer)!);
    return { layer: 'activation', options: { next: names.length === 1 ? names[0]! : names, ...options } };
  }
}

/** The options of a window that spans so much; its `size` counts taps. */
function windowOf(node: Node, span: number): { size: number; stride: number; padding: Padding } {
  const { stride, padTop, padLeft, outHeight, outWidth } = node.attributes as Record<string, number>;
  const [, height, width] = node.inputs[0]!.type.shape as [number, number, number];
  const fits = (padding: Padding): boolean => {
    const [vertical, horizontal] = [height, width].map((extent) => {
      try {
        return slide(extent, span, stride!, padding);
      } catch {
        return undefined;
      }
    });
    const isSame = (found: ReturnType<typeof slide> | undefined, before: number, out: number): boolean =>
      found?.before === before && found.out === out;
    return isSame(vertical, padTop!, outHeight!) && isSame(horizontal, padLeft!, outWidth!);
  };
  const padding = [padTop!, 'same' as const].find(fits);
  if (padding === undefined)
    throw refused(
      node,
      `padding that is neither equal on all sides nor auto_pad SAME_UPPER (output ${outHeight}x${outWidth})`,
    );
  return { size: span, stride: stride!, padding };
}

function refused({ name, op }: Node, what: string): SubbitError {
  return new SubbitError(`'${name}' (${op.name}): ${what} cannot be trained`);
}

/** '/layer1/layer1.0/conv1/Conv', as PyTorch names nodes, is 'layer1/layer1.0/conv1'. */
function layerName(name: string): string {
  const parts = name
    .split('/')
    .map((part) => part.replace(/[^\w.-]/g, '_'))
    .filter((part) => part !== '');
  if (parts.length > 1 && /^[A-Z][A-Za-z]*$/.test(parts.at(-1)!)) parts.pop();
  return parts.join('/').slice(-maxNameLength).replace(/^\/+/, '') || 'layer';
}
