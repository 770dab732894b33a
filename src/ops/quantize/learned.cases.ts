/**
 * Cases of quantizers whose scale is learned, of ternary weights and of the sign's gradients: ties, both ends of the levels, what a
 * scale does when it is tiny or 0.
 */
import {
  type CaseRun,
  doubleSum,
  normal,
  type OpCase,
  onAbsoluteValues,
  opCase,
  type Parity,
  realInput,
  severalPieces,
  startingWith,
  ulp,
  uniform,
  values,
} from '../../core/op-case.js';
import { beginScale, learnedScale, quantizeScaled, quantizeScaledGradient } from './learned.js';
import { signGradient } from './signs.js';
import { quantizeTernary, ternaryScale } from './ternary.js';

const counts = [1, 15, 17, 1025, severalPieces];

/** Multiples of 1/2 of the scale 1/4, with the numbers beside them, far ends and what is no number. */
const ties = [
  ...[-2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 7.5, 127.5, -128.5].flatMap((v) => {
    const x = v / 4;
    return [x, x * (1 + 2 ** -23), x * (1 - 2 ** -24)];
  }),
  ...[-0, 2 ** -149, 1e30, -1e30, Infinity, -Infinity, Number.NaN],
];

const ranges = {
  'clip of 1 bit': { low: 0, high: 1, slope: 'clipped', factor: 1 },
  'clip of 2 bits': { low: 0, high: 3, slope: 'clipped', factor: 1 / 3 },
  'clip of 8 bits': { low: 0, high: 255, slope: 'clipped', factor: 1 / 255 },
  'steps of 2 bits': { low: 0, high: 3, slope: 'rounded', factor: 0.01 },
  'steps of 2 bits about 0': { low: -2, high: 1, slope: 'rounded', factor: 0.02 },
  'steps of 8 bits about 0': { low: -128, high: 127, slope: 'rounded', factor: 0.001 },
} as const;

/** Each term is rounded like the reference's, so only the order of a sum in double differs. */
const scaleParity: Parity = {
  dScale: ({ inputs: [, , dy], attributes, results }: CaseRun) => {
    const { low, high, factor } = attributes as (typeof ranges)[keyof typeof ranges];
    let magnitude = 0;
    for (const each of dy!) magnitude += Math.abs(each) * Math.max(-low, high) * factor;
    return doubleSum(results.dScale!, [magnitude], dy!.length);
  },
};

const scaled: readonly OpCase[] = Object.entries(ranges).flatMap(([name, attributes]) =>
  counts.flatMap((count) => {
    const spread = attributes.high / 8 + 0.1;
    const scale = realInput([1], values(0.25));
    const x = realInput([count], startingWith(ties, normal(spread)));
    const finite = realInput([count], startingWith(ties.filter(Number.isFinite), normal(spread)));
    return [
      opCase(quantizeScaled, `${name}, ${count}`, [x, scale], attributes),
      opCase(quantizeScaledGradient, `${name}, ${count}`, [finite, scale, realInput([count])], attributes, scaleParity),
    ];
  }),
);

const scales: readonly OpCase[] = [
  ...[0.3, 2 ** -20, 2 ** -21, 0, -0, -3, 1e30].flatMap((parameter) =>
    [1, 3, 255].map((divisor) =>
      opCase(
        learnedScale,
        `${Object.is(parameter, -0) ? '-0' : parameter} / ${divisor}`,
        [realInput([1], values(parameter))],
        { divisor },
      ),
    ),
  ),
  ...counts.flatMap((count) =>
    [0, -0, 0.5, -1].map((scale) =>
      opCase(
        beginScale,
        `${Object.is(scale, -0) ? '-0' : scale}, ${count}`,
        [realInput([1], values(scale)), realInput([count])],
        { high: 3 },
        { scale: ({ results, inputs: [, x] }) => doubleSum(results.scale!, [x!.length], count) },
      ),
    ),
  ),
  opCase(beginScale, 'all zero', [realInput([1], values(0)), realInput([9], values(0))], { high: 7 }),
];

const ternary: readonly OpCase[] = [
  ...counts.flatMap((count) => {
    const x = realInput([count], startingWith(count > 4 ? [0.35, -0.35, 0, -0] : [], normal(0.5)));
    return [
      opCase(
        ternaryScale,
        `${count}`,
        [x, realInput([1], values(0.5))],
        {},
        {
          scale: (run) => doubleSum(run.results.scale!, onAbsoluteValues(run).scale!, count),
        },
      ),
      opCase(quantizeTernary, `${count}`, [x, realInput([1], values(0.5))], {}),
    ];
  }),
  opCase(ternaryScale, 'all zero', [realInput([9], values(0)), realInput([1], values(0))], {}),
  opCase(
    quantizeTernary,
    'NaN and infinities',
    [realInput([3], values(Number.NaN, Infinity, -Infinity)), realInput([1], values(0.1))],
    {},
  ),
];

/** One unit in the last place of the slope, and of what is made of it, for another tanh. */
const swishParity: Parity = {
  dx: ({ inputs: [, dy, scale], results }) =>
    Float64Array.from(results.dx!, (dx, i) => {
      const factor = scale === undefined ? 1 : scale[i % scale.length]!;
      return 3 * ulp * (Math.abs(dx) + 10 * 2 ** -20 * Math.abs(dy![i]!) * factor);
    }),
};

const kinks = [0, -0, 1, -1, 1 + 2 ** -23, 1 - 2 ** -24, 0.48, -0.48, 8, -8, 1e30, -1e30, Infinity];

const signs: readonly OpCase[] = (['clip-sign', 'approx-sign', 'swish-sign'] as const).flatMap((kind) =>
  [[1], [7, 3], [3, 3, 5, 65], [40, 1000]].flatMap((shape) => {
    const operands = [realInput(shape, startingWith(kinks, normal(0.6))), realInput(shape)];
    const scale = realInput(shape.slice(-1), uniform(0.1, 2));
    const parity = kind === 'swish-sign' ? swishParity : 'exact';
    return [
      opCase(signGradient, `${kind} [${shape}]`, operands, { kind }, parity),
      opCase(signGradient, `${kind} [${shape}], scales`, [...operands, scale], { kind }, parity),
    ];
  }),
);

export const learnedCases: readonly OpCase[] = [...scaled, ...scales, ...ternary, ...signs];
