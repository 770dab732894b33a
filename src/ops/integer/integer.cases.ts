/** Cases of the integer operations around the products. All exact. */
import { input, integers, type OpCase, opCase, severalPieces, startingWith, values } from '../../core/op-case.js';
import { integer, quantized, type TensorType } from '../../core/tensor.js';
import { integerAdd } from './integer-add.js';
import { integerMaxPool, sumPool } from './integer-pool.js';
import { lookup, tableEntries } from './lookup.js';
import { rescale } from './rescale.js';
import { neverDown, neverUp, threshold } from './threshold.js';

const i32 = (shape: readonly number[]): TensorType => ({ dtype: 'i32', shape });
const accumulators = (shape: readonly number[], max = 2 ** 31 - 1): TensorType => integer(shape, max);
const extremes = [2 ** 31 - 1, -(2 ** 31) + 1, 0, 1, -1, 1000, -1000];

const thresholdCases = [
  ...(
    [
      [1, 1, 1],
      [5, 33, 1],
      [7, 64, 3],
      [3, 130, 15],
      [2, 17, 255],
      [Math.ceil(severalPieces / 48), 48, 3],
    ] as const
  ).map(([rows, channels, levels]) =>
    opCase(
      threshold,
      `${levels} levels, ${rows} rows of ${channels}`,
      [
        input(accumulators([rows, channels]), startingWith(extremes, integers(-1000, 1000))),
        input(i32([levels, channels]), startingWith([neverUp, neverDown, 0], integers(-1000, 1000))),
        undefined,
      ],
      {},
    ),
  ),
  opCase(
    threshold,
    'two-sided',
    [
      input(accumulators([9, 35]), integers(-1000, 1000)),
      input(i32([7, 35]), integers(100, 900)),
      input(i32([7, 35]), startingWith([neverDown], integers(-900, 99))),
    ],
    {},
  ),
];

const lookupCases = (
  [
    ['u8', 1, 1],
    ['u8', 7, 3],
    ['u8', 5, 67],
    ['u8', Math.ceil(severalPieces / 3), 3],
    ['i32', 1, 1],
    ['i32', 7, 3],
    ['i32', Math.ceil(severalPieces / 48), 48],
  ] as const
).map(([dtype, rows, channels]) => {
  const entries = dtype === 'u8' ? integers(0, 255) : integers(-(2 ** 20), 2 ** 20);
  return opCase(
    lookup,
    `${dtype}, ${rows} rows of ${channels}`,
    [
      input(
        quantized([rows, channels], { kind: 'levels', max: 255, step: 1 }),
        startingWith([255, 0], integers(0, 255)),
      ),
      input({ dtype, shape: [tableEntries, channels] }, startingWith([7], entries)),
    ],
    { encoding: dtype === 'u8' ? { kind: 'levels', max: 255, step: 1 } : { kind: 'integer', max: 2 ** 20, step: 1 } },
  );
});

const rescaleCases = (
  [
    [1, 1],
    [7, 65],
    [Math.ceil(severalPieces / 32), 32],
  ] as const
).map(([rows, channels]) =>
  opCase(
    rescale,
    `${rows} rows of ${channels}`,
    [
      input(accumulators([rows, channels]), startingWith(extremes, integers(-(2 ** 24), 2 ** 24))),
      input(i32([channels]), startingWith([65535, -65535, 0, 1], integers(-65535, 65535))),
      input(i32([channels]), startingWith([0, 47, 1], integers(0, 47))),
      input(i32([channels]), startingWith([0, -1], integers(-(2 ** 20), 2 ** 20))),
    ],
    { low: -(2 ** 30), high: 2 ** 30 - 1 },
  ),
);

const pools = {
  '2x2': { x: [2, 6, 8, 17], size: 2, stride: 2, padTop: 0, padLeft: 0, outHeight: 3, outWidth: 4 },
  '3x3, overlapping, padded': {
    x: [1, 9, 7, 64],
    size: 3,
    stride: 2,
    padTop: 1,
    padLeft: 1,
    outHeight: 5,
    outWidth: 4,
  },
  'hangs over the end': { x: [3, 5, 5, 3], size: 2, stride: 2, padTop: 0, padLeft: 0, outHeight: 3, outWidth: 3 },
} as const;

const maxPoolCases = Object.entries(pools).flatMap(([name, { x, ...attributes }]) => [
  opCase(
    integerMaxPool,
    `levels, ${name}`,
    [input(quantized(x, { kind: 'levels', max: 255, step: 1 }), integers(0, 255))],
    attributes,
  ),
  opCase(integerMaxPool, `i32, ${name}`, [input(accumulators(x), integers(-(2 ** 30), 2 ** 30))], attributes),
]);

const sumPoolCases = [
  opCase(sumPool, 'i32', [input(accumulators([3, 7, 5, 33], 2 ** 20), integers(-(2 ** 20), 2 ** 20))], {}),
  opCase(
    sumPool,
    'bytes with zero points',
    [input(quantized([2, 4, 3, 3], { kind: 'levels', max: 255, step: 1, zeroPoints: [3, 0, 255] }), integers(0, 255))],
    {},
  ),
  opCase(
    sumPool,
    'bipolar',
    [input(quantized([1, 2, 3, 65], { kind: 'bipolar', max: 1, step: 1 }), integers(0, 1))],
    {},
  ),
];

export const integerCases: readonly OpCase[] = [
  ...thresholdCases,
  ...lookupCases,
  ...rescaleCases,
  opCase(
    integerAdd,
    'several pieces',
    [
      input(accumulators([severalPieces], 2 ** 30 - 1), startingWith([2 ** 30 - 1], integers(-(2 ** 30), 2 ** 30))),
      input(accumulators([severalPieces], 2 ** 30 - 1), startingWith([2 ** 30 - 1], values(-5, 7, 11))),
    ],
    {},
  ),
  ...maxPoolCases,
  ...sumPoolCases,
];
