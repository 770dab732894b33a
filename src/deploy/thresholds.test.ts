/** Thresholds against the chains that they replace. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Graph, type Node, type Value } from '../core/graph.js';
import { integer, real, type TypedArray } from '../core/tensor.js';
import { activate } from '../ops/activation/activation.js';
import { batchNormalize } from '../ops/batch-norm/batch-norm.js';
import { addBias } from '../ops/elementwise/elementwise.js';
import { levelOf } from '../ops/integer/threshold.js';
import { dequantize, quantizeUnit } from '../ops/quantize/activations.js';
import { ChannelFunction, risingChannels, staircaseOf } from './thresholds.js';

/** A chain over `gammas.length` channels: dequantize, bias, batch norm, activation, quantize. */
function chainOf(options: {
  readonly bound: number;
  readonly scale: number;
  readonly gammas: readonly number[];
  readonly betas: readonly number[];
  readonly kind: 'clip' | 'cabs' | 'approx-sign';
  readonly bits: number;
}): { f: ChannelFunction; before: ChannelFunction } {
  const { bound, scale, gammas, betas, kind, bits } = options;
  const graph = new Graph();
  const channels = gammas.length;
  const contents = new Map<Value, TypedArray>();
  const constant = (name: string, values: readonly number[]): Value => {
    const value = graph.constant(name, real([values.length]), Float32Array.from(values));
    contents.set(value, graph.constants.get(value)!);
    return value;
  };
  const source = graph.input('x', integer([1, 1, 1, channels], bound));
  let value = graph.apply(dequantize, 'real', [source, constant('scale', [scale])], {});
  value = graph.apply(
    addBias,
    'bias',
    [
      value,
      constant(
        'offsets',
        betas.map((beta) => beta / 3),
      ),
    ],
    {},
  );
  const statistics = [betas.map((beta) => 1 - beta), betas.map((beta) => 0.5 + beta * beta), gammas, betas];
  value = graph.apply(batchNormalize, 'norm', [value, ...statistics.map((each, i) => constant(`s${i}`, each))], {
    epsilon: 1e-5,
  });
  value = graph.apply(activate, 'h', [value], { kind });
  graph.apply(quantizeUnit, 'levels', [value], { bits });
  const nodes: readonly Node[] = graph.nodes;
  const f = new ChannelFunction(nodes, source.type, (each) => ({ type: each.type, data: contents.get(each)! }));
  return { f, before: f.upTo(3) };
}

describe('staircaseOf', () => {
  const real3 = fc.array(fc.float({ min: -3, max: 3, noNaN: true }), { minLength: 3, maxLength: 3 });

  test('gives the levels of the chain, at and beside every threshold', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.float({ min: Math.fround(1e-5), max: 1, noNaN: true }),
        real3.map((gammas) => [...gammas, 0]),
        real3.map((betas) => [...betas, 0.3]),
        fc.constantFrom('clip' as const, 'cabs' as const, 'approx-sign' as const),
        fc.integer({ min: 1, max: 5 }),
        (bound, scale, gammas, betas, kind, anyBits) => {
          const bits = kind === 'approx-sign' ? 1 : anyBits;
          const { f, before } = chainOf({ bound, scale, gammas, betas, kind, bits });
          const isAbsolute = kind === 'cabs';
          const rising = risingChannels(isAbsolute ? before : f, bound);
          const levels = 2 ** bits - 1;
          const { up, down } = staircaseOf(f, levels, bound, rising, isAbsolute ? before : undefined);
          const near = [...up, ...(down ?? [])].flatMap((step) => [step - 1, step, step + 1]);
          const places = [...near, -bound, bound, 0, 1, -1].filter((x) => Math.abs(x) <= bound);
          const integers = Int32Array.from(places.flatMap((x) => gammas.map(() => x)));
          const expected = f.evaluate(integers);
          const actual = Array.from(integers, (x, i) => levelOf(x, up, down, i % 4, 4, levels));
          expect(actual).toEqual(Array.from(expected));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('needs no thresholds downwards where every channel rises', () => {
    const { f } = chainOf({ bound: 500, scale: 0.01, gammas: [1, 2], betas: [0, 0.5], kind: 'clip', bits: 2 });
    expect(staircaseOf(f, 3, 500, risingChannels(f, 500)).down).toBeUndefined();
  });
});
