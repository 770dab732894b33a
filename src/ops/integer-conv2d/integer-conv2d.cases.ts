/** Cases of the plain integer convolution: every type of operand, groups, dilation, hard shapes. All exact. */
import { input, integers, type OpCase, opCase } from '../../core/op-case.js';
import { integer, quantized, type Shape, type TensorType } from '../../core/tensor.js';
import { integerConv2d } from './integer-conv2d.js';

const images: Readonly<Record<string, (shape: Shape) => TensorType>> = {
  levels: (shape) => quantized(shape, { kind: 'levels', max: 3, step: 1 }),
  'bytes by channel': (shape) =>
    quantized(shape, {
      kind: 'levels',
      max: 255,
      step: 1,
      zeroPoints: [125, 3, 255, 0].slice(0, Math.min(4, shape[3]!)),
    }),
  bipolar: (shape) => quantized(shape, { kind: 'bipolar', max: 1, step: 1 }),
  i16: (shape) => integer(shape, 900, { dtype: 'i16' }),
  i32: (shape) => integer(shape, 900),
};
const filters: Readonly<Record<string, (shape: Shape) => TensorType>> = {
  'bipolar 1': (shape) => quantized(shape, { kind: 'bipolar', max: 1, step: 1 }),
  'bipolar 8': (shape) => quantized(shape, { kind: 'bipolar', max: 255, step: 1 }),
  'levels 4': (shape) => quantized(shape, { kind: 'levels', max: 15, step: 1, zeroPoints: [7] }),
  i16: (shape) => integer(shape, 5000, { dtype: 'i16' }),
};

const plain = { stride: 1, dilation: 1, groups: 1, padTop: 0, padLeft: 0 };
const geometries = {
  dense: { x: [5, 1, 1, 33], filter: [1, 1, 33, 10], ...plain, outHeight: 1, outWidth: 1 },
  'same 3x3': { x: [2, 7, 5, 4], filter: [3, 3, 4, 17], ...plain, padTop: 1, padLeft: 1, outHeight: 7, outWidth: 5 },
  'two groups, stride 2': {
    ...{ x: [1, 9, 8, 6], filter: [3, 2, 3, 8], ...plain },
    ...{ groups: 2, stride: 2, padTop: 1, outHeight: 5, outWidth: 4 },
  },
  depthwise: {
    ...{ x: [2, 6, 7, 3], filter: [3, 3, 1, 3], ...plain, groups: 3, padTop: 1, padLeft: 1 },
    ...{ outHeight: 6, outWidth: 7 },
  },
  'depth multiplier 2, dilated': {
    ...{ x: [1, 8, 7, 4], filter: [2, 3, 1, 8], ...plain, groups: 4, dilation: 2, padTop: 1, padLeft: 2 },
    ...{ outHeight: 7, outWidth: 7 },
  },
} as const;

const signedRange = (type: TensorType): [number, number] => {
  const { kind, max } = type.encoding!;
  return kind === 'integer' ? [-max, max] : [0, max];
};

const signed: readonly OpCase[] = Object.entries(geometries).flatMap(([name, { x, filter, ...attributes }]) =>
  [filters['bipolar 1']!(filter), filters.i16!(filter)].map((weights) => {
    const operands = [images.levels!(x), weights, quantized([filter[3]], { kind: 'bipolar', max: 1, step: 1 })];
    const inputs = operands.map((type) => input(type, integers(...signedRange(type))));
    return opCase(integerConv2d, `signs, ${weights.dtype} filter, ${name}`, inputs, attributes);
  }),
);

const unsigned: readonly OpCase[] = Object.entries(geometries).flatMap(
  ([name, { x: xShape, filter: filterShape, ...attributes }]) =>
    Object.entries(images).flatMap(([imageName, image]) =>
      Object.entries(filters).map(([filterName, filter]) => {
        const [x, weights] = [image(xShape), filter(filterShape)];
        const operands = [x, weights].map((type) => input(type, integers(...signedRange(type))));
        return opCase(integerConv2d, `${imageName}, ${filterName}, ${name}`, [...operands, undefined], attributes);
      }),
    ),
);

export const integerConv2dCases: readonly OpCase[] = [...unsigned, ...signed];
