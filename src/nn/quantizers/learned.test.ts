/** PACT and LSQ: values and gradients as PyTorch's autograd has them (scripts/golden/make_learned.py), and how their scales begin. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Plan, Variables } from '../../backends/plan.js';
import { createReference } from '../../backends/reference.js';
import { real } from '../../core/tensor.js';
import { conv2d } from '../../ops/conv2d/conv2d.js';
import { reshape } from '../../ops/elementwise/elementwise.js';
import { realOf } from '../../ops/quantize/real.js';
import { differentiate } from '../../passes/differentiate.js';
import { Scope } from '../scope.js';
import { activationQuantizers, weightQuantizers } from './index.js';

interface GoldenCase {
  readonly kind: 'pact' | 'lsq';
  readonly role: 'weight' | 'activation';
  readonly bits: number;
  readonly parameter: number;
  readonly x: readonly number[];
  readonly dy: readonly number[];
  readonly y: readonly number[];
  readonly dx: readonly number[];
  readonly dParameter: number;
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../test/golden/learned-scales.json', import.meta.url), 'utf8'),
) as { cases: readonly GoldenCase[] };

/** A quantizer in a graph of its own, of two samples; the loss is the sum of what it gives times `dy`. */
function quantize(
  { kind, role, bits }: Pick<GoldenCase, 'kind' | 'role' | 'bits'>,
  x: readonly number[],
  dy: readonly number[] = x.map(() => 1),
) {
  const scope = new Scope({ training: true, seed: 1 });
  const { graph } = scope;
  const input = graph.variable('x', real([2, 1, 1, x.length / 2]), { role: 'parameter' });
  const quantizer = (role === 'weight' ? weightQuantizers : activationQuantizers)[kind]!;
  const y = realOf(graph, quantizer.quantize(scope, 'q', input, bits));
  const parameter = [...graph.variables.values()].map(({ value }) => value).find(({ name }) => name !== 'x')!;
  graph.output('y', y);
  const [row, column] = [
    [1, 1, 1, x.length],
    [1, 1, x.length, 1],
  ] as const;
  const weights = graph.constant('dy', real(column), Float32Array.from(dy));
  const attributes = { stride: 1, padTop: 0, padLeft: 0, outHeight: 1, outWidth: 1 };
  const loss = graph.apply(conv2d, 'loss', [graph.apply(reshape, 'row', [y], { shape: row }), weights], attributes);
  for (const [i, gradient] of differentiate(graph, loss, [input, parameter]).entries())
    graph.output(['dx', 'dParameter'][i]!, gradient);
  const variables = new Variables(createReference());
  const plan = new Plan(graph, variables);
  variables.get('x')!.set(x);
  return { plan, variables, parameter: variables.get(parameter.name)! };
}

describe('as PyTorch has it', () => {
  test.each(cases)('$kind of $role, $bits bits', (golden) => {
    const { plan, parameter } = quantize(golden, golden.x, golden.dy);
    parameter[0] = golden.parameter;
    plan.run();
    for (const [i, y] of plan.tensor('y').entries()) expect(Math.abs(y - golden.y[i]!)).toBeLessThan(1e-5);
    expect([...plan.tensor('dx')]).toEqual(golden.dx.map(Math.fround));
    const dParameter = plan.tensor('dParameter')[0]!;
    expect(Math.abs(dParameter - golden.dParameter)).toBeLessThan(1e-5 * Math.abs(golden.dParameter));
  });
});

describe('a step begins', () => {
  test('as 2 mean|x| / sqrt(high) of the first batch, and goes on from where it is', () => {
    const x = [0.5, -1, 2, -0.5, 0.25, -0.75];
    const mean = x.reduce((sum, each) => sum + Math.abs(each), 0) / x.length;
    for (const [role, high] of [
      ['weight', 1],
      ['activation', 3],
    ] as const) {
      const { plan, variables, parameter } = quantize({ kind: 'lsq', role, bits: 2 }, x);
      expect(parameter[0]).toBe(0);
      plan.run();
      const first = parameter[0]!;
      expect(first).toBeCloseTo((2 * mean) / Math.sqrt(high), 6);
      variables.get('x')!.fill(7);
      plan.run();
      expect(parameter[0]).toBe(first);
    }
  });

  test('also where all numbers are 0, and below 0 it counts as the least there is', () => {
    const { plan, parameter } = quantize({ kind: 'lsq', role: 'weight', bits: 2 }, [0, 0, 0, 0]);
    for (const step of [0, -5]) {
      parameter[0] = step;
      plan.run();
      expect([...plan.tensor('y')]).toEqual([0, 0, 0, 0]);
      expect(plan.tensor('dParameter')[0]).not.toBeNaN();
    }
  });
});
