/**
 * Groups and dilation are plain convolutions with a larger filter that has zeros between the taps and between the channels
 * of different groups: checks the references of the three products against those without groups and dilation, which are
 * checked by differences (../gradients.test.ts).
 */
import { describe, expect, test } from 'vitest';
import { evaluate, normal } from '../../core/op-case.js';
import { quantized, real, type Shape, sizeOf } from '../../core/tensor.js';
import { Philox } from '../../util/philox.js';
import { conv2d, conv2dFilterGradient, conv2dInputGradient } from './conv2d.js';
import { type Geometry, groupedGeometries } from './geometries.cases.js';
import { spanOf } from './geometry.js';

const small = Object.entries(groupedGeometries).filter(([, { x, outChannels }]) => x[3] * outChannels < 500);

function random(shape: Shape, name: string): Float32Array {
  const data = new Float32Array(sizeOf(shape));
  normal()(data, new Philox(1, name), []);
  return data;
}

/** A geometry's plain equivalent: the larger filter's shape, and where in it each element of the small one lies. */
function plainOf({ x, outChannels, filter: [height, width], dilation = 1, groups = 1 }: Geometry) {
  const channels = x[3];
  const [rows, columns] = [spanOf(height, dilation), spanOf(width, dilation)];
  const places: number[] = [];
  for (let kh = 0; kh < height; kh++)
    for (let kw = 0; kw < width; kw++)
      for (let i = 0; i < channels / groups; i++)
        for (let k = 0; k < outChannels; k++) {
          const c = Math.floor((k * groups) / outChannels) * (channels / groups) + i;
          places.push(((kh * dilation * columns + kw * dilation) * channels + c) * outChannels + k);
        }
  return { shape: [rows, columns, channels, outChannels], places };
}

describe('with groups and dilation', () => {
  test.each(small)('%s: the three products are those of the larger filter', (name, geometry) => {
    const { x: xShape, outChannels, filter, stride = 1, dilation = 1, groups = 1, pad = [0, 0], out } = geometry;
    const [batch, height, width, channels] = xShape;
    const plain = plainOf(geometry);
    const filterShape = [...filter, channels / groups, outChannels];
    const dyShape = [batch, ...out, outChannels];
    const [x, weights, dy] = [random(xShape, 'x'), random(filterShape, 'filter'), random(dyShape, 'dy')];
    expect(plain.places, name).toHaveLength(weights.length);
    const plainWeights = new Float32Array(sizeOf(plain.shape));
    for (const [i, place] of plain.places.entries()) plainWeights[place] = weights[i]!;

    const attributes = { stride, padTop: pad[0], padLeft: pad[1], outHeight: out[0], outWidth: out[1] };
    const grouped = { ...attributes, dilation, groups };
    const forward = (shape: Shape, data: Float32Array, options: object) =>
      evaluate(conv2d, [real(xShape), real(shape)], { ...attributes, ...options }, [x, data]).y;
    expect(forward(filterShape, weights, grouped)).toEqual(forward(plain.shape, plainWeights, {}));

    const inputGradient = (shape: Shape, data: Float32Array, options: object) => {
      const all = { ...attributes, height, width, ...options };
      return evaluate(conv2dInputGradient, [real(dyShape), real(shape)], all, [dy, data]).dx;
    };
    expect(inputGradient(filterShape, weights, grouped)).toEqual(inputGradient(plain.shape, plainWeights, {}));

    const filterGradient = ([kernelHeight, kernelWidth]: Shape, options: object) => {
      const all = { ...attributes, kernelHeight, kernelWidth, ...options };
      return evaluate(conv2dFilterGradient, [real(xShape), real(dyShape)], all, [x, dy]).dFilter!;
    };
    const plainGradient = filterGradient(plain.shape, {});
    expect(filterGradient(filter, grouped)).toEqual(Float32Array.from(plain.places, (place) => plainGradient[place]!));
  });
});

describe('refused', () => {
  const attributes = { stride: 1, padTop: 1, padLeft: 1, outHeight: 5, outWidth: 5 };
  const infer = (x: Shape, filter: Shape, options: object) => () =>
    conv2d.infer([real(x), real(filter)], { ...attributes, ...options });

  test('channels that do not fit', () => {
    expect(infer([1, 5, 5, 6], [3, 3, 3, 4], {})).toThrow('the image has 6 channels and the filter expects 3');
    expect(infer([1, 5, 5, 6], [3, 3, 6, 4], { groups: 2 })).toThrow(
      'the image has 6 channels and the filter expects 6 in each of 2 groups',
    );
    expect(infer([1, 5, 5, 6], [3, 3, 3, 5], { groups: 2 })).toThrow(
      '5 output channels cannot be dealt into 2 groups of equal size',
    );
    expect(infer([1, 5, 5, 7], [3, 3, 3, 4], { groups: 2 })).toThrow('7 input channels cannot be dealt into 2 groups');
    const all = { ...attributes, groups: 2, kernelHeight: 3, kernelWidth: 3 };
    const dFilter = () => conv2dFilterGradient.infer([real([1, 5, 5, 7]), real([1, 5, 5, 4])], all);
    expect(dFilter).toThrow('7 input channels cannot be dealt into 2 groups');
  });

  test('strides, dilations and numbers of groups that are not positive integers', () => {
    for (const name of ['stride', 'dilation', 'groups']) {
      for (const value of [0, 1.5, -1])
        expect(infer([1, 5, 5, 6], [3, 3, 6, 4], { [name]: value })).toThrow(
          `${name} must be a positive integer, not ${value}`,
        );
    }
  });

  test('padding as large as the filter, which dilation makes larger', () => {
    const padded = { padTop: 4, padLeft: 4 };
    expect(infer([1, 5, 5, 6], [3, 3, 6, 4], { ...padded, dilation: 2 })).not.toThrow();
    expect(infer([1, 5, 5, 6], [3, 3, 6, 4], padded)).toThrow('smaller than the filter (3x3)');
    expect(infer([1, 5, 5, 6], [3, 3, 6, 4], { ...padded, padTop: 5, dilation: 2 })).toThrow(
      'smaller than the dilated filter (5x5)',
    );
  });

  test('tensors of other than four dimensions, and integers as they are', () => {
    expect(infer([5, 5, 6], [3, 3, 6, 4], {})).toThrow('the image must have four dimensions, not [5, 5, 6]');
    const levels = quantized([3, 3, 6, 4], { kind: 'bipolar', max: 1, step: 1 });
    const integers = { dtype: 'i32', shape: [1, 5, 5, 6] } as const;
    expect(() => conv2d.infer([integers, levels], attributes)).toThrow(
      'the image must be real or levels (f32 or u8), not i32',
    );
  });
});
