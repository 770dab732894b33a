/** What the conversion to layers asks of each value: its sign, and which layers with weights come next. In one pass each way. */
import type { Graph, Node, Value } from '../../core/graph.js';
import { activate } from '../../ops/activation/activation.js';
import { concat } from '../../ops/concat/concat.js';
import { conv2d } from '../../ops/conv2d/conv2d.js';
import { add, reshape } from '../../ops/elementwise/elementwise.js';
import { averagePool } from '../../ops/pool/average-pool.js';
import { maxPool } from '../../ops/pool/pool.js';
import { strideShortcut } from '../../ops/shortcut/shortcut.js';
import type { Flow } from './flow.js';
import { factorOf, normOf } from './norm.js';

/** A factor above 0 in front of these is the same factor behind them. */
const keepsFactor: ReadonlySet<string> = new Set([maxPool, averagePool, reshape].map(({ name }) => name));
/** What is never negative stays so. */
const keepsSign: ReadonlySet<string> = new Set([...keepsFactor, add.name, concat.name, strideShortcut.name]);

export class Facts {
  /** Factors above 0 that belong into the filters behind them: what multiplies these. */
  readonly #moved = new Set<Node>();
  readonly #factors = new Map<Node, number>();
  readonly #positive = new Set<Value>();
  readonly #fromImage = new Set<Value>();
  readonly #withLayersBehind = new Set<Node>();
  readonly #layersBehind = new Map<Value, readonly Node[]>();
  readonly #lastBehind = new Map<Value, Node>();
  readonly #reluMoves = new Set<Value>();
  readonly #awaitsRelu = new Set<Value>();

  constructor(graph: Graph, flow: Flow, images: Value) {
    const backwards = [...graph.nodes].reverse();
    this.#moveFactors(graph, flow, backwards);
    this.#fromImage.add(images);
    for (const node of graph.nodes) {
      const inputs = flow.inputsOf(node);
      const [output] = node.outputs as [Value];
      if (node.op !== conv2d && inputs.every((input) => this.#fromImage.has(input))) this.#fromImage.add(output);
      const isBounded = node.op === activate && (node.attributes.kind === 'relu' || node.attributes.kind === 'clip');
      const isKept = keepsSign.has(node.op.name) || this.#moved.has(node);
      if (isBounded || (isKept && inputs.every((input) => this.#positive.has(input)))) this.#positive.add(output);
    }
    for (const node of backwards) {
      const [output] = node.outputs as [Value];
      const readers = flow.readersOf(output);
      if (readers.some((reader) => reader.op === conv2d || this.#withLayersBehind.has(reader)))
        this.#withLayersBehind.add(node);
      const layers = readers.map((reader) =>
        this.isTransparent(reader)
          ? this.#layersBehind.get(reader.outputs[0]!)
          : reader.op === conv2d
            ? [reader]
            : undefined,
      );
      if (readers.length > 0 && layers.every((each) => each !== undefined))
        this.#layersBehind.set(output, layers.flat());
      const reader = readers.length === 1 ? readers[0]! : undefined;
      const [next] = reader?.outputs ?? [];
      const movesOn = reader?.op === maxPool && this.#reluMoves.has(next!);
      if (this.#layersBehind.has(output) || movesOn) this.#reluMoves.add(output);
      const isLast = reader?.op === conv2d && this.isLast(reader);
      const passes = reader !== undefined && (keepsFactor.has(reader.op.name) || this.#moved.has(reader));
      const last = isLast ? reader : passes ? this.#lastBehind.get(next!) : undefined;
      if (last !== undefined) this.#lastBehind.set(output, last);
    }
    for (const node of graph.nodes) {
      const [output] = node.outputs as [Value];
      const isRelu = node.op === activate && node.attributes.kind === 'relu' && this.#reluMoves.has(output);
      if (isRelu || (node.op === maxPool && this.#awaitsRelu.has(flow.inputsOf(node)[0]))) this.#awaitsRelu.add(output);
    }
  }

  /** A factor moves when all ways from it end, through means and maxima, in convolutions. */
  #moveFactors(graph: Graph, flow: Flow, backwards: readonly Node[]): void {
    const ends = new Map<Value, readonly Node[]>();
    for (const node of backwards) {
      const [output] = node.outputs as [Value];
      const behind = flow.readersOf(output).map((reader) => {
        if (reader.op === conv2d) return [reader];
        return keepsFactor.has(reader.op.name) || this.#moved.has(reader) ? ends.get(reader.outputs[0]!) : undefined;
      });
      if (behind.length === 0 || behind.includes(undefined)) continue;
      const all = behind.flat() as Node[];
      ends.set(output, all);
      const norm = normOf(graph, node);
      const factor = norm && factorOf(norm);
      if (factor === undefined) continue;
      this.#moved.add(node);
      for (const end of all) this.#factors.set(end, this.factorOf(end) * factor);
    }
  }

  /** Whether the node's factor is in filters instead. */
  isMoved(node: Node): boolean {
    return this.#moved.has(node);
  }

  /** Whether a layer behind the node may have its activation in front of it: levels stay levels, as only their order changes. */
  isTransparent(node: Node): boolean {
    return node.op === reshape || this.#moved.has(node);
  }

  /** What a convolution's filter takes over from factors in front of it. */
  factorOf(layer: Node): number {
    return this.#factors.get(layer) ?? 1;
  }

  /** Whether the value is never negative. */
  isPositive(value: Value): boolean {
    return this.#positive.has(value);
  }

  /** Whether there are no weights on the way from the image. */
  isFromImage(value: Value): boolean {
    return this.#fromImage.has(value);
  }

  /** Whether no weights follow. */
  isLast(layer: Node): boolean {
    return !this.#withLayersBehind.has(layer);
  }

  /** The layers with weights that read a value, if nothing else does. */
  layersBehind(value: Value): readonly Node[] | undefined {
    return this.#layersBehind.get(value);
  }

  /** Whether a Relu that gives this value can stand right in front of the layers that come next, because nothing else reads it. */
  reluMoves(value: Value): boolean {
    return this.#reluMoves.has(value);
  }

  /** Whether a Relu in front of this value has moved and is still to come. */
  awaitsRelu(value: Value): boolean {
    return this.#awaitsRelu.has(value);
  }

  /** The last layer, where nothing but means, maxima and flattening lies between. */
  lastBehind(value: Value): Node | undefined {
    return this.#lastBehind.get(value);
  }
}
