/**
 * The assignment problem of selection (papers 2.3, 2.4): to every position (column) another codeword (row), so that the sum of the
 * scores is largest. `all` columns: the paper's permutation. Only the `selected` ones, the first n, with any codewords left over: a
 * smaller problem of another optimum, for comparison (the transport form: n columns and a slack of N - n).
 *
 * Solved exactly (Jonker and Volgenant 1987): scores become whole numbers of up to 40 bits (those above 2^-16 of the largest as they
 * are), held in doubles, and no sum of them reaches 2^52, so that nothing is rounded and equal is equal. With duals v_i <= 0 of the rows, the reduced cost of row i in column
 * a is -score_ia - v_i; an optimum has every column at a row where its reduced cost is least, and v_i = 0 at rows without column.
 *
 *     greedy     every column takes a row of least reduced cost, if one is free
 *     bidding    a column without row lowers the dual of its best row until the second best is as good, and takes it; the column that
 *                had it comes next. At most 4 N bids: the last of them compete for long, where paths are short.
 *     paths      the rest by shortest augmenting paths (Dijkstra), which take at most N^2 steps per column
 *
 * Of equal rows a free one goes first (as if it were half a unit better), then the lowest.
 *
 * `duals` are those of the last solution, less the largest, in the scores' units. The search begins with them where they leave less than half
 * as many columns without a row as zeros do: any numbers are right, good ones are fast. `selected` begins with zeros always.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { codebookOf, requireIds } from './codebook.js';

export interface AssignAttributes {
  readonly columns: 'all' | 'selected';
}

/** kBidsPerRow in assign.cc */
export const bidsPerRow = 4;

/**
 * scores [N, N] -> permutation i32 [N]: the row of every column; `selected` appends what is left. The first n of it go to ids
 * i32 [n], the sub-codebook; duals [N] are those of this solution afterwards.
 */
export const assign = defineOp({
  name: 'assign',
  inputs: ['scores', 'ids', 'duals'],
  outputs: ['permutation'],
  mutates: ['ids', 'duals'],
  infer([scores, ids, duals]: InputTypes, _: AssignAttributes) {
    const size = codebookOf(scores!);
    if (duals!.dtype !== 'f32' || duals!.shape.join() !== String(size)) {
      throw new SubbitError(`needs duals f32[${size}], not ${describe(duals!)}`);
    }
    requireIds(ids!, size);
    return [{ dtype: 'i32', shape: [size] }];
  },
  params: { size: 'i32', codewords: 'i32', columns: 'i32' },
  pack: ([scores, ids], { columns }) => ({
    size: codebookOf(scores!),
    codewords: sizeOf(ids!.shape),
    columns: columns === 'all' ? codebookOf(scores!) : sizeOf(ids!.shape),
  }),
  reference({ scores, duals, ids, permutation }, p) {
    const scale = scaleOf(scores!);
    const problem = new Assignment(p.size, p.columns, (column, row) =>
      toInteger(scores![row * p.size + column]! * scale),
    );
    const isWarm = p.columns === p.size;
    const last = Float64Array.from(duals!, (dual) =>
      isWarm ? Math.min(0, Math.max(-(2 ** 41), toInteger(dual * scale))) : 0,
    );
    problem.solve(last);
    const taken = new Set(problem.rows);
    const left = Array.from({ length: p.size }, (_, i) => i).filter((i) => !taken.has(i));
    for (const [column, row] of [...problem.rows, ...left].entries()) permutation![column] = row;
    for (let column = 0; column < p.codewords; column++) ids![column] = permutation![column]!;
    const top = Math.max(...problem.duals);
    for (let i = 0; i < p.size; i++) duals![i] = (problem.duals[i]! - top) / scale;
  },
});

/** The power of two that takes the largest of the scores to at most 2^40. What is not finite counts as zero. */
function scaleOf(scores: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < scores.length; i++)
    if (Number.isFinite(scores[i]!)) largest = Math.max(largest, Math.abs(scores[i]!));
  const exponent = new Uint32Array(Float32Array.of(largest).buffer)[0]! >>> 23;
  return 2 ** (40 - (Math.max(exponent, 1) - 126));
}

/** Half to even; adding 1.5 * 2^52 rounds doubles below 2^51. */
function toInteger(x: number): number {
  const bounded = Math.max(-(2 ** 50), Math.min(2 ** 50, x));
  return Number.isFinite(x) ? bounded + 1.5 * 2 ** 52 - 1.5 * 2 ** 52 : 0;
}

/** Columns 0 .. columns - 1 to rows 0 .. size - 1. */
class Assignment {
  readonly duals: Float64Array;
  /** By column; -1 without one. */
  readonly rows: number[];
  /** By row; -1 when it is free. */
  readonly #owners: number[];

  constructor(
    readonly size: number,
    readonly columns: number,
    readonly score: (column: number, row: number) => number,
  ) {
    this.duals = new Float64Array(size);
    this.rows = Array(columns).fill(-1);
    this.#owners = Array(size).fill(-1);
  }

  /** Begins with zeros, or with the duals `last` where those leave less than half as many columns without a row. */
  solve(last: Float64Array): void {
    this.duals.set(last);
    const leftOfLast = this.#takeFree();
    this.duals.fill(0);
    let left = this.#takeFree();
    if (2 * leftOfLast.length < left.length) {
      this.duals.set(last);
      left = this.#takeFree();
    }
    const bids = { left: bidsPerRow * this.size };
    for (let round = 0; round < 2; round++) left = this.#bid(left, bids);
    for (const column of left) this.#augment(column);
  }

  /** Reduced costs of a column, half a unit less where the row is free. */
  #costs(column: number): number[] {
    return Array.from(this.duals, (dual, i) => -this.score(column, i) - (this.#owners[i]! < 0 ? dual + 0.5 : dual));
  }

  /** Gives every column a row that is free and best, if there is one; returns the others. */
  #takeFree(): number[] {
    this.rows.fill(-1);
    this.#owners.fill(-1);
    const left: number[] = [];
    for (let column = 0; column < this.columns; column++) {
      const row = leastOf(this.#costs(column));
      if (this.#owners[row]! >= 0) {
        left.push(column);
        continue;
      }
      this.#owners[row] = column;
      this.rows[column] = row;
    }
    return left;
  }

  /** Returns the columns that still have no row. */
  #bid(waiting: readonly number[], bids: { left: number }): number[] {
    const queue = [...waiting];
    const left: number[] = [];
    for (let at = 0; at < queue.length; ) {
      const column = queue[at++]!;
      if (bids.left-- <= 0) {
        left.push(column);
        continue;
      }
      const costs = this.#costs(column);
      const best = leastOf(costs);
      const price = Math.ceil(costs[best]!);
      costs[best] = Number.POSITIVE_INFINITY;
      const gain = Math.ceil(costs[leastOf(costs)]!) - price;
      const before = this.#owners[best]!;
      // Where a row gains nothing, taking it from another helps nobody.
      if (before >= 0 && gain === 0) {
        left.push(column);
        continue;
      }
      // A free row need not be paid for.
      if (before >= 0) this.duals[best] = this.duals[best]! - gain;
      this.#owners[best] = column;
      this.rows[column] = best;
      if (before >= 0) {
        this.rows[before] = -1;
        queue[--at] = before;
      }
    }
    return left;
  }

  /** Dijkstra from a column to the nearest free row. */
  #augment(column: number): void {
    const { size, duals } = this;
    const infinity = Number.POSITIVE_INFINITY;
    // Of rows that are not reached yet; that of the others is in `reached`.
    const distances = this.#costs(column);
    const from: number[] = Array(size).fill(column);
    const reached = new Map<number, number>();
    let row = leastOf(distances);
    while (this.#owners[row]! >= 0) {
      const distance = distances[row]!;
      reached.set(row, distance);
      distances[row] = infinity;
      const owner = this.#owners[row]!;
      const costs = this.#costs(owner);
      const offset = distance - costs[row]!;
      for (let i = 0; i < size; i++) {
        if (reached.has(i) || !(costs[i]! + offset < distances[i]!)) continue;
        distances[i] = costs[i]! + offset;
        from[i] = owner;
      }
      row = leastOf(distances);
    }
    const end = Math.ceil(distances[row]!);
    for (const [each, distance] of reached) duals[each] = duals[each]! + distance - end;
    for (let next = row; next >= 0; ) {
      row = next;
      const owner = from[row]!;
      next = this.rows[owner]!;
      this.#owners[row] = owner;
      this.rows[owner] = row;
    }
  }
}

/** The first of the smallest. */
function leastOf(numbers: readonly number[]): number {
  let least = 0;
  for (let i = 1; i < numbers.length; i++) if (numbers[i]! < numbers[least]!) least = i;
  return least;
}
