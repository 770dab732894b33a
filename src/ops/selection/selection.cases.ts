/** Cases of selection. Costs, sums of codewords and assignments are exact; what goes through exponentials has derived bounds. */
import {
  type CaseInput,
  type CaseRun,
  type Content,
  evaluate,
  input,
  integers,
  normal,
  type OpCase,
  opCase,
  type Parity,
  realInput,
  severalPieces,
  startingWith,
  stepInput,
  ulp,
  uniform,
  values,
} from '../../core/op-case.js';
import { integer, real, type TypedArray } from '../../core/tensor.js';
import { assign } from './assign.js';
import { codewordGradient, planGradient } from './codeword-gradient.js';
import { groupFilters, groupFiltersGradient } from './group-filters.js';
import { addGumbelNoise } from './gumbel-noise.js';
import { renewPatterns } from './renew-patterns.js';
import { selectedCodewords } from './selected-codewords.js';
import { type SinkhornAttributes, sinkhorn, sinkhornGradient } from './sinkhorn.js';

/** Distinct ids of 2^length codewords, in any order. */
const distinctIds =
  (length: number): Content =>
  (data, random) => {
    const ids = Array.from({ length: 2 ** length }, (_, id) => id);
    random.shuffle(ids);
    data.set(ids.slice(0, data.length));
  };

const idsInput = (codewords: number, length: number, content = distinctIds(length)): CaseInput =>
  input({ dtype: 'i32', shape: [codewords] }, content);

const odd = [0, -0, 2 ** -149, -(2 ** -149), Number.NaN, Infinity, -Infinity, 1, -1, 1 + 2 ** -23, 1e-20];
const ascending: Content = (data) => {
  for (let i = 0; i < data.length; i++) data[i] = i;
};

const groupings: readonly (readonly [readonly number[], number])[] = [
  [[3, 3, 1, 1], 1],
  [[3, 3, 5, 7], 3],
  [[3, 3, 3, 64], 16],
  [[3, 3, 33, 65], 64],
  [[3, 3, 16, 17], 512],
  [[1, 2, 3, 1], 2],
  [[1, 1, 9, 5], 2],
  [[2, 2, 3, 43], 7],
];

const groupCases: readonly OpCase[] = groupings.flatMap(([shape, codewords]) => {
  const length = shape[0]! * shape[1]!;
  const name = `[${shape}], ${codewords} codewords`;
  const index = integer(shape.slice(2), codewords - 1, { dtype: 'i16' });
  return [
    opCase(groupFilters, name, [realInput(shape, normal(0.4)), idsInput(codewords, length)], {}),
    // Many ties, of which the first position wins.
    opCase(groupFilters, `${name}, ties`, [realInput(shape, integers(-2, 2)), idsInput(codewords, length)], {}),
    opCase(
      groupFilters,
      `${name}, zeros and others`,
      [realInput(shape, startingWith(odd, normal())), idsInput(codewords, length)],
      {},
    ),
    opCase(groupFiltersGradient, name, [realInput(shape, startingWith(odd, normal())), realInput(shape)], {}),
    ...[0, 0.3].map((pull) =>
      opCase(
        codewordGradient,
        `${name}, pull ${pull}`,
        [realInput(shape), input(index, integers(0, codewords - 1)), realInput(shape)],
        { codewords, pull },
      ),
    ),
    opCase(planGradient, name, [realInput([codewords, length])], {}),
  ];
});

const manyFilters = [1, 2, 3, 7001];
const codewordCases: readonly OpCase[] = [
  opCase(
    codewordGradient,
    'several chunks',
    [realInput(manyFilters), input(integer([3, 7001], 3, { dtype: 'i16' }), integers(0, 2)), realInput(manyFilters)],
    { codewords: 3, pull: 0.1 },
  ),
  opCase(groupFiltersGradient, 'several pieces', [realInput([severalPieces]), realInput([severalPieces])], {}),
];

/** eps is good to 1e-14 and a rounding, then come the factor and the sum. */
const noiseParity = (noise: number): Parity => ({
  y: ({ inputs: [x], results }) =>
    Float64Array.from(results.y!, (y, i) => ulp * (Math.abs(y) + 2 * Math.abs(y - x![i]!)) + 1e-14 * noise),
});

const noiseCases: readonly OpCase[] = [[1], [5, 7], [severalPieces]].flatMap((shape, i) =>
  [0, 1, 0.3].map((noise) =>
    opCase(
      addGumbelNoise,
      `[${shape}], factor ${noise}`,
      [realInput(shape), stepInput(i * 1000)],
      { noise, seed: i, stream: 0xfffffff0 + i },
      noiseParity(noise),
    ),
  ),
);

/**
 * A log-sum-exp errs by no more than its terms do, so every sweep adds the errors of two: exponentials good to 1e-11, and
 * the rounding of numbers as large as L.
 */
function potentialsError({ inputs: [logits] }: CaseRun, { temperature, sweeps }: SinkhornAttributes): number {
  const largest = Math.max(...logits!.filter(Number.isFinite).map(Math.abs)) / temperature;
  return 2 * sweeps * (2e-11 + (largest + 10) * 2 ** -50);
}

const sinkhornParity = (attributes: SinkhornAttributes): Parity => ({
  plan: (run) => {
    const error = potentialsError(run, attributes);
    return Float64Array.from(run.results.plan!, (plan) => plan * (ulp + 3 * error) + 2 ** -149);
  },
  potentials: (run) => {
    const error = potentialsError(run, attributes);
    const kept = run.results.potentials!;
    const size = Math.sqrt(run.results.plan!.length);
    // Number and rest may share the rounding in another way.
    return Float64Array.from(kept, (_, i) => ulp * Math.abs(kept[i - (i % (2 * size)) + (i % size)]!) + error);
  },
});

/**
 * The sum over the sweeps is in float32, of numbers that each have the errors of their exponentials. Magnitudes go back through
 * the sweeps as the gradients do.
 */
const gradientParity = (attributes: SinkhornAttributes): Parity => ({
  dLogits: (run) => {
    const [logits, potentials, dPlan] = run.inputs as TypedArray[];
    const size = Math.sqrt(logits!.length);
    const columns = dPlan!.length / size;
    const { temperature, sweeps } = attributes;
    const potential = (sweep: number, which: number, k: number): number => {
      const at = (2 * sweep + which) * 2 * size + k;
      return sweep < 0 ? 0 : potentials![at]! + potentials![at + size]!;
    };
    const magnitudes = new Float64Array(size * size);
    const dRows = new Float64Array(size);
    let dColumns = new Float64Array(size);
    const term = (i: number, j: number, sweep: number, before: number): number =>
      Math.exp(logits![i * size + j]! / temperature - potential(sweep, 0, i) - potential(before, 1, j));
    const forEach = (body: (i: number, j: number) => number): void => {
      for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) magnitudes[i * size + j]! += body(i, j);
    };
    forEach((i, j) => {
      if (j >= columns) return 0;
      const a = Math.abs(dPlan![i * columns + j]!) * term(i, j, sweeps - 1, sweeps - 1);
      dRows[i]! += a;
      dColumns[j]! += a;
      return a;
    });
    for (let sweep = sweeps - 1; sweep >= 0; sweep--) {
      forEach((i, j) => {
        const d = term(i, j, sweep, sweep) * dColumns[j]!;
        dRows[i]! += d;
        return d;
      });
      const before = new Float64Array(size);
      forEach((i, j) => {
        const d = term(i, j, sweep, sweep - 1) * dRows[i]!;
        before[j]! += d;
        return d;
      });
      dRows.fill(0);
      dColumns = before;
    }
    const relative = (sweeps + 4) * 2 ** -24 + 3 * potentialsError(run, attributes);
    return magnitudes.map((magnitude) => (relative * magnitude) / temperature + (sweeps + 2) * 2 ** -149);
  },
});

/** The potentials of the logits before. */
const potentialsOf =
  (size: number, attributes: SinkhornAttributes): Content =>
  (data, _, [logits]) =>
    data.set(evaluate(sinkhorn, [real([size, size])], attributes, [logits]).potentials!);

/** A column, and a row, that all others are far above. */
const hopeless =
  (size: number): Content =>
  (data, random, earlier) => {
    normal()(data, random, earlier);
    for (let i = 0; i < size; i++) {
      data[i * size + 1] = data[i * size + 1]! - 100;
      data[2 * size + i] = data[2 * size + i]! - 50;
    }
  };

const planSizes = [1, 2, 4, 5, 16, 33, 100];
const planSettings: readonly SinkhornAttributes[] = [
  { temperature: 1, sweeps: 1 },
  { temperature: 0.1, sweeps: 3 },
  { temperature: 0.01, sweeps: 10 },
];

function planCasesOf(name: string, size: number, attributes: SinkhornAttributes, content: Content): OpCase[] {
  const logits = realInput([size, size], content);
  const potentials = realInput([attributes.sweeps, 2, 2, size], potentialsOf(size, attributes));
  const full = `${name}, temperature ${attributes.temperature}, ${attributes.sweeps} sweeps`;
  return [
    opCase(sinkhorn, full, [logits], attributes, sinkhornParity(attributes)),
    ...[...new Set([1, Math.ceil(size / 3), size])].map((columns) =>
      opCase(
        sinkhornGradient,
        `${full}, ${columns} columns`,
        [logits, potentials, realInput([size, columns])],
        attributes,
        gradientParity(attributes),
      ),
    ),
  ];
}

const planCases: readonly OpCase[] = [
  ...planSizes.flatMap((size) => planSettings.flatMap((each) => planCasesOf(`${size}`, size, each, normal()))),
  ...planSettings.flatMap((each) => planCasesOf('hopeless, 37', 37, each, hopeless(37))),
  // A training that diverges ends in NaN, not elsewhere.
  ...planCasesOf('NaN, 5', 5, planSettings[1]!, startingWith([1, 2, Number.NaN], normal())),
];

/** The plan of random logits. */
const planOf =
  (size: number, temperature: number): Content =>
  (data, random, earlier) => {
    const logits = new Float32Array(data.length);
    normal()(logits, random, earlier);
    data.set(evaluate(sinkhorn, [real([size, size])], { temperature, sweeps: 10 }, [logits]).plan!);
  };

const scoreContents = (size: number): Readonly<Record<string, Content>> => ({
  normal: normal(),
  plan: planOf(size, 0.2),
  'cold plan': planOf(size, 0.01),
  'many ties': integers(0, 2),
  'all equal': values(0.25),
  'all zero': values(0),
  extreme: startingWith([Number.NaN, Infinity, -Infinity, 3e38, -3e38, 1e-40, 0, -0], normal()),
  tiny: uniform(0, 2 ** -140),
});

const dualContents: Readonly<Record<string, Content>> = {
  cold: values(0),
  'any duals': startingWith([Number.NaN, Infinity, -Infinity, 1e38], normal(-1)),
};

const assignCases: readonly OpCase[] = [1, 2, 4, 5, 16, 33, 100].flatMap((size) =>
  Object.entries(scoreContents(size)).flatMap(([scoresName, scores]) =>
    Object.entries(dualContents).flatMap(([dualsName, duals]) =>
      (['all', 'selected'] as const).map((columns) => {
        const ids = idsInput(Math.ceil(size / 3), size, ascending);
        const inputs = [realInput([size, size], scores), ids, realInput([size], duals)];
        return opCase(assign, `${size}, ${scoresName}, ${dualsName}, ${columns}`, inputs, { columns });
      }),
    ),
  ),
);

const largeAssignCases: readonly OpCase[] = Object.entries(scoreContents(512)).map(([name, scores]) =>
  opCase(assign, `512, ${name}`, [realInput([512, 512], scores), idsInput(32, 9), realInput([512], values(0))], {
    columns: 'all',
  }),
);

const selectedCases: readonly OpCase[] = [
  opCase(selectedCodewords, 'of a plan', [idsInput(7, 5), realInput([32, 32])], {}),
  opCase(selectedCodewords, 'of patterns', [idsInput(7, 5), realInput([7, 5])], {}),
];

/** Around the limits, and small enough that patterns repeat. */
const patternLimits = [0, -0, 1e-3, -1e-3, 0.999e-3, -0.999e-3, 3, -3, 3.001, -4, Infinity, -Infinity, Number.NaN];

const patternCases: readonly OpCase[] = [
  [1, 1],
  [2, 1],
  [3, 2],
  [16, 4],
  [13, 9],
  [32, 9],
  [512, 9],
].flatMap(([codewords, length]) =>
  Object.entries({
    normal: normal(),
    small: uniform(-0.002, 0.002),
    limits: startingWith(patternLimits, normal(2)),
    'all alike': values(0.5),
  }).map(([name, content], i) =>
    opCase(
      renewPatterns,
      `${codewords} of ${length}, ${name}`,
      [realInput([codewords!, length!], content), idsInput(codewords!, length!), stepInput(i * 25)],
      { seed: i, stream: 0xfffffff0 + i },
    ),
  ),
);

export const selectionCases: readonly OpCase[] = [
  ...groupCases,
  opCase(groupFilters, 'all codewords in order', [realInput([3, 3, 9, 31]), idsInput(512, 9, ascending)], {}),
  ...codewordCases,
  ...noiseCases,
  ...planCases,
  ...assignCases,
  ...largeAssignCases,
  ...selectedCases,
  ...patternCases,
];
