/** Shapes, counts and initialisation of convolutions. */
import { describe, expect, test } from 'vitest';
import { quantized, sizeOf } from '../../core/tensor.js';
import { parseBits } from '../bits.js';
import { Scope } from '../scope.js';
import { summarize } from '../summary.js';
import { type ConvOptions, conv } from './conv.js';

describe('a convolution with groups or dilation', () => {
  function layerOf(options: ConvOptions, shape: readonly [number, number, number] = [9, 9, 12]) {
    const scope = new Scope({ training: true, seed: 1, bits: parseBits('1-2-4') });
    const x = scope.graph.input('x', quantized([2, ...shape], { kind: 'levels', max: 3, step: 1 / 3 }));
    conv('conv', options)(scope, x);
    const filter = scope.graph.variables.get('conv/filter')!;
    const data = new Float32Array(sizeOf(filter.value.type.shape));
    filter.initialize(data);
    const deviation = Math.sqrt(data.reduce((sum, each) => sum + each ** 2, 0) / data.length);
    return { summary: summarize(scope.graph).layers[0]!, shape: filter.value.type.shape, deviation };
  }

  test('has the parameters and multiply-accumulates of one group per output channel', () => {
    const { summary, shape, deviation } = layerOf({ channels: 300, groups: 3 });
    expect(shape).toEqual([3, 3, 4, 300]);
    expect(summary).toMatchObject({
      outputShape: [9, 9, 300],
      parameters: 10_800,
      macs: 81 * 10_800,
      weightBytes: 1350,
    });
    expect(summary.bitOps).toBe(81 * 10_800 * 2);
    // He: fan-in is that of one group.
    expect(deviation / Math.sqrt(2 / 36)).toBeCloseTo(1, 1);
  });

  test('is depthwise when there are as many groups as input channels', () => {
    const { summary, shape } = layerOf({ channels: 12, groups: 12, stride: 2 });
    expect(shape).toEqual([3, 3, 1, 12]);
    expect(summary).toMatchObject({ outputShape: [5, 5, 12], parameters: 108, macs: 25 * 108 });
  });

  test("keeps the image's size with padding 'same'", () => {
    const dilated = layerOf({ channels: 8, dilation: 3 });
    expect(dilated.shape).toEqual([3, 3, 12, 8]);
    expect(dilated.summary).toMatchObject({ outputShape: [9, 9, 8], parameters: 864, macs: 81 * 864 });
    expect(layerOf({ channels: 8, dilation: 2, padding: 'valid' }).summary.outputShape).toEqual([5, 5, 8]);
    expect(layerOf({ channels: 8, dilation: 2, padding: 2, stride: 2 }).summary.outputShape).toEqual([5, 5, 8]);
    expect(() => layerOf({ channels: 8, dilation: 5, padding: 'valid' })).toThrow(
      'a window of 11 does not fit 9 pixels',
    );
  });

  test('refuses groups that do not divide the channels', () => {
    expect(() => layerOf({ channels: 10, groups: 5 })).toThrow(
      'conv: 12 input channels cannot be dealt into 5 groups of equal size',
    );
    expect(() => layerOf({ channels: 10, groups: 3 })).toThrow(
      'conv: 10 output channels cannot be dealt into 3 groups of equal size',
    );
  });
});
