/** Cases of the filter's gradient by dot products: the geometries of conv2d's cases, all bits of both operands, samples of zeros. */
import {
  type Content,
  input,
  integers,
  type OpCase,
  ofFloats,
  opCase,
  type Parity,
  realInput,
  sumOfProducts,
  uniform,
  values,
} from '../../core/op-case.js';
import { maxLevel, quantized } from '../../core/tensor.js';
import { conv2dFilterGradient } from '../conv2d/conv2d.js';
import { attributesOf, type Geometry, geometries, groupedGeometries } from '../conv2d/geometries.cases.js';
import { conv2dFilterGradientDot } from './filter-gradient.js';

interface Setting {
  readonly xMax: number;
  readonly dyMax: number;
  /** Of both operands. @default all levels alike */
  readonly content?: Content;
  /** Of the gradient. @default as of the image */
  readonly dyContent?: Content;
}

/** Samples of zeros have scale 0. */
const scales: Content = (data, random, earlier) => {
  uniform(0.01, 2)(data, random, earlier);
  if (data.length > 2) data[1] = 0;
};

/** The bound of conv2d-filter-gradient, which takes real operands, too. */
function likeFloats(terms: number): Parity {
  const [slot, bound] = Object.entries(sumOfProducts('dFilter', terms))[0]!;
  const withoutScale = <T>([x, dy, dyScale]: readonly T[]): (T | undefined)[] => [x, dy, undefined, dyScale];
  return {
    [slot]: ofFloats((run) =>
      bound({ ...run, op: conv2dFilterGradient, types: withoutScale(run.types), inputs: withoutScale(run.inputs) }),
    ),
  };
}

function caseOf(name: string, geometry: Geometry, { xMax, dyMax, content, dyContent = content }: Setting): OpCase {
  const { x, outChannels, filter, out } = geometry;
  const image = quantized(x, { kind: 'levels', max: xMax, step: 1 / xMax });
  const gradient = { kind: 'bipolar', max: dyMax, step: 1 / dyMax, scaleAxis: 'first' } as const;
  const inputs = [
    input(image, content ?? integers(0, xMax)),
    input(quantized([x[0], ...out, outChannels], gradient), dyContent ?? integers(0, dyMax)),
    realInput([x[0]], scales),
  ];
  const attributes = { ...attributesOf(geometry), kernelHeight: filter[0], kernelWidth: filter[1] };
  return opCase(conv2dFilterGradientDot, name, inputs, attributes, likeFloats(x[0] * out[0] * out[1]));
}

const own: Readonly<Record<string, Geometry>> = {
  'many channels': { x: [2, 5, 6, 130], outChannels: 100, filter: [3, 3], pad: [1, 1], out: [5, 6] },
  'whole registers, 18x18': { x: [2, 18, 18, 16], outChannels: 64, filter: [3, 3], pad: [1, 1], out: [18, 18] },
  'dilation 2, stride 2': {
    x: [3, 13, 11, 20],
    outChannels: 48,
    filter: [3, 3],
    stride: 2,
    dilation: 2,
    pad: [2, 2],
    out: [7, 6],
  },
  'dilation 3, stride 2': {
    x: [2, 14, 15, 7],
    outChannels: 16,
    filter: [4, 3],
    stride: 2,
    dilation: 3,
    pad: [3, 1],
    out: [5, 6],
  },
  'dilation 2, stride 4': {
    x: [2, 17, 18, 5],
    outChannels: 32,
    filter: [5, 5],
    stride: 4,
    dilation: 2,
    pad: [4, 4],
    out: [5, 5],
  },
  'stride 5': { x: [2, 23, 21, 18], outChannels: 17, filter: [3, 3], stride: 5, pad: [1, 1], out: [5, 4] },
  'several blocks of samples': { x: [5, 33, 31, 230], outChannels: 2, filter: [1, 1], out: [33, 31] },
};

const isPlain = ({ groups = 1 }: Geometry): boolean => groups === 1;

const geometryCases = Object.entries({ ...geometries, ...groupedGeometries, ...own })
  .filter(([, geometry]) => isPlain(geometry))
  .flatMap(([name, geometry]) => [
    caseOf(`${name}, 2-4`, geometry, { xMax: 3, dyMax: 15 }),
    caseOf(`${name}, 8-8`, geometry, { xMax: 255, dyMax: 255 }),
  ]);

const small: Geometry = { x: [5, 7, 6, 19], outChannels: 33, filter: [3, 3], pad: [1, 1], out: [7, 6] };

const bitCases = Array.from({ length: 8 }, (_, i) => i + 1).flatMap((gradientBits) =>
  [1, 2, 4, 7, 8].map((bits) =>
    caseOf(`${bits}-${gradientBits} bits`, small, { xMax: maxLevel(bits), dyMax: maxLevel(gradientBits) }),
  ),
);

/** Largest levels that are not 2^k - 1; and sums of extreme levels, which are the largest. */
const rangeCases = [
  caseOf('levels up to 6', small, { xMax: 6, dyMax: 63 }),
  caseOf('levels up to 128, gradients up to 128', small, { xMax: 128, dyMax: 128 }),
  caseOf('largest levels', own['several blocks of samples']!, { xMax: 255, dyMax: 255, content: values(255) }),
  caseOf('largest and smallest levels', small, { xMax: 255, dyMax: 127, content: values(127, 0) }),
];

const even: Geometry = { x: [5, 9, 8, 18], outChannels: 33, filter: [3, 3], pad: [1, 1], out: [9, 8] };

/** Pairs of channels in one integer (joined-tile.h): every shift, and sums of either sign as large as they may grow between splits. */
const joinedCases = [
  ...[1, 3, 6, 7, 15].flatMap((xMax) =>
    [4, 6, 8].map((bits) => caseOf(`pairs, levels up to ${xMax}, ${bits} bits`, even, { xMax, dyMax: maxLevel(bits) })),
  ),
  ...[0, 15].flatMap((gradient) =>
    [1, 3, 7].map((xMax) =>
      caseOf(`pairs of ${xMax}, gradients of ${gradient}`, own['whole registers, 18x18']!, {
        xMax,
        dyMax: 15,
        content: values(xMax),
        dyContent: values(gradient),
      }),
    ),
  ),
];

export const filterGradientCases: readonly OpCase[] = [...geometryCases, ...bitCases, ...rangeCases, ...joinedCases];
