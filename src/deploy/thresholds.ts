/**
 * Staircases: a chain of real ops as a function from the integers of a channel to its levels, and the integers where the level
 * changes, found by bisection on the chain's reference.
 */
import type { Node, Value } from '../core/graph.js';
import { runOp, type Tensor } from '../core/run-op.js';
import { integer, type TensorType, type TypedArray } from '../core/tensor.js';
import { neverDown, neverUp } from '../ops/integer/threshold.js';

/** What a chain does to one integer of each channel. Nodes that only move elements must not be among its nodes. */
export class ChannelFunction {
  readonly channels: number;
  readonly #nodes: readonly Node[];
  readonly #type: TensorType;
  readonly #constantOf: (value: Value) => Tensor;
  readonly #turned: readonly boolean[] | undefined;

  constructor(
    nodes: readonly Node[],
    source: TensorType,
    constantOf: (value: Value) => Tensor,
    turned?: readonly boolean[],
  ) {
    this.channels = source.shape.at(-1)!;
    this.#nodes = nodes;
    this.#type = source;
    this.#constantOf = constantOf;
    this.#turned = turned;
  }

  /** The results for integers [rows, channels]. */
  evaluate(integers: Int32Array): TypedArray {
    const { max, step } = this.#type.encoding!;
    const shape = [integers.length / this.channels, 1, 1, this.channels];
    const turned = this.#turned;
    const data = turned ? integers.map((value, i) => (turned[i % this.channels] ? -value : value)) : integers;
    let tensor: Tensor = { type: integer(shape, max, { step }), data };
    for (const node of this.#nodes) {
      const constants = node.inputs.slice(1).map((value) => value && this.#constantOf(value));
      tensor = runOp(node.op, [tensor, ...constants], node.attributes);
    }
    return tensor.data;
  }

  /** The part before (or with) a node of the chain. */
  upTo(count: number): ChannelFunction {
    return new ChannelFunction(this.#nodes.slice(0, count), this.#type, this.#constantOf, this.#turned);
  }

  /** The same function of the integers with their sign changed in some channels. */
  turned(channels: readonly boolean[]): ChannelFunction {
    return new ChannelFunction(this.#nodes, this.#type, this.#constantOf, channels);
  }
}

/** For every channel whether the real function does not fall, told by its values at -bound and bound. */
export function risingChannels(f: ChannelFunction, bound: number): boolean[] {
  const ends = new Int32Array(2 * f.channels).fill(-bound, 0, f.channels).fill(bound, f.channels);
  const values = f.evaluate(ends);
  return Array.from({ length: f.channels }, (_, c) => values[f.channels + c]! >= values[c]!);
}

export interface Staircase {
  /** [levels, channels], as the op `threshold` takes them. */
  readonly up: Int32Array;
  /** Absent where every channel only rises. */
  readonly down?: Int32Array;
}

/**
 * Thresholds of a chain that ends in levels 0 .. `levels`, over the integers -bound .. bound. `before` is its part up to the
 * activation when that is min(1, |x|): where it is zero the two sides meet.
 */
export function staircaseOf(
  f: ChannelFunction,
  levels: number,
  bound: number,
  rising: readonly boolean[],
  before?: ChannelFunction,
): Staircase {
  const up = new Int32Array(levels * f.channels).fill(neverUp);
  const down = new Int32Array(levels * f.channels).fill(neverDown);
  const reaches = (level: number, row: number): boolean => level > row;
  const record = (found: Float64Array, isUp: (channel: number) => boolean): void => {
    for (const [i, at] of found.entries()) {
      if (!Number.isNaN(at)) (isUp(i % f.channels) ? up : down)[i] = at;
    }
  };
  const sign = (c: number): number => (rising[c] ? 1 : -1);
  const whole = (c: number): Span => ({ from: -bound * sign(c), step: sign(c), count: 2 * bound + 1 });
  if (before === undefined) {
    record(nearest(f, levels, reaches, whole), (c) => rising[c]!);
  } else {
    const zeros = nearest(before, 1, (y) => y >= 0, whole);
    // How many integers lie before the zero, on the negative side: all of them when there is none.
    const negativesOf = (c: number): number =>
      Number.isNaN(zeros[c]!) ? 2 * bound + 1 : (zeros[c]! - whole(c).from) * sign(c);
    record(
      nearest(f, levels, reaches, (c) => {
        const count = negativesOf(c);
        return { from: whole(c).from + count * sign(c), step: sign(c), count: 2 * bound + 1 - count };
      }),
      (c) => rising[c]!,
    );
    record(
      nearest(f, levels, reaches, (c) => {
        const count = negativesOf(c);
        return { from: whole(c).from + (count - 1) * sign(c), step: -sign(c), count };
      }),
      (c) => !rising[c],
    );
  }
  return down.some((value) => value !== neverDown) ? { up, down } : { up };
}

/** The integers from, from + step, ..; `count` of them. */
interface Span {
  readonly from: number;
  readonly step: number;
  readonly count: number;
}

/**
 * For each row and channel the first integer of the channel's span where `holds(f(integer), row)`, which stays true from there
 * on; NaN where it never is. [rows, channels]
 */
function nearest(
  f: ChannelFunction,
  rows: number,
  holds: (value: number, row: number) => boolean,
  spanOf: (channel: number) => Span,
): Float64Array {
  const spans = Array.from({ length: f.channels }, (_, c) => spanOf(c));
  // Invariant: it holds at position `high` (count: nowhere), and not before `low`.
  const low = new Float64Array(rows * f.channels);
  const high = Float64Array.from(low, (_, i) => spans[i % f.channels]!.count);
  const integers = new Int32Array(low.length);
  while (low.some((position, i) => position < high[i]!)) {
    const middle = low.map((position, i) => Math.min(Math.floor((position + high[i]!) / 2), high[i]! - 1));
    for (let i = 0; i < integers.length; i++) {
      const { from, step, count } = spans[i % f.channels]!;
      integers[i] = count === 0 ? 0 : from + step * Math.max(middle[i]!, 0);
    }
    const values = f.evaluate(integers);
    for (let i = 0; i < low.length; i++) {
      if (low[i]! >= high[i]!) continue;
      if (holds(values[i]!, Math.floor(i / f.channels))) high[i] = middle[i]!;
      else low[i] = middle[i]! + 1;
    }
  }
  return low.map((position, i) => {
    const { from, step, count } = spans[i % f.channels]!;
    return position < count ? from + step * position : Number.NaN;
  });
}
