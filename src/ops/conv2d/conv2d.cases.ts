/**
 * Cases of the three products. Integer products are exact, whatever their length; the filter's gradient adds scaled sums of
 * samples, and a scale per output channel makes the filter real in the input's gradient: these have bounds.
 *
 * Every geometry runs real and quantized; every pair of operand kinds runs on two small geometries, and every kind on some
 * with groups and dilation.
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
import { type Encoding, maxLevel, quantized, type Shape, sizeOf } from '../../core/tensor.js';
import { conv2d, conv2dFilterGradient, conv2dInputGradient } from './conv2d.js';
import {
  attributesOf,
  type Geometry,
  geometries,
  geometryFor,
  groupedGeometries,
  kindGeometries,
  longSums,
} from './geometries.cases.js';

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

function filterShapeOf({ x, outChannels, filter, groups = 1 }: Geometry): Shape {
  return [...filter, x[3] / groups, outChannels];
}

/** Of a case: its geometry, and for quantized operands other contents than all levels alike. */
interface Setting {
  readonly name: string;
  readonly geometry: Geometry;
  readonly content?: Content;
}

function forward({ name, geometry, content }: Setting, x: Kind, filter: Kind): OpCase {
  const filterShape = filterShapeOf(geometry);
  const inputs = [
    operand(x, geometry.x, content),
    operand(filter, filterShape, content),
    scaleOf(x, geometry.x[0]),
    scaleOf(filter, geometry.outChannels),
  ];
  const parity = isInteger(x, filter) ? 'exact' : sumOfProducts('y', sizeOf(filterShape) / geometry.outChannels);
  return opCase(conv2d, name, inputs, attributesOf(geometry), parity);
}

function inputGradient({ name, geometry, content }: Setting, dy: Kind, filter: Kind): OpCase {
  const [batch, height, width] = geometry.x;
  const [kernelHeight, kernelWidth] = geometry.filter;
  const inputs = [
    operand(dy, [batch, ...geometry.out, geometry.outChannels], content),
    operand(filter, filterShapeOf(geometry), content),
    scaleOf(dy, batch),
    scaleOf(filter, geometry.outChannels),
  ];
  const isExact = isInteger(dy, filter) && filter.scale !== 'each';
  const terms = kernelHeight * kernelWidth * (geometry.outChannels / (geometry.groups ?? 1));
  const parity = isExact ? 'exact' : sumOfProducts('dx', terms);
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

const geometryCases = Object.entries({ ...geometries, ...groupedGeometries }).flatMap(([name, geometry]) => {
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

/** Every kind of both operands in turn, on each of these geometries. */
function kinds<A extends Kind, B extends Kind>(
  left: Readonly<Record<string, A>>,
  right: Readonly<Record<string, B>>,
  make: (setting: Setting, left: A, right: B) => OpCase,
): OpCase[] {
  const [lefts, rights] = [Object.entries(left), Object.entries(right)];
  return Object.entries(kindGeometries).flatMap(([name, geometry]) =>
    Array.from({ length: Math.max(lefts.length, rights.length) }, (_, i) => {
      const [leftName, leftKind] = lefts[i % lefts.length]!;
      const [rightName, rightKind] = rights[i % rights.length]!;
      return make({ name: `${name}, ${leftName} x ${rightName}`, geometry }, leftKind, rightKind);
    }),
  );
}

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
  ...kinds(imageKinds, filterKinds, forward),
  ...kinds(gradientKinds, filterKinds, inputGradient),
  ...kinds(imageKinds, gradientKinds, filterGradient),
  ...longSumCases,
  filterGradient(largeFilter, imageKinds['levels 2'], gradientKinds['bipolar 4, scales']),
];
