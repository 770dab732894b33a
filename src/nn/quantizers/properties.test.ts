/**
 * What holds for every quantizer of weights and of activations in the lists, at every number of bits that it has: what their levels
 * are, in which order, and where gradients go. That each can be deployed: src/deploy/deploy.test.ts.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Plan, Variables } from '../../backends/plan.js';
import { createReference } from '../../backends/reference.js';
import { real } from '../../core/tensor.js';
import { activate } from '../../ops/activation/activation.js';
import { realOf } from '../../ops/quantize/real.js';
import { differentiate } from '../../passes/differentiate.js';
import { Scope } from '../scope.js';
import { completeSelection } from '../selection.js';
import { activationQuantizers, type Quantizer, type QuantizerRole, weightQuantizers } from './index.js';

interface Case {
  readonly role: QuantizerRole;
  readonly quantizer: Quantizer;
  readonly bits: number;
}

const cases = (
  [
    ['weight', weightQuantizers],
    ['activation', activationQuantizers],
  ] as const
).flatMap(([role, list]) =>
  Object.values(list).flatMap((quantizer) => {
    const [least, most] = quantizer.bits ?? [1, 8];
    return [1, 2, 3, 8]
      .filter((bits) => bits >= least && bits <= most)
      .map((bits): [string, Case] => [`${role}s, ${quantizer.name}, ${bits} bits`, { role, quantizer, bits }]);
  }),
);

const channels = 2;
/** Whole 3x3 filters of two output channels, so that codebooks take them. */
const shape = [3, 3, 1, channels];
const count = 9 * channels;

interface Result {
  /** Stored, and the real numbers that they stand for. */
  readonly levels: readonly number[];
  readonly reals: readonly number[];
  /** Of the sum of the real numbers. */
  readonly dx: readonly number[];
  readonly max: number;
  /** What the integers of the levels are, in the order of the levels. */
  readonly integers: readonly number[];
}

/** A quantizer in a graph of its own, with the clip that an activation layer puts in front. Runs it on x, and on what it gave. */
function runnerOf({ role, quantizer, bits }: Case): (x: readonly number[]) => Result {
  const selection = completeSelection(8, { method: 'fixed' }, { gradientBits: 32 });
  const scope = new Scope({ training: true, seed: 1, ...(quantizer.name === 'codebook' ? { selection } : {}) });
  const { graph } = scope;
  const x = graph.variable('x', real(role === 'weight' ? shape : [9, 1, 1, channels]), { role: 'parameter' });
  const needsClip = role === 'activation' && !quantizer.isBounding;
  const input = needsClip ? graph.apply(activate, 'h', [x], { kind: 'clip' }) : x;
  const levels = quantizer.quantize(scope, 'layer/q', input, bits);
  const reals = realOf(graph, levels);
  graph.output('levels', levels);
  graph.output('reals', reals);
  graph.output('dx', differentiate(graph, reals, [x])[0]!);
  const variables = new Variables(createReference());
  const plan = new Plan(graph, variables);
  const { max, kind, zeroPoints = [0] } = levels.type.encoding!;
  const all = Array.from({ length: max + 1 }, (_, q) => (kind === 'bipolar' ? 2 * q - max : q - zeroPoints[0]!));
  return (values) => {
    variables.get('x')!.set(values);
    plan.run();
    const [stored, numbers, dx] = ['levels', 'reals', 'dx'].map((name) => [...plan.tensor(name)]);
    return { levels: stored!, reals: numbers!, dx: dx!.map((each) => each * count), max, integers: all };
  };
}

/** Numbers of a usual size, none of them too small to be told from 0. */
const numbers = fc.array(
  fc.float({ min: -4, max: 4, noNaN: true }).map((x) => (Math.abs(x) < 2 ** -20 ? 0.5 : x)),
  { minLength: count, maxLength: count },
);
const runs = { numRuns: 40 };

describe.each(cases)('%s', (_, testCase) => {
  const { role, quantizer, bits } = testCase;

  test('levels in their range, the same every time, of the integers that the encoding says', () => {
    const run = runnerOf(testCase);
    fc.assert(
      fc.property(numbers, (x) => {
        const { levels, max, reals, integers } = run(x);
        expect(max).toBe(2 ** bits - 1);
        expect(levels.every((q) => Number.isInteger(q) && q >= 0 && q <= max)).toBe(true);
        expect(run(x).levels).toEqual(levels);
        // One scale, which is not negative, for the layer or for an output channel.
        for (let i = channels; i < count; i++) {
          const [own, first] = [i, i % channels].map((at) => integers[levels[at]!]!);
          expect(reals[i]! * first!).toBeCloseTo(reals[i % channels]! * own!, 3);
          expect(reals[i]! * own!).toBeGreaterThanOrEqual(0);
        }
      }),
      runs,
    );
  });

  test('in the order of the numbers', () => {
    // A codebook keeps the signs of a filter as a whole.
    if (quantizer.name === 'codebook' && bits === 1) return;
    const run = runnerOf(testCase);
    fc.assert(
      fc.property(numbers, (x) => {
        const { levels } = run(x);
        const order = x.map((_, i) => i).sort((a, b) => x[a]! - x[b]!);
        for (const [i, at] of order.slice(1).entries()) expect(levels[at]!).toBeGreaterThanOrEqual(levels[order[i]!]!);
      }),
      runs,
    );
  });

  test('what it gives stays what it is', () => {
    // The tanh map spreads whatever it is given.
    const isSpread = role === 'weight' && (quantizer.name === 'dorefa' || quantizer.name === 'codebook') && bits > 1;
    if (isSpread) return;
    const run = runnerOf(testCase);
    fc.assert(
      fc.property(numbers, (x) => {
        const { levels, reals } = run(x);
        expect(run(reals).levels).toEqual(levels);
      }),
      runs,
    );
  });

  test('gradients are numbers, and those of activations end where the function in their place is flat', () => {
    const run = runnerOf(testCase);
    fc.assert(
      fc.property(numbers, (x) => {
        const { dx } = run(x);
        expect(dx.every(Number.isFinite)).toBe(true);
        if (role === 'weight') return;
        // PACT's clip begins at 3; the SwishSign's slope is never quite 0.
        const isFlat = {
          dorefa: (each: number) => each <= 0 || each >= 1,
          pact: (each: number) => each < 0 || each >= 3,
          lsq: (each: number) => each <= 0,
          'clip-sign': (each: number) => Math.abs(each) > 1,
          'approx-sign': (each: number) => Math.abs(each) >= 1,
          rsign: (each: number) => Math.abs(each) >= 1,
          'swish-sign': () => false,
        }[quantizer.name]!;
        expect(dx.map((each) => each === 0).filter((_, i) => isFlat(x[i]!))).not.toContain(false);
        const steep = quantizer.name === 'lsq' ? [] : dx.filter((_, i) => !isFlat(x[i]!));
        expect(steep).not.toContain(0);
      }),
      runs,
    );
  });
});
