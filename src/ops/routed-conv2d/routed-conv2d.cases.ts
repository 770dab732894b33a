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
  realInput,
  rowSum,
  uniform,
} from '../../core/op-case.js';
import { decode, integer, operandOf, quantized, real, stepOf, type TypedArray } from '../../core/tensor.js';
import type { PoolAttributes } from '../pool/pool.js';
import { conv2dFilterGradientRouted, conv2dLevels, nowhere, routedBiasGradient } from './routed-conv2d.js';

interface Geometry {
  /** [N, H, W, C] */
  readonly x: readonly [number, number, number, number];
  readonly outChannels: number;
  readonly size: number;
  readonly stride?: number;
  readonly pad?: number;
  readonly out: readonly [number, number];
  readonly pool?: Omit<PoolAttributes, 'padTop' | 'padLeft'> & { readonly pad?: number };
}

const geometries: Readonly<Record<string, Geometry>> = {
  'one number': { x: [1, 1, 1, 1], outChannels: 1, size: 1, out: [1, 1] },
  'no windows': { x: [3, 7, 9, 3], outChannels: 17, size: 3, pad: 1, out: [7, 9] },
  '2x2 windows': {
    ...{ x: [9, 12, 12, 3], outChannels: 48, size: 5, out: [8, 8] },
    pool: { size: 2, stride: 2, outHeight: 4, outWidth: 4 },
  },
  'a window that hangs over the end': {
    ...{ x: [2, 9, 7, 2], outChannels: 33, size: 3, pad: 1, out: [9, 7] },
    pool: { size: 2, stride: 2, outHeight: 5, outWidth: 4 },
  },
  '3x3 windows, padded, stride 2': {
    ...{ x: [2, 21, 19, 3], outChannels: 20, size: 3, stride: 2, pad: 1, out: [11, 10] },
    pool: { size: 3, stride: 3, pad: 1, outHeight: 4, outWidth: 4 },
  },
  'pixels between the windows': {
    ...{ x: [2, 8, 9, 4], outChannels: 5, size: 1, out: [8, 9] },
    pool: { size: 2, stride: 3, outHeight: 3, outWidth: 3 },
  },
};

const bytes = { kind: 'levels', max: 255, step: 1 / 63 } as const;
const images: Readonly<Record<string, (shape: readonly number[]) => CaseInput>> = {
  bytes: (shape) =>
    input(quantized(shape, { ...bytes, ...(shape[3]! <= 4 && { zeroPoints: [120] }) }), integers(0, 255)),
  'real x': (shape) => realInput(shape),
};

const poolOf = ({ pool }: Geometry) => {
  if (pool === undefined) return {};
  const { pad = 0, ...rest } = pool;
  return { pool: { ...rest, padTop: pad, padLeft: pad } };
};

function attributesOf(geometry: Geometry) {
  const { stride = 1, pad = 0, out } = geometry;
  return { stride, padTop: pad, padLeft: pad, outHeight: out[0], outWidth: out[1], ...poolOf(geometry) };
}

/** Half of the sums would round differently in another order: small integers do not. */
const exact: Content = integers(-3, 3);

const forward = Object.entries(geometries).flatMap(([name, geometry]) =>
  [1, 2, 8].map((bits) => {
    const { x, outChannels, size } = geometry;
    const filter = realInput([size, size, x[3], outChannels], exact);
    const image = input(quantized(x, { kind: 'levels', max: 3, step: 1 / 64 }), integers(0, 3));
    const attributes = { ...attributesOf(geometry), bits };
    return opCase(
      conv2dLevels,
      `${name}, ${bits} bits`,
      [image, filter, realInput([outChannels], uniform(0, 1))],
      attributes,
    );
  }),
);

/** A pixel of each window that is inside of the image, or nowhere. */
const routesOf =
  ({ x, outChannels, out, pool }: Geometry): Content =>
  (data, random) => {
    const {
      size,
      stride,
      pad = 0,
      outHeight,
      outWidth,
    } = pool ?? { size: 1, stride: 1, outHeight: out[0], outWidth: out[1] };
    let i = 0;
    for (let n = 0; n < x[0]; n++)
      for (let row = 0; row < outHeight; row++)
        for (let column = 0; column < outWidth; column++)
          for (let k = 0; k < outChannels; k++) {
            const at = random.nextInt(size * size);
            const h = row * stride + Math.floor(at / size) - pad;
            const w = column * stride + (at % size) - pad;
            const isInside = h >= 0 && h < out[0] && w >= 0 && w < out[1];
            data[i++] = isInside && random.nextInt(4) > 0 ? at : nowhere;
          }
  };

/** The op on absolute values; x becomes real. */
function magnitudesOf(run: CaseRun): Record<string, TypedArray> {
  const slots = run.op.inputs;
  const isX = (slot: number): boolean => slots[slot] === 'x' && run.types[slot]!.encoding !== undefined;
  const types = run.types.map((type, slot) => (isX(slot) ? real(type!.shape) : type));
  const inputs = run.inputs.map((data, slot) => {
    const type = run.types[slot]!;
    if (!isX(slot)) return slots[slot] === 'route' ? data : data?.map(Math.abs);
    const operand = operandOf(type);
    return Float32Array.from(data!, (q, i) => Math.abs(decode(operand, q, i % type.shape[3]!) * stepOf(type)));
  });
  return evaluate(run.op, types, run.attributes, inputs);
}

const gradients: Readonly<Record<string, (shape: readonly number[]) => readonly (CaseInput | undefined)[]>> = {
  'real dy': (shape) => [realInput(shape), undefined],
  'i16 with a scale per sample': (shape) => [
    input(integer(shape, 8640, { dtype: 'i16' }), integers(-8640, 8640)),
    realInput([shape[0]!], normal()),
  ],
  'i32 with a step': (shape) => [input(integer(shape, 1e6, { step: 1e-6 }), integers(-1e6, 1e6)), undefined],
};

const back = Object.entries(geometries).flatMap(([name, geometry]) =>
  Object.entries(gradients).flatMap(([kind, operands]) => {
    const { x, outChannels, size, out, pool } = geometry;
    const shape = [x[0], pool?.outHeight ?? out[0], pool?.outWidth ?? out[1], outChannels];
    const routed = [...operands(shape), input({ dtype: 'u8', shape }, routesOf(geometry))];
    const attributes = { ...attributesOf(geometry), kernelHeight: size, kernelWidth: size };
    const terms = x[0] * out[0] * out[1];
    return [
      opCase(routedBiasGradient, `${name}, ${kind}`, routed, {}, { dBias: (run) => rowSum(magnitudesOf(run).dBias!) }),
      ...Object.entries(images).map(([image, xOf]) =>
        opCase(conv2dFilterGradientRouted, `${name}, ${image}, ${kind}`, [xOf(x), ...routed], attributes, {
          dFilter: (run) => magnitudesOf(run).dFilter!.map((sum) => (terms + 8) * 2 ** -24 * sum),
        }),
      ),
    ];
  }),
);

/** Several pieces of samples, the last one short; zero points; real images. */
const pieces: Geometry = {
  ...{ x: [9, 36, 36, 3], outChannels: 48, size: 3, pad: 1, out: [36, 36] },
  pool: { size: 2, stride: 2, outHeight: 18, outWidth: 18 },
};
const moreForward = Object.entries({
  'pieces of samples': { geometry: pieces, image: { kind: 'levels', max: 3, step: 1 / 64 } },
  'zero points': {
    geometry: geometries['2x2 windows']!,
    image: { kind: 'levels', max: 3, step: 1 / 64, zeroPoints: [1, 2, 0] },
  },
  'real x': { geometry: pieces, image: undefined },
} as const).map(([name, { geometry, image }]) => {
  const { x, outChannels, size } = geometry;
  const content = integers(0, 3);
  const images = image === undefined ? realInput(x, content) : input(quantized(x, image), content);
  const inputs = [images, realInput([size, size, x[3], outChannels], exact), realInput([outChannels], uniform(0, 1))];
  return opCase(conv2dLevels, name, inputs, { ...attributesOf(geometry), bits: 2 });
});

export const routedConv2dCases: readonly OpCase[] = [...forward, ...moreForward, ...back];
