/**
 * Lowering: the real arithmetic that is left in a rounded network becomes integer thresholds. Exact.
 *
 * After `roundNetwork`, real numbers exist only in chains that begin with `dequantize` of an i32 value and end with
 * `quantize-unit`, `quantize-scaled` or `quantize-sign`. Between them stand biases, batch norms, a bounded activation and max-pools: functions of one element of
 * one channel, each monotone, besides min(1, |x|) which is monotone on either side. So the level is a staircase of the
 * accumulator (DoReFa-Net 2.8), and its steps are found by evaluating the chain's own reference on integers, by bisection:
 * rounding and ties cannot make the two disagree.
 *
 * - A channel whose function falls (negative gamma) has its filter's sign turned where the filter serves nothing else, so that
 *   one comparison per threshold remains; elsewhere its thresholds count downwards. A filter of few codewords keeps them: its
 *   turned channels are told by signs beside it, where a codebook of its patterns is worth while and turning would add any.
 * - A max-pool stays behind the thresholds, on levels, when what follows it does not fall: quantization is monotone
 *   (eq. 15). Otherwise (min(1, |x|) follows) it goes before them, on accumulators that rise with the real number.
 */
import { Graph, type Node, type Value } from '../core/graph.js';
import { integer, quantized, type TensorType, type TypedArray } from '../core/tensor.js';
import { activate } from '../ops/activation/activation.js';
import { batchNormalize } from '../ops/batch-norm/batch-norm.js';
import { codewordTaps, distinctCodewords, indexBits, isBinary3x3 } from '../ops/codewords.js';
import { integerMaxPool } from '../ops/integer/integer-pool.js';
import { rescale } from '../ops/integer/rescale.js';
import { threshold, thresholdAttributes } from '../ops/integer/threshold.js';
import { integerConv2d, withSigns } from '../ops/integer-conv2d/integer-conv2d.js';
import { maxPool } from '../ops/pool/pool.js';
import { dequantize, quantizeUnit } from '../ops/quantize/activations.js';
import { quantizeScaled } from '../ops/quantize/learned.js';
import { quantizeSign } from '../ops/quantize/weights.js';
import { SubbitError } from '../util/errors.js';
import { ChannelFunction, risingChannels, staircaseOf } from './thresholds.js';

/** The integer network of a rounded one. */
export function lowerNetwork(graph: Graph): Graph {
  return new Lowering(graph).lowered;
}

const quantizers: readonly string[] = [quantizeUnit.name, quantizeScaled.name, quantizeSign.name];
const isQuantizer = ({ op }: Node): boolean => quantizers.includes(op.name);

class Lowering {
  readonly lowered = new Graph();
  readonly #graph: Graph;
  readonly #values = new Map<Value, Value>();
  /** How often each value is read. */
  readonly #reads = new Map<Value, number>();
  /** Filters whose output channels change sign, decided before the convolution is copied. */
  readonly #turned = new Map<Node, readonly boolean[]>();

  constructor(graph: Graph) {
    this.#graph = graph;
    for (const node of graph.nodes)
      for (const value of node.inputs) if (value) this.#reads.set(value, (this.#reads.get(value) ?? 0) + 1);
    for (const value of graph.outputs.values()) this.#reads.set(value, (this.#reads.get(value) ?? 0) + 1);
    const chains = new Map<Node, Chain>();
    for (const node of graph.nodes) if (isQuantizer(node)) chains.set(node, this.#chainTo(node));
    for (const [name, value] of graph.inputs) this.#values.set(value, this.lowered.input(name, value.type));
    for (const node of graph.nodes) {
      const chain = chains.get(node);
      if (chain !== undefined) this.#values.set(node.outputs[0]!, this.#lowerChain(node, chain));
      else if (node.outputs[0]!.type.dtype !== 'f32') this.#copy(node);
    }
    for (const [name, value] of graph.outputs) this.lowered.output(name, this.#valueOf(value));
  }

  #valueOf(value: Value): Value {
    const known = this.#values.get(value);
    if (known !== undefined) return known;
    const data = this.#graph.constants.get(value);
    if (data === undefined) throw new SubbitError(`${value.name}: a real value is left where integers are expected`);
    const copy = this.lowered.constant(value.name, value.type, data);
    this.#values.set(value, copy);
    return copy;
  }

  #copy(node: Node): void {
    const turned = this.#turned.get(node);
    // Without the filter that turns: the one that replaces it has its name.
    const inputs = node.inputs.map((value, slot) =>
      turned !== undefined && slot === 1 ? undefined : value && this.#valueOf(value),
    );
    if (turned !== undefined) inputs.splice(1, 2, ...this.#turnFilter(node.name, node.inputs[1]!, turned));
    this.#values.set(node.outputs[0]!, this.lowered.apply(node.op, node.name, inputs, node.attributes as never));
  }

  /** The nodes from `dequantize` to `quantize`, and what they mean. */
  #chainTo(quantize: Node): Chain {
    const nodes = [quantize];
    while (nodes[0]!.op.name !== dequantize.name) nodes.unshift(nodes[0]!.inputs[0]!.node!);
    const source = nodes[0]!.inputs[0]!;
    const computing = nodes.filter((node) => node.op.name !== maxPool.name);
    const f = new ChannelFunction(computing, source.type, (value) => ({
      type: value.type,
      data: this.#graph.constants.get(value)!,
    }));
    const bound = source.type.encoding!.max;
    const absolute = computing.findIndex((node) => node.op.name === activate.name && node.attributes.kind === 'cabs');
    const before = absolute < 0 ? undefined : f.upTo(absolute);
    const rising = risingChannels(before ?? f, bound);
    const producer = source.node;
    // A filter can be turned when its sums go nowhere but into this chain.
    const isTurned =
      producer?.op.name === integerConv2d.name &&
      this.#reads.get(source) === 1 &&
      producer.inputs[1]!.node === undefined &&
      canTurn(producer.inputs[1]!.type);
    const pools = nodes.filter((node) => node.op.name === maxPool.name);
    const isAfter = pools.every((pool) => this.#neverFallsAfter(nodes, pool));
    if (isTurned && rising.includes(false))
      this.#turned.set(
        producer!,
        rising.map((isRising) => !isRising),
      );
    return { f, before, source, bound, rising, isTurned, pools, poolsAfter: isAfter };
  }

  /** Whether what follows a pool keeps the order of numbers, for every channel. */
  #neverFallsAfter(nodes: readonly Node[], pool: Node): boolean {
    return nodes.slice(nodes.indexOf(pool) + 1).every(({ op, attributes, inputs }) => {
      if (op.name === activate.name) return attributes.kind !== 'cabs';
      const gamma = op.name === batchNormalize.name ? this.#graph.constants.get(inputs[3]!) : undefined;
      return gamma === undefined || gamma.every((each) => each >= 0);
    });
  }

  #lowerChain(quantize: Node, chain: Chain): Value {
    const { f, before, source, bound, isTurned, pools, poolsAfter } = chain;
    const encoding = quantize.outputs[0]!.type.encoding!;
    const { max } = encoding;
    const name = quantize.name;
    let value = this.#valueOf(source);
    let { rising } = chain;
    let [level, real] = [f, before];
    if (isTurned) {
      const turned = rising.map((isRising) => !isRising);
      [level, real] = [f.turned(turned), before?.turned(turned)];
      rising = rising.map(() => true);
    } else if (pools.length > 0 && !poolsAfter && rising.includes(false)) {
      const turned = rising.map((isRising) => !isRising);
      value = this.#negate(`${name}/rising`, value, turned, bound);
      [level, real] = [f.turned(turned), before?.turned(turned)];
      rising = rising.map(() => true);
    }
    if (!poolsAfter) for (const pool of pools) value = this.#pool(pool, value);
    const { up, down } = staircaseOf(level, max, bound, rising, real);
    // No accumulator gets beyond its bound, so thresholds need not either: files store small integers in 16 bits.
    const beyond = Math.min(bound + 1, 2 ** 31 - 1);
    const rows = (part: string, data: Int32Array): Value => {
      const near = data.map((step) => Math.max(-beyond, Math.min(beyond, step)));
      return this.lowered.constant(`${name}/${part}`, integer([max, f.channels], beyond), near);
    };
    value = this.lowered.apply(
      threshold,
      name,
      [value, rows('up', up), down && rows('down', down)],
      thresholdAttributes(encoding),
    );
    if (poolsAfter) for (const pool of pools) value = this.#pool(pool, value);
    return value;
  }

  #pool(pool: Node, value: Value): Value {
    return this.lowered.apply(integerMaxPool, pool.name, [value], pool.attributes);
  }

  /** The filter with the sign of some output channels changed, or as it is and the signs. */
  #turnFilter(layer: string, filter: Value, turned: readonly boolean[]): Value[] {
    const data = this.#graph.constants.get(filter)!;
    const signs = Uint8Array.from(turned, (isTurned) => (isTurned ? 0 : 1));
    const signed = withSigns(data, filter.type, signs);
    if (!isBinary3x3(filter.type) || !keepsCodewords(data, signed)) {
      return [this.lowered.constant(filter.name, filter.type, signed)];
    }
    const signsType = quantized([signs.length], { kind: 'bipolar', max: 1, step: 1 });
    return [this.#valueOf(filter), this.lowered.constant(`${layer}/signs`, signsType, signs)];
  }

  #negate(name: string, value: Value, turned: readonly boolean[], bound: number): Value {
    const row = (part: string, data: Int32Array): Value =>
      this.lowered.constant(`${name}/${part}`, { dtype: 'i32', shape: [data.length] }, data);
    const constants = [
      row(
        'multiplier',
        Int32Array.from(turned, (isTurned) => (isTurned ? -1 : 1)),
      ),
      row('shift', new Int32Array(turned.length)),
      row('bias', new Int32Array(turned.length)),
    ];
    return this.lowered.apply(rescale, name, [value, ...constants], { low: -bound, high: bound });
  }
}

/** Whether minus each integer of a filter is one of its integers: of levels about a zero the lowest has none. */
function canTurn({ encoding }: TensorType): boolean {
  return encoding!.kind !== 'levels';
}

/** Whether a binary 3x3 filter is one for a codebook, and one for a larger codebook when it is turned. */
function keepsCodewords(filter: TypedArray, turned: TypedArray): boolean {
  const filters = filter.length / codewordTaps;
  const { size } = distinctCodewords(filter, filters);
  return (
    codewordTaps * size + filters * indexBits(size) < codewordTaps * filters &&
    distinctCodewords(turned, filters).size > size
  );
}

interface Chain {
  /** From integers to levels, max-pools left out. */
  readonly f: ChannelFunction;
  /** Its part in front of min(1, |x|). */
  readonly before: ChannelFunction | undefined;
  /** The integers that it begins with, in the rounded graph, and their bound. */
  readonly source: Value;
  readonly bound: number;
  /** Whether the real number (in front of min(1, |x|) if there is one) rises with the integer, per channel. */
  readonly rising: readonly boolean[];
  /** Whether falling channels have their filter turned. */
  readonly isTurned: boolean;
  readonly pools: readonly Node[];
  /** Whether the pools may wait until there are levels. */
  readonly poolsAfter: boolean;
}
