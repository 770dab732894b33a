/** Selection's numbers: the test vectors TV-7 to TV-9 to their printed digits, and what must hold always. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../core/op-case.js';
import { real } from '../../core/tensor.js';
import { Philox } from '../../util/philox.js';
import { quantizeSign } from '../quantize/weights.js';
import { type AssignAttributes, assign } from './assign.js';
import { codewordGradient, planGradient } from './codeword-gradient.js';
import { groupFilters, groupFiltersGradient } from './group-filters.js';
import { gumbel } from './gumbel-noise.js';
import { type SinkhornAttributes, sinkhorn, sinkhornGradient } from './sinkhorn.js';

const floats = (...numbers: readonly number[]): Float32Array => Float32Array.from(numbers);

/** To six digits; inputs in float32 may move the last one. */
function expectDigits(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, each] of expected.entries()) {
    expect(Math.abs(actual[i]! - each), `${actual[i]} at ${i}, not ${each}`).toBeLessThanOrEqual(1e-6);
  }
}

/** Filters of `length` elements one after another, as [1, length, 1, filters]. */
function asFilter(filters: readonly (readonly number[])[]): Float32Array {
  const { length } = filters[0]!;
  return Float32Array.from(
    { length: length * filters.length },
    (_, i) => filters[i % filters.length]![Math.floor(i / filters.length)]!,
  );
}

function group(filters: readonly (readonly number[])[], ids: readonly number[]) {
  const shape = [1, filters[0]!.length, 1, filters.length];
  const types = [real(shape), { dtype: 'i32', shape: [ids.length] } as const];
  return evaluate(groupFilters, types, {}, [asFilter(filters), Int32Array.from(ids)]);
}

function planOf(logits: Float32Array, attributes: SinkhornAttributes) {
  const size = Math.sqrt(logits.length);
  return evaluate(sinkhorn, [real([size, size])], attributes, [logits]);
}

function assignOf(
  scores: ArrayLike<number>,
  codewords: number,
  columns: AssignAttributes['columns'] = 'all',
  duals: Float32Array = new Float32Array(Math.sqrt(scores.length)),
) {
  const size = duals.length;
  const types = [real([size, size]), { dtype: 'i32', shape: [codewords] } as const, real([size])];
  return evaluate(assign, types, { columns }, [Float32Array.from(scores), new Int32Array(codewords), duals]);
}

/** The column of every row, and the row of every column. */
function inverse(permutation: ArrayLike<number>): number[] {
  const inverted: number[] = [];
  for (let i = 0; i < permutation.length; i++) inverted[permutation[i]!] = i;
  return inverted;
}

const rowSums = (matrix: ArrayLike<number>): number[] => {
  const size = Math.sqrt(matrix.length);
  return Array.from({ length: size }, (_, i) =>
    Array.from(matrix)
      .slice(i * size, (i + 1) * size)
      .reduce((a, b) => a + b),
  );
};

describe('TV-7, grouping', () => {
  const filters = [
    [0.2, 0.5, -0.1, -0.3, 0.8, 0.1, -0.4, 0.6, -0.2],
    [-0.2, -0.5, 0.1, 0.3, 0.8, 1.4, -0.4, -0.6, -0.9],
  ];
  const idOf = (levels: ArrayLike<number>, f: number): number =>
    Array.from({ length: 9 }, (_, t) => levels[2 * t + f]!).reduce((id, bit) => 2 * id + bit, 0);

  test('to the nearest of four codewords', () => {
    const { index, levels } = group(filters, [0, 511, 56, 146]);
    expect(Array.from(index!)).toEqual([3, 2]);
    expect([0, 1].map((f) => idOf(levels!, f))).toEqual([146, 56]);
  });

  test('to the signs with all codewords', () => {
    const all = Array.from({ length: 512 }, (_, id) => id);
    const { index, levels } = group(filters, all);
    expect(index![0]).toBe(410);
    expect(idOf(levels!, 0)).toBe(410);
  });
});

describe('TV-8, Sinkhorn', () => {
  const x = floats(0.8, 0.1, -0.3, 0.2, 0.5, 0.9, 0, -0.4, -0.2, 0.3, 0.6, 0.7, 0.1, -0.5, 0.4, 0.35);
  const expectPlan = (plan: ArrayLike<number>, rows: readonly number[], sums?: readonly number[]): void => {
    expectDigits(plan, rows);
    if (sums) expectDigits(rowSums(plan), sums);
    expectDigits(rowSums(Float64Array.from(plan, (_, i) => plan[(i % 4) * 4 + Math.floor(i / 4)]!)), [1, 1, 1, 1]);
  };
  const columnsOf = (scores: ArrayLike<number>): number[] => inverse(assignOf(scores, 4).permutation!);

  test.each([
    [
      { temperature: 1, sweeps: 1 },
      [
        0.388888, 0.210813, 0.149024, 0.233299, 0.26388, 0.429738, 0.184254, 0.117275, 0.126111, 0.226975, 0.323106,
        0.339065, 0.221121, 0.132474, 0.343616, 0.310361,
      ],
      [0.982024, 0.995147, 1.015256, 1.007573],
    ],
    [
      { temperature: 1, sweeps: 10 },
      [
        0.394396, 0.214518, 0.152558, 0.238528, 0.26407, 0.431493, 0.186122, 0.118314, 0.123418, 0.222876, 0.319183,
        0.334524, 0.218116, 0.131113, 0.342137, 0.308634,
      ],
      [1, 1, 1, 1],
    ],
    [
      { temperature: 0.1, sweeps: 20 },
      [
        0.976559, 0.001543, 0.000042, 0.00488, 0.010442, 0.987746, 0.000183, 0.000003, 0.000041, 0.010655, 0.321803,
        0.67691, 0.012957, 0.000056, 0.677971, 0.318208,
      ],
      [0.983024, 0.998375, 1.00941, 1.009192],
    ],
  ])('%o', (attributes, rows, sums) => {
    const { plan } = planOf(x, attributes);
    expectPlan(plan!, rows, sums);
    expect(columnsOf(plan!)).toEqual([0, 1, 3, 2]);
  });

  test('the assignment of the logits themselves', () => {
    const columns = columnsOf(x);
    expect(columns).toEqual([0, 1, 3, 2]);
    expectDigits([columns.reduce((sum, column, row) => sum + x[4 * row + column]!, 0)], [2.8]);
  });

  test('with Gumbel noise', () => {
    const u = [0.3, 0.7, 0.1, 0.9, 0.5, 0.2, 0.8, 0.4, 0.6, 0.05, 0.95, 0.55, 0.25, 0.75, 0.35, 0.65];
    const eps = u.map(gumbel);
    expectDigits(
      eps,
      [
        -0.185627, 1.03093, -0.834032, 2.250367, 0.366513, -0.475885, 1.49994, 0.087422, 0.671727, -1.097189, 2.970195,
        0.514437, -0.326634, 1.245899, -0.048621, 0.842151,
      ],
    );
    const { plan } = planOf(
      Float32Array.from(x, (each, i) => each + eps[i]!),
      { temperature: 0.1, sweeps: 20 },
    );
    expectPlan(
      plan!,
      [
        0.000228, 0.005704, 0, 0.972689, 0.999358, 0.001715, 0.024706, 0, 0, 0, 0.975288, 0, 0.000414, 0.992581,
        0.000006, 0.027311,
      ],
    );
    expect(columnsOf(plan!)).toEqual([3, 0, 2, 1]);
  });
});

describe('TV-9, the permutation straight-through estimator', () => {
  const x = floats(0.2, 0.9, 0.1, 0, 0.8, 0.3, 0.2, 0.1, 0, 0.4, 0.7, 0.6, 0.5, 0.1, 0.3, 0.9);
  const attributes = { temperature: 0.5, sweeps: 10 };
  const { plan, potentials } = planOf(x, attributes);
  const { ids, permutation } = assignOf(plan!, 2);
  const kernels = [
    [0.3, -0.6],
    [0.9, 0.2],
    [-1.4, 0.5],
  ];
  const filterType = real([1, 2, 1, 3]);
  const grouped = group(kernels, Array.from(ids!));
  const dFilters = asFilter([
    [0.1, -0.2],
    [0.3, 0.4],
    [-0.5, 0.6],
  ]);
  const indexType = groupFilters.infer([filterType, { dtype: 'i32', shape: [2] }], {})[1]!;
  const { dCodewords } = evaluate(codewordGradient, [filterType, indexType, filterType], { codewords: 2, pull: 0 }, [
    dFilters,
    grouped.index,
    asFilter(kernels),
  ]);
  const { dPlan } = evaluate(planGradient, [real([2, 2])], {}, [dCodewords]);

  test('the plan', () =>
    expectDigits(
      plan!,
      [
        0.16177, 0.570464, 0.164126, 0.10364, 0.518448, 0.165855, 0.193505, 0.122192, 0.089817, 0.173825, 0.451347,
        0.285011, 0.229965, 0.089856, 0.191022, 0.489157,
      ],
    ));

  test('the permutation and its first two codewords', () => {
    expect(inverse(permutation!)).toEqual([1, 0, 2, 3]);
    expect(Array.from(ids!)).toEqual([1, 0]);
  });

  test('the grouped kernels', () => {
    expect(Array.from(grouped.index!)).toEqual([1, 0, 0]);
    // Elements first: the first of each kernel, then the second.
    expect(Array.from(grouped.levels!)).toEqual([0, 0, 0, 0, 1, 1]);
  });

  test('the gradient of the kernels is clipped', () => {
    const { dFilter } = evaluate(groupFiltersGradient, [filterType, filterType], {}, [asFilter(kernels), dFilters]);
    expectDigits(
      dFilter!,
      Array.from(
        asFilter([
          [0.1, -0.2],
          [0.3, 0.4],
          [0, 0.6],
        ]),
      ),
    );
  });

  test('the gradients of codewords and plan', () => {
    expectDigits(dCodewords!, [-0.2, 1, 0.1, -0.2]);
    expectDigits(dPlan!, [-0.8, 0.1, 1.2, -0.3, -1.2, 0.3, 0.8, -0.1]);
  });

  test('the gradient of the logits', () => {
    const types = [real([4, 4]), real([10, 2, 2, 4]), real([4, 2])];
    const { dLogits } = evaluate(sinkhornGradient, types, attributes, [x, potentials, dPlan]);
    expectDigits(
      dLogits!,
      [
        -0.326734, 0.209687, 0.067851, 0.049196, 0.460028, -0.25299, -0.131492, -0.075546, -0.271408, 0.098303, 0.0954,
        0.077705, 0.138114, -0.055, -0.031759, -0.051355,
      ],
    );
    for (const sum of rowSums(dLogits!)) expect(Math.abs(sum)).toBeLessThan(2e-7);
  });
});

describe('properties', () => {
  const element = fc.float({ min: -4, max: 4, noNaN: true });
  const filter9 = fc.array(fc.oneof(element, fc.constantFrom(0, -0, 2 ** -149, -(2 ** -149), 1e-30)), {
    minLength: 9,
    maxLength: 9,
  });
  const matrixOf = (size: number) =>
    fc.array(fc.integer({ min: -3, max: 3 }), { minLength: size ** 2, maxLength: size ** 2 });
  const square = fc.integer({ min: 1, max: 5 }).chain(matrixOf);
  const total = (scores: ArrayLike<number>, rows: ArrayLike<number>): number => {
    const size = Math.sqrt(scores.length);
    let sum = 0;
    for (let column = 0; column < rows.length; column++) sum += scores[rows[column]! * size + column]!;
    return sum;
  };
  /** The largest sum over columns `column` and later with distinct rows. */
  const best = (scores: ArrayLike<number>, columns: number, column = 0, taken: readonly number[] = []): number => {
    const size = Math.sqrt(scores.length);
    if (column === columns) return 0;
    let most = Number.NEGATIVE_INFINITY;
    for (let row = 0; row < size; row++) {
      if (taken.includes(row)) continue;
      most = Math.max(most, scores[row * size + column]! + best(scores, columns, column + 1, [...taken, row]));
    }
    return most;
  };

  test('all codewords, in any order, are plain binarization', () => {
    fc.assert(
      fc.property(fc.array(filter9, { minLength: 1, maxLength: 4 }), fc.nat(), (filters, seed) => {
        const all = Array.from({ length: 512 }, (_, id) => id);
        new Philox(seed, 'order').shuffle(all);
        const filter = asFilter(filters);
        const { levels } = evaluate(quantizeSign, [real([filter.length])], {}, [filter]);
        expect(Array.from(group(filters, all).levels!)).toEqual(Array.from(levels!));
      }),
      { numRuns: 30 },
    );
  });

  test('grouping finds the least distance', () => {
    const ids = fc.uniqueArray(fc.integer({ min: 0, max: 511 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(element, { minLength: 9, maxLength: 9 }), ids, (filter, codewords) => {
        const distance = (id: number): number =>
          filter.reduce((sum, w, t) => sum + (w - (((id >> (8 - t)) & 1) === 1 ? 1 : -1)) ** 2, 0);
        const chosen = codewords[group([filter], codewords).index![0]!]!;
        expect(distance(chosen)).toBeLessThanOrEqual(Math.min(...codewords.map(distance)) + 1e-4);
      }),
    );
  });

  test('the assignment is a best one, from any duals, and its codewords are distinct', () => {
    const dual = fc.float({ min: -8, max: 8 });
    fc.assert(
      fc.property(square, fc.array(dual, { minLength: 5, maxLength: 5 }), fc.nat(), (scores, duals, which) => {
        const size = Math.sqrt(scores.length);
        const codewords = 1 + (which % size);
        const { ids, permutation } = assignOf(scores, codewords, 'all', floats(...duals.slice(0, size)));
        expect(new Set(permutation).size).toBe(size);
        expect(Array.from(ids!)).toEqual(Array.from(permutation!.subarray(0, codewords)));
        expect(total(scores, permutation!)).toBe(best(scores, size));
        const selected = assignOf(scores, codewords, 'selected');
        expect(new Set(selected.permutation).size).toBe(size);
        expect(total(scores, selected.ids!)).toBe(best(scores, codewords));
      }),
    );
  });

  test('duals of a solution begin where it ended', () => {
    const random = new Philox(3, 'scores');
    const scores = Float32Array.from({ length: 40 ** 2 }, () => random.nextNormal());
    const cold = assignOf(scores, 8);
    const warm = assignOf(scores, 8, 'all', Float32Array.from(cold.duals!));
    expect(Array.from(warm.permutation!)).toEqual(Array.from(cold.permutation!));
    expect(Math.max(...cold.duals!)).toBe(0);
  });

  test('equal scores are assigned in order', () => {
    expect(Array.from(assignOf(new Float32Array(36).fill(0.5), 3).permutation!)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("the rows of the logits' gradient have sum zero", () => {
    const random = new Philox(4, 'logits');
    const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, () => random.nextNormal());
    for (const attributes of [
      { temperature: 1, sweeps: 1 },
      { temperature: 0.1, sweeps: 10 },
      { temperature: 0.01, sweeps: 10 },
    ]) {
      const logits = numbers(32 ** 2);
      const types = [real([32, 32]), real([attributes.sweeps, 2, 2, 32]), real([32, 7])];
      const contents = [logits, planOf(logits, attributes).potentials, numbers(32 * 7)];
      const { dLogits } = evaluate(sinkhornGradient, types, attributes, contents);
      const largest = Math.max(...dLogits!.map(Math.abs));
      for (const sum of rowSums(dLogits!)) expect(Math.abs(sum)).toBeLessThanOrEqual(1e-6 * largest);
    }
  });
});

test('what does not fit is refused', () => {
  const ids = { dtype: 'i32', shape: [3] } as const;
  expect(() => groupFilters.infer([real([5, 5, 1, 1]), ids], {})).toThrow('at most 9 elements');
  expect(() => groupFilters.infer([real([1, 1, 4, 4]), ids], {})).toThrow('ids of codewords');
  expect(() =>
    codewordGradient.infer([real([1, 1, 4, 4]), ids, real([1, 1, 4, 4])], { codewords: 2, pull: 0 }),
  ).toThrow('does not fit');
  expect(() => sinkhorn.infer([real([4, 5])], { temperature: 1, sweeps: 1 })).toThrow('real matrix [N, N]');
  expect(() => sinkhorn.infer([real([4, 4])], { temperature: 0, sweeps: 1 })).toThrow('temperature');
  expect(() => sinkhorn.infer([real([4, 4])], { temperature: 1, sweeps: 0 })).toThrow('sweeps');
  const five = { dtype: 'i32', shape: [5] } as const;
  expect(() => assign.infer([real([4, 4]), five, real([4])], { columns: 'all' })).toThrow('1..4');
  expect(() => assign.infer([real([4, 4]), ids, real([3])], { columns: 'all' })).toThrow('duals f32[4]');
});
