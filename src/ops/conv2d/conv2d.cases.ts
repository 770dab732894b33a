/**
 * Cases of the three products. Integer products are exact, whatever their length; the filter's gradient adds scaled sums of
 * samples, and a scale per output channel makes the filter real in the input's gradient: these have bounds.
 *
 * Every geometry runs real and quantized; every pair of operand kinds runs on two small geometries.
 */
import {
  type CaseInput,
  type Content,
  input,
  integers,
  normal,
  type OpCase,
  opCase,
  realInput,
  sumOfProducts,
  uniform,
} from '../../core/op-case.js';
import { type Encoding, maxLevel, quantized, type Shape } from '../../core/tensor.js';
import { conv2d, conv2dFilterGradient, conv2dInputGradient } from './conv2d.js';

interface Geometry {
  /** [N, H, W, C] */
  readonly x: readonly [number, number, number, number];
  readonly outChannels: number;
  /** [KH, KW] */
  readonly filter: readonly [number, number];
  /** @default 1 */
  readonly stride?: number;
  /** Before the image: rows, columns. @default none */
  readonly pad?: readonly [number, number];
  readonly out: readonly [number, number];
}

const geometries: Readonly<Record<string, Geometry>> = {
  'one number': { x: [1, 1, 1, 1], outChannels: 1, filter: [1, 1], out: [1, 1] },
  dense: { x: [5, 1, 1, 33], outChannels: 10, filter: [1, 1], out: [1, 1] },
  'dense, one sample': { x: [1, 1, 1, 515], outChannels: 17, filter: [1, 1], out: [1, 1] },
  'dense, many samples': { x: [131, 1, 1, 31], outChannels: 15, filter: [1, 1], out: [1, 1] },
  'filter on one pixel': { x: [5, 1, 1, 7], outChannels: 16, filter: [3, 3], pad: [1, 1], out: [1, 1] },
  'filter as large as the image': { x: [5, 5, 5, 7], outChannels: 33, filter: [5, 5], out: [1, 1] },
  'as large as the image, one sample': { x: [1, 3, 5, 16], outChannels: 31, filter: [3, 5], out: [1, 1] },
  pointwise: { x: [1, 17, 19, 31], outChannels: 17, filter: [1, 1], out: [17, 19] },
  'pointwise, batch': { x: [5, 7, 3, 16], outChannels: 100, filter: [1, 1], out: [7, 3] },
  'pointwise, stride 2': { x: [2, 5, 7, 15], outChannels: 33, filter: [1, 1], stride: 2, out: [3, 4] },
  'same 3x3': { x: [5, 7, 7, 15], outChannels: 16, filter: [3, 3], pad: [1, 1], out: [7, 7] },
  'same 3x3, prime sizes': { x: [1, 13, 11, 16], outChannels: 33, filter: [3, 3], pad: [1, 1], out: [13, 11] },
  'same 3x3, one channel': { x: [2, 5, 7, 1], outChannels: 1, filter: [3, 3], pad: [1, 1], out: [5, 7] },
  'valid 3x3 on a long row': { x: [1, 3, 67, 3], outChannels: 48, filter: [3, 3], out: [1, 65] },
  'valid 5x5 on an image': { x: [2, 20, 18, 3], outChannels: 24, filter: [5, 5], out: [16, 14] },
  'column filter': { x: [2, 9, 5, 7], outChannels: 15, filter: [5, 1], pad: [2, 0], out: [9, 5] },
  'row filter': { x: [2, 5, 9, 17], outChannels: 7, filter: [1, 4], pad: [0, 1], out: [5, 9] },
  'same 4x4, padded unevenly': { x: [1, 6, 5, 3], outChannels: 7, filter: [4, 4], pad: [1, 1], out: [6, 5] },
  'same 2x2, hangs over the end': { x: [5, 5, 4, 17], outChannels: 3, filter: [2, 2], out: [5, 4] },
  'padding all around': { x: [2, 3, 3, 16], outChannels: 31, filter: [5, 5], pad: [4, 4], out: [7, 7] },
  'grows from 5x5 to 7x7': { x: [3, 5, 5, 33], outChannels: 17, filter: [3, 3], pad: [2, 2], out: [7, 7] },
  '3x3 stride 2': { x: [1, 11, 13, 17], outChannels: 31, filter: [3, 3], stride: 2, pad: [1, 1], out: [6, 7] },
  '3x3 stride 2, padded at the end': { x: [5, 8, 6, 7], outChannels: 16, filter: [3, 3], stride: 2, out: [4, 3] },
  '5x5 stride 2, padded': { x: [2, 9, 9, 3], outChannels: 17, filter: [5, 5], stride: 2, pad: [2, 1], out: [5, 5] },
  '3x3 stride 3, leaves out the end': { x: [5, 7, 8, 3], outChannels: 7, filter: [3, 3], stride: 3, out: [2, 2] },
  '2x2 stride 3, leaves out pixels': { x: [2, 8, 9, 15], outChannels: 16, filter: [2, 2], stride: 3, out: [3, 3] },
  '2x2 stride 3, hangs over the end': { x: [1, 10, 7, 16], outChannels: 15, filter: [2, 2], stride: 3, out: [4, 3] },
  '1x1 stride 3': { x: [5, 8, 7, 7], outChannels: 15, filter: [1, 1], stride: 3, out: [3, 3] },
  '7x7 stride 3, padded': { x: [1, 13, 11, 3], outChannels: 33, filter: [7, 7], stride: 3, pad: [3, 3], out: [5, 4] },
};

interface Kind {
  readonly encoding?: (channels: number) => Encoding;
  /** A dynamic scale: one, or one per sample (of a filter: per output channel). */
  readonly scale?: 'one' | 'each';
}

const levels = (bits: number, zeroPoints?: readonly number[]): Encoding => ({
  kind: 'levels',
  max: maxLevel(bits),
  step: 1 / maxLevel(bits),
  ...(zeroPoints && { zeroPoints }),
});
const bipolar = (bits: number): Encoding => ({ kind: 'bipolar', max: maxLevel(bits), step: 1 / maxLevel(bits) });

const imageKinds = {
  real: {},
  'levels 1': { encoding: () => levels(1) },
  'levels 2': { encoding: () => levels(2) },
  'levels 4, scales': { encoding: () => levels(4), scale: 'each' },
  'levels 8': { encoding: () => levels(8) },
  bytes: { encoding: () => levels(8, [128]) },
  'bytes by channel': { encoding: (channels) => levels(8, [125, 0, 255, 3].slice(0, channels)) },
  'bipolar 1': { encoding: () => bipolar(1) },
  'bipolar 2, scale': { encoding: () => bipolar(2), scale: 'one' },
  'bipolar 8, scales': { encoding: () => bipolar(8), scale: 'each' },
} as const satisfies Record<string, Kind>;

const filterKinds = {
  real: {},
  'bipolar 1': { encoding: () => bipolar(1) },
  'bipolar 1, scale': { encoding: () => bipolar(1), scale: 'one' },
  'bipolar 1, scales': { encoding: () => bipolar(1), scale: 'each' },
  'bipolar 2': { encoding: () => bipolar(2) },
  'bipolar 4': { encoding: () => bipolar(4) },
  'bipolar 8, scales': { encoding: () => bipolar(8), scale: 'each' },
  'levels 8': { encoding: () => levels(8, [127]) },
} as const satisfies Record<string, Kind>;

const gradientKinds = {
  real: {},
  'bipolar 2, scales': { encoding: () => bipolar(2), scale: 'each' },
  'bipolar 4, scales': { encoding: () => bipolar(4), scale: 'each' },
  'bipolar 4, scale': { encoding: () => bipolar(4), scale: 'one' },
  'bipolar 8': { encoding: () => bipolar(8) },
  'bipolar 8, scales': { encoding: () => bipolar(8), scale: 'each' },
} as const satisfies Record<string, Kind>;

function operand({ encoding }: Kind, shape: Shape, content?: Content): CaseInput {
  if (encoding === undefined) return realInput(shape, content ?? normal());
  const type = quantized(shape, encoding(shape.at(-1)!));
  return input(type, content ?? integers(0, type.encoding!.max));
}

/** `each`: how many scales there are when there are several. A sample of zeros has scale 0. */
function scaleOf({ scale }: Kind, each: number): CaseInput | undefined {
  const content: Content = (data, random, earlier) => {
    uniform(0.01, 2)(data, random, earlier);
    if (data.length > 2) data[1] = 0;
  };
  return scale && realInput([scale === 'one' ? 1 : each], content);
}

const isInteger = (...kinds: readonly Kind[]): boolean => kinds.every((kind) => kind.encoding !== undefined);

function attributesOf({ stride = 1, pad = [0, 0], out }: Geometry) {
  return { stride, padTop: pad[0], padLeft: pad[1], outHeight: out[0], outWidth: out[1] };
}

/** Of a case: its geometry, and for quantized operands other contents than all levels alike. */
interface Setting {
  readonly name: string;
  readonly geometry: Geometry;
  readonly content?: Content;
}

function forward({ name, geometry, content }: Setting, x: Kind, filter: Kind): OpCase {
  const [height, width] = geometry.filter;
  const filterShape = [height, width, geometry.x[3], geometry.outChannels];
  const inputs = [
    operand(x, geometry.x, content),
    operand(filter, filterShape, content),
    scaleOf(x, geometry.x[0]),
    scaleOf(filter, geometry.outChannels),
  ];
  const parity = isInteger(x, filter) ? 'exact' : sumOfProducts('y', height * width * geometry.x[3]);
  return opCase(conv2d, name, inputs, attributesOf(geometry), parity);
}

function inputGradient({ name, geometry, content }: Setting, dy: Kind, filter: Kind): OpCase {
  const [batch, height, width, channels] = geometry.x;
  const [kernelHeight, kernelWidth] = geometry.filter;
  const inputs = [
    operand(dy, [batch, ...geometry.out, geometry.outChannels], content),
    operand(filter, [kernelHeight, kernelWidth, channels, geometry.outChannels], content),
    scaleOf(dy, batch),
    scaleOf(filter, geometry.outChannels),
  ];
  const isExact = isInteger(dy, filter) && filter.scale !== 'each';
  const parity = isExact ? 'exact' : sumOfProducts('dx', kernelHeight * kernelWidth * geometry.outChannels);
  return opCase(conv2dInputGradient, name, inputs, { ...attributesOf(geometry), height, width }, parity);
}

function filterGradient({ name, geometry, content }: Setting, x: Kind, dy: Kind): OpCase {
  const [batch] = geometry.x;
  const [kernelHeight, kernelWidth] = geometry.filter;
  const inputs = [
    operand(x, geometry.x, content),
    operand(dy, [batch, ...geometry.out, geometry.outChannels], content),
    scaleOf(x, batch),
    scaleOf(dy, batch),
  ];
  const parity = sumOfProducts('dFilter', batch * geometry.out[0] * geometry.out[1]);
  return opCase(conv2dFilterGradient, name, inputs, { ...attributesOf(geometry), kernelHeight, kernelWidth }, parity);
}

const geometryCases = Object.entries(geometries).flatMap(([name, geometry]) => {
  const asReal = { name: `${name}, real`, geometry };
  const asIntegers = { name: `${name}, integers`, geometry };
  const image = geometry.x[3] <= 4 ? imageKinds['bytes by channel'] : imageKinds['levels 2'];
  const filter = filterKinds['bipolar 1, scale'];
  const gradient = gradientKinds['bipolar 4, scales'];
  return [
    forward(asReal, {}, {}),
    forward(asIntegers, image, filter),
    inputGradient(asReal, {}, {}),
    inputGradient(asIntegers, gradient, filter),
    filterGradient(asReal, {}, {}),
    filterGradient(asIntegers, image, gradient),
  ];
});

/** Per-channel zero points exist for at most four channels. */
function geometryFor(image: string): Geometry {
  return image === 'bytes by channel'
    ? { x: [3, 5, 7, 3], outChannels: 19, filter: [3, 3], pad: [1, 1], out: [5, 7] }
    : { x: [3, 7, 5, 17], outChannels: 19, filter: [3, 3], stride: 2, pad: [1, 0], out: [4, 3] };
}

function pairs<A extends Kind, B extends Kind>(
  left: Readonly<Record<string, A>>,
  right: Readonly<Record<string, B>>,
  make: (setting: Setting, left: A, right: B) => OpCase,
): OpCase[] {
  return Object.entries(left).flatMap(([leftName, leftKind]) =>
    Object.entries(right).map(([rightName, rightKind]) =>
      make({ name: `${leftName} x ${rightName}`, geometry: geometryFor(leftName) }, leftKind, rightKind),
    ),
  );
}

/** All integers large and of one sign: the sums exceed 2^24, from where on a float32 cannot hold them. */
const longSums: Readonly<Record<string, Geometry>> = {
  'long sums, dense': { x: [5, 1, 1, 2600], outChannels: 17, filter: [1, 1], out: [1, 1] },
  'long sums, 3x3': { x: [2, 5, 3, 131], outChannels: 33, filter: [3, 3], pad: [1, 1], out: [5, 3] },
  'long sums, 3x3, many outputs': { x: [1, 5, 7, 33], outChannels: 262, filter: [3, 3], stride: 2, out: [2, 3] },
  'long sums, pointwise': { x: [2, 19, 23, 16], outChannels: 17, filter: [1, 1], out: [19, 23] },
};

const longSumCases = Object.entries(longSums).flatMap(([name, geometry]) => {
  const setting = { name, geometry, content: integers(220, 255) };
  return [
    forward(setting, imageKinds['levels 8'], { encoding: () => bipolar(8) }),
    inputGradient(setting, gradientKinds['bipolar 8, scales'], { encoding: () => bipolar(8) }),
    filterGradient(setting, imageKinds['levels 8'], gradientKinds['bipolar 8, scales']),
  ];
});

/** The partial sums of one block are larger than the limit: one block takes the whole batch. */
const largeFilter: Setting = {
  name: 'large filter',
  geometry: { x: [3, 2, 1, 343], outChannels: 341, filter: [3, 3], pad: [1, 1], out: [2, 1] },
};

export const conv2dCases: readonly OpCase[] = [
  ...geometryCases,
  ...pairs(imageKinds, filterKinds, forward),
  ...pairs(gradientKinds, filterKinds, inputGradient),
  ...pairs(imageKinds, gradientKinds, filterGradient),
  ...longSumCases,
  filterGradient(largeFilter, imageKinds['levels 2'], gradientKinds['bipolar 4, scales']),
];
