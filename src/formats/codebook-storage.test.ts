/** What codebooks save; that files with them come back is in subbit.test.ts. */
import { describe, expect, test } from 'vitest';
import { quantized } from '../core/tensor.js';
import { codewordTaps, numCodewords, writeCodeword } from '../ops/codewords.js';
import { Philox } from '../util/philox.js';
import { packedBytes } from './bit-packing.js';
import { bytesOfCodebook, type CodebookStorage, type FilterForm, planCodebooks } from './codebook-storage.js';
import type { NetworkConstant } from './deployed-network.js';

/** Numbers 0 .. count - 1, number i as often as (i + 1)^-exponent says. */
function zipf(count: number, exponent: number, random: Philox): () => number {
  let total = 0;
  const cumulative = Array.from({ length: count }, (_, rank) => {
    total += (rank + 1) ** -exponent;
    return total;
  });
  return () => {
    const at = random.next() * total;
    return cumulative.findIndex((sum) => at < sum);
  };
}

/** The binary 3x3 filters of resnet18-cifar, each of `codewords` of its own, drawn by rank. */
function resnet18(codewords: number, exponent: number): Record<string, NetworkConstant> {
  const random = new Philox(5, 'resnet18');
  const layers = [64, 128, 256, 512].flatMap((channels) =>
    [0, 1, 2, 3].map((i) => [i === 0 && channels > 64 ? channels / 2 : channels, channels] as const),
  );
  return Object.fromEntries(
    layers.map(([inChannels, outChannels], layer) => {
      const ids = Array.from({ length: numCodewords }, (_, id) => id);
      random.shuffle(ids);
      const draw = zipf(codewords, exponent, random);
      const filters = inChannels * outChannels;
      const data = new Uint8Array(codewordTaps * filters);
      for (let i = 0; i < filters; i++) writeCodeword(data, filters, i, ids[i < codewords ? i : draw()]!);
      const type = quantized([3, 3, inChannels, outChannels], { kind: 'bipolar', max: 1, step: 1 });
      return [`conv${layer}/filter`, { type, data }];
    }),
  );
}

/** Of all tensors, codebooks included. */
function bytesOf(constants: Record<string, NetworkConstant>, storage: CodebookStorage): number {
  const filters = Object.entries(constants).map(
    ([name, { data }]) => storage.filters.get(name)?.data.length ?? packedBytes(data.length, 1),
  );
  const codebooks = storage.codebooks.map(({ length }) => bytesOfCodebook(length));
  return [...filters, ...codebooks].reduce((sum, bytes) => sum + bytes);
}

describe('the binary convolutions of resnet18-cifar, next to plain bits', () => {
  const ratioOf = (constants: Record<string, NetworkConstant>, form: FilterForm): number =>
    bytesOf(constants, planCodebooks(constants, form)) / bytesOf(constants, planCodebooks(constants, 'plain'));

  test.each([
    [64, 0.668],
    [32, 0.557],
    [16, 0.446],
  ])('%i codewords: at most %d packed, a twentieth less coded where use falls with rank', (codewords, most) => {
    const alike = resnet18(codewords, 0);
    expect(ratioOf(alike, 'packed')).toBeLessThanOrEqual(most);
    expect(ratioOf(alike, 'smallest')).toBeLessThanOrEqual(ratioOf(alike, 'packed'));
    const falling = resnet18(codewords, 0.8);
    const [packed, coded] = [ratioOf(falling, 'packed'), ratioOf(falling, 'smallest')];
    console.error(`${codewords} codewords: ${packed.toFixed(4)} packed, ${coded.toFixed(4)} coded`);
    expect(coded).toBeLessThan(0.95 * packed);
  });
});

describe('a codebook', () => {
  /** A filter tensor that uses exactly these codewords. */
  const filterOf = (ids: readonly number[], filters = 2048): NetworkConstant => {
    const random = new Philox(7, 'filter');
    const data = new Uint8Array(codewordTaps * filters);
    for (let i = 0; i < filters; i++)
      writeCodeword(data, filters, i, ids[i < ids.length ? i : random.nextInt(ids.length)]!);
    return { type: quantized([3, 3, 1, filters], { kind: 'bipolar', max: 1, step: 1 }), data };
  };
  const firstIds = (count: number, first = 0): number[] => Array.from({ length: count }, (_, i) => first + i);

  test('serves filters with the same codewords, and with some of them where indices stay as long', () => {
    const constants = { a: filterOf(firstIds(60)), b: filterOf(firstIds(64)), c: filterOf(firstIds(16)) };
    const { codebooks, filters } = planCodebooks(constants);
    expect(codebooks).toEqual([firstIds(64), firstIds(16)]);
    expect(['a', 'b', 'c'].map((name) => filters.get(name)!.stored.codebook)).toEqual([0, 0, 1]);
  });

  test('is not there for filters that it would not make smaller', () => {
    const few = { a: filterOf(firstIds(8), 40), b: filterOf(firstIds(2)), c: filterOf([5], 100) };
    const { codebooks, filters } = planCodebooks(few);
    expect(codebooks).toEqual([[0, 1]]);
    expect([...filters.keys()]).toEqual(['b']);
    expect(planCodebooks({ all: filterOf(firstIds(numCodewords)) }).codebooks).toEqual([]);
  });

  test('of all codewords serves filters of more than half of them', () => {
    const skewed = (seed: number): NetworkConstant => {
      const { type, data } = filterOf(firstIds(300, 20 * seed), 4096);
      const draw = zipf(300, 1, new Philox(seed, 'skewed'));
      for (let i = 300; i < 4096; i++) writeCodeword(data, 4096, i, 20 * seed + draw());
      return { type, data };
    };
    const { codebooks, filters } = planCodebooks({ a: skewed(1), b: skewed(3) });
    expect(codebooks).toEqual([firstIds(numCodewords)]);
    for (const { data } of filters.values()) expect(data.length).toBeLessThan(0.95 * ((9 * 4096) / 8));
  });

  test('is only for binary 3x3 filters', () => {
    const { data } = filterOf(firstIds(4));
    const type = quantized([3, 3, 1, 2048], { kind: 'levels', max: 1, step: 1 });
    expect(planCodebooks({ levels: { type, data } }).codebooks).toEqual([]);
  });
});
