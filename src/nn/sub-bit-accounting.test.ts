import { describe, expect, test } from 'vitest';
import { Graph } from '../core/graph.js';
import { quantized, real } from '../core/tensor.js';
import { conv2d } from '../ops/conv2d/conv2d.js';
import { meanAbs } from '../ops/quantize/weights.js';
import { groupFilters } from '../ops/selection/group-filters.js';
import { type CodewordLayer, codewordCosts } from './sub-bit-accounting.js';
import { summarize } from './summary.js';

/** Stages of a residual network: convolutions, channels and side; the first convolution comes from the stage before. */
const stages = (first: number, ...list: readonly (readonly [number, number, number])[]): CodewordLayer[] =>
  list.flatMap(([count, channels, side], i) =>
    Array.from({ length: count }, (_, j) => ({
      inChannels: j > 0 ? channels : (list[i - 1]?.[1] ?? first),
      outChannels: channels,
      outPixels: side ** 2,
    })),
  );

// TV-10: papers 2.5, G operations / Mbit for 512 (plain), 128, 64, 32 and 16 codewords.
const table: Readonly<Record<string, readonly [CodewordLayer[], ...string[]]>> = {
  'ResNet-18, 224x224': [
    stages(64, [4, 64, 56], [4, 128, 28], [4, 256, 14], [4, 512, 7]),
    ...['1.6763 / 10.99', '1.2155 / 8.544', '0.8839 / 7.324', '0.5014 / 6.103', '0.2972 / 4.882'],
  ],
  'ResNet-18, CIFAR': [
    stages(64, [4, 64, 32], [4, 128, 16], [4, 256, 8], [4, 512, 4]),
    ...['0.5474 / 10.99', '0.3969 / 8.544', '0.2886 / 7.324', '0.1637 / 6.103', '0.0971 / 4.882'],
  ],
  'VGG-small': [
    stages(128, [1, 128, 32], [2, 256, 16], [2, 512, 8]),
    ...['0.6040 / 4.571', '0.3460 / 3.555', '0.1940 / 3.047', '0.1138 / 2.540', '0.0737 / 2.032'],
  ],
  'ResNet-20': [
    stages(16, [6, 16, 32], [6, 32, 16], [6, 64, 8]),
    ...['0.0401 / 0.2673', '0.0401 / 0.2079', '0.0401 / 0.1782', '0.0343 / 0.1485', '0.0253 / 0.1188'],
  ],
  'ResNet-34, 224x224': [
    stages(64, [6, 64, 56], [8, 128, 28], [12, 256, 14], [6, 512, 7]),
    ...['3.5260 / 21.09', '2.4935 / 16.40', '1.6964 / 14.06', '0.9654 / 11.71', '0.5806 / 9.372'],
  ],
};

test.each(Object.entries(table))('TV-10: %s', (_, [layers, ...printed]) => {
  const found = [512, 128, 64, 32, 16].map((codewords) => {
    const costs = layers.map((layer) => codewordCosts(layer, codewords));
    const total = (of: 'sharedOps' | 'indexBits'): number => costs.reduce((sum, each) => sum + each[of], 0);
    return `${(total('sharedOps') / 1e9).toFixed(4)} / ${(total('indexBits') / 1e6).toPrecision(4)}`;
  });
  expect(found).toEqual(printed);
});

test('groups share among their own output channels', () => {
  const layer = { inChannels: 32, outChannels: 64, groups: 2, outPixels: 10 };
  expect(codewordCosts(layer, 16).sharedOps).toBe(10 * (9 * 16 * 32 + (16 * 64) / 2));
  expect(codewordCosts(layer, 32).sharedOps).toBe(10 * 9 * 16 * 64);
});

describe('the table of a training network', () => {
  /** Two convolutions of grouped filters, from 8 to 16 to 16 channels on 6x5 pixels, with one list of ids or two. */
  function grouped(codewords: number, isShared: boolean): Graph {
    const graph = new Graph();
    let x = graph.input('images', quantized([1, 6, 5, 8], { kind: 'levels', max: 3, step: 1 / 3 }));
    const idsOf = (name: string) => graph.variable(name, { dtype: 'i32', shape: [codewords] }, { role: 'state' });
    let ids = idsOf('ids');
    for (const [name, channels] of [
      ['a', 8],
      ['b', 16],
    ] as const) {
      const filter = graph.variable(`${name}/filter`, real([3, 3, channels, 16]), { role: 'parameter' });
      const scale = graph.apply(meanAbs, `${name}/scale`, [filter], {});
      const [levels] = graph.add(groupFilters, `${name}/levels`, [filter, ids], {}, [scale]);
      const geometry = { stride: 1, padTop: 1, padLeft: 1, outHeight: 6, outWidth: 5 };
      const y = graph.apply(conv2d, name, [x, levels!, undefined, scale], geometry);
      if (!isShared) ids = idsOf(`${name}/ids`);
      x = graph.input(`${name}/next`, quantized(y.type.shape, { kind: 'levels', max: 3, step: 1 / 3 }));
    }
    return graph;
  }

  test('counts indices and codebooks of grouped filters', () => {
    const { layers, totals } = summarize(grouped(8, false));
    expect(layers).toMatchObject([
      { name: 'a', weightBits: 1, codewords: 8, indexBits: 8 * 16 * 3, weightBytes: 48 + 9, bitOps: 2 * 30 * 9 * 128 },
      { name: 'b', codewords: 8, indexBits: 16 * 16 * 3, weightBytes: 96 + 9 },
    ]);
    expect(layers[0]!.sharedBitOps).toBe(2 * 30 * (9 * 8 * 8 + 64));
    expect(totals.weightBytes).toBe(48 + 96 + 18);
    expect(totals.bitsPerWeight).toBeCloseTo((8 * 162) / (9 * 384), 12);
    expect(totals.indexBits).toBe(3 * 384);
    expect(totals.sharedBitOps).toBe(layers[0]!.sharedBitOps! + layers[1]!.sharedBitOps!);
  });

  test('counts a shared codebook once', () => {
    expect(summarize(grouped(8, true)).layers.map(({ weightBytes }) => weightBytes)).toEqual([57, 96]);
  });
});
