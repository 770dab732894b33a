/**
 * Two small deployed networks. One has every operation that a `.subbit` file may have, random weights, and shapes that fit no vector: a
 * stem, a residual block with a shortcut, a grouped convolution, a two-sided threshold, wide weights, a dense layer. The other's
 * filters have few codewords, some with signs, so that its file has codebooks, packed and coded indices.
 */
import { Graph, type Value } from '../src/core/graph.js';
import { arrayOf, integer, quantized, sizeOf, type TensorType } from '../src/core/tensor.js';
import { type DeployedNetwork, fromGraph } from '../src/formats/subbit.js';
import { writeCodeword } from '../src/ops/codewords.js';
import { reshape } from '../src/ops/elementwise/elementwise.js';
import { integerAdd } from '../src/ops/integer/integer-add.js';
import { integerMaxPool, sumPool } from '../src/ops/integer/integer-pool.js';
import { rescale } from '../src/ops/integer/rescale.js';
import { threshold } from '../src/ops/integer/threshold.js';
import { integerConv2d } from '../src/ops/integer-conv2d/integer-conv2d.js';
import { strideShortcut } from '../src/ops/shortcut/shortcut.js';
import { Philox } from '../src/util/philox.js';

export const exampleClasses = ['ant', 'bee', 'cat', 'dog', 'eel'];

const plain = { stride: 1, dilation: 1, groups: 1, padTop: 0, padLeft: 0 };
const same = { ...plain, padTop: 1, padLeft: 1 };

export function exampleNetwork(seed = 1): DeployedNetwork {
  const graph = new Graph();
  const random = new Philox(seed, 'example network');
  const constant = (name: string, type: TensorType, low: number, high: number): Value => {
    const data = arrayOf(type);
    for (let i = 0; i < sizeOf(type.shape); i++) data[i] = low + random.nextInt(high - low + 1);
    return graph.constant(name, type, data);
  };
  const filter = (name: string, shape: readonly number[], bits: number): Value => {
    const max = 2 ** bits - 1;
    return constant(`${name}/filter`, quantized(shape, { kind: 'bipolar', max, step: 0.25 }), 0, max);
  };
  /** Rising over j, around 0. */
  const thresholds = (name: string, levels: number, channels: number, spread: number): Value => {
    const data = new Int32Array(levels * channels);
    for (let j = 0; j < levels; j++)
      for (let c = 0; c < channels; c++) data[j * channels + c] = (j - levels / 2) * spread + random.nextInt(spread);
    const max = levels * spread;
    return graph.constant(name, integer([levels, channels], max), data);
  };
  const rescaled = (name: string, x: Value, channels: number): Value => {
    const perChannel: TensorType = { dtype: 'i32', shape: [channels] };
    const inputs = [
      constant(`${name}/multiplier`, perChannel, -65535, 65535),
      constant(`${name}/shift`, perChannel, 14, 18),
      constant(`${name}/bias`, integer([channels], 50), -50, 50),
    ];
    return graph.apply(rescale, name, [x, ...inputs], { low: -1000, high: 1000, step: 0.01 });
  };

  const images = graph.input(
    'images',
    quantized([1, 11, 9, 3], { kind: 'levels', max: 255, step: 1 / 64, zeroPoints: [125, 123, 114] }),
  );
  // Stem: wide weights, i16 below 2^11, so that the accumulators stay below 2^31.
  const stem = constant('conv0/filter', integer([3, 3, 3, 8], 2000, { dtype: 'i16', step: 2 ** -10 }), -2000, 2000);
  const conv0 = graph.apply(integerConv2d, 'conv0', [images, stem], { ...same, outHeight: 11, outWidth: 9 });
  const act0 = graph.apply(threshold, 'conv0/levels', [conv0, thresholds('conv0/up', 3, 8, 300_000)], {});
  const pool0 = graph.apply(integerMaxPool, 'pool0', [act0], {
    ...{ size: 2, stride: 2, padTop: 0, padLeft: 0, outHeight: 6, outWidth: 5 },
  });
  // A residual block from 8 to 12 channels, stride 2.
  const conv1 = graph.apply(integerConv2d, 'conv1', [pool0, filter('conv1', [3, 3, 8, 12], 1)], {
    ...{ ...same, stride: 2, outHeight: 3, outWidth: 3 },
  });
  const stream = rescaled('conv1/stream', conv1, 12);
  const convS = graph.apply(integerConv2d, 'convS', [pool0, filter('convS', [1, 1, 8, 8], 2)], {
    ...{ ...plain, outHeight: 6, outWidth: 5 },
  });
  const shortcut = graph.apply(strideShortcut, 'shortcut', [rescaled('convS/stream', convS, 8)], {
    stride: 2,
    channels: 12,
  });
  const sum = graph.apply(integerAdd, 'sum', [stream, shortcut], {});
  const twoSided = thresholds('act1/up', 3, 12, 40);
  const up = graph.constants.get(twoSided)!.map((value) => Math.abs(value) + 20);
  graph.constants.set(twoSided, up);
  const down = graph.constant(
    'act1/down',
    twoSided.type,
    up.map((value) => -value),
  );
  const act1 = graph.apply(threshold, 'act1', [sum, twoSided, down], {});
  const conv2 = graph.apply(integerConv2d, 'conv2', [act1, filter('conv2', [3, 3, 4, 6], 3)], {
    ...{ ...same, groups: 3, outHeight: 3, outWidth: 3 },
  });
  const act2 = graph.apply(threshold, 'conv2/levels', [conv2, thresholds('conv2/up', 15, 6, 8)], {});
  const pooled = graph.apply(sumPool, 'pool2', [act2], {});
  const flat = graph.apply(reshape, 'flat', [pooled], { shape: [1, 1, 1, 6] });
  const fc = constant('fc/filter', integer([1, 1, 6, 5], 300, { dtype: 'i16', step: 2 ** -8 }), -300, 300);
  const logits = graph.apply(integerConv2d, 'fc', [flat, fc], { ...plain, outHeight: 1, outWidth: 1 });
  graph.output('logits', logits);
  return fromGraph(graph, { classes: exampleClasses, origin: { preset: 'example', bits: '1-2-32' } });
}

/**
 * Three binary 3x3 convolutions: of 6 codewords, some much more frequent, with signs; of 5 of these; and of 16 others, all alike.
 */
export function codebookNetwork(seed = 1): DeployedNetwork {
  const graph = new Graph();
  const random = new Philox(seed, 'codebook network');
  const bipolar = (shape: readonly number[]): TensorType => quantized(shape, { kind: 'bipolar', max: 1, step: 1 });
  const filter = (name: string, shape: readonly [number, number, number, number], draw: () => number): Value => {
    const data = new Uint8Array(sizeOf(shape));
    const filters = shape[2] * shape[3];
    for (let i = 0; i < filters; i++) writeCodeword(data, filters, i, draw());
    return graph.constant(`${name}/filter`, bipolar(shape), data);
  };
  const thresholds = (name: string, channels: number, spread: number): Value => {
    const up = Int32Array.from({ length: 3 * channels }, (_, i) => (Math.floor(i / channels) - 1) * spread + (i % 7));
    return graph.constant(`${name}/up`, integer([3, channels], spread + 7), up);
  };
  const skewed = [16, 500, 3, 77, 444, 261];
  const rare = (count: number) => () => skewed[Math.min(count - 1, Math.floor(-1.2 * Math.log(random.next())))]!;
  const geometry = { ...same, outHeight: 5, outWidth: 4 };

  const images = graph.input(
    'images',
    quantized([1, 5, 4, 3], { kind: 'levels', max: 255, step: 1, zeroPoints: [128] }),
  );
  const stem = graph.constant(
    'stem/filter',
    bipolar([3, 3, 3, 40]),
    Uint8Array.from({ length: 1080 }, () => random.nextInt(2)),
  );
  let value = graph.apply(integerConv2d, 'stem', [images, stem], geometry);
  value = graph.apply(threshold, 'stem/levels', [value, thresholds('stem', 40, 300)], {});
  const signs = graph.constant(
    'few/signs',
    bipolar([48]),
    Uint8Array.from({ length: 48 }, () => random.nextInt(2)),
  );
  value = graph.apply(integerConv2d, 'few', [value, filter('few', [3, 3, 40, 48], rare(6)), signs], geometry);
  value = graph.apply(threshold, 'few/levels', [value, thresholds('few', 48, 30)], {});
  value = graph.apply(integerConv2d, 'fewer', [value, filter('fewer', [3, 3, 48, 40], rare(5))], geometry);
  value = graph.apply(threshold, 'fewer/levels', [value, thresholds('fewer', 40, 30)], {});
  const alike = () => 31 * random.nextInt(16);
  value = graph.apply(integerConv2d, 'alike', [value, filter('alike', [3, 3, 40, 32], alike)], geometry);
  value = graph.apply(threshold, 'alike/levels', [value, thresholds('alike', 32, 30)], {});
  value = graph.apply(sumPool, 'pool', [value], {});
  const fc = graph.constant(
    'fc/filter',
    integer([1, 1, 32, 5], 300, { dtype: 'i16' }),
    Int16Array.from({ length: 160 }, () => random.nextInt(601) - 300),
  );
  graph.output('logits', graph.apply(integerConv2d, 'fc', [value, fc], { ...plain, outHeight: 1, outWidth: 1 }));
  return fromGraph(graph, { classes: exampleClasses, origin: { preset: 'codebooks', bits: '1-2-32' } });
}
