/** Binary activations and weights against the closed forms of papers 3.1, 3.2 and 3.4 and of BNN+. */
import { expect, test } from 'vitest';
import { Plan, Variables } from '../../backends/plan.js';
import { createReference } from '../../backends/reference.js';
import { real } from '../../core/tensor.js';
import { realOf } from '../../ops/quantize/real.js';
import { differentiate } from '../../passes/differentiate.js';
import { Scope } from '../scope.js';
import { weightQuantizers } from './index.js';
import { approxSign, clipSign, rsign, swishSign } from './sign-activations.js';

const near = 2 ** -24;
/** Two channels, both sides of every kink of both thresholds. */
const x = [-2, -1, -0.75, -0.5, -near, -0, 0, 2 ** -149, near, 0.25, 0.25 + near, 0.5, 0.75, 1, 1.25, 3];
const alpha = [0.25, -0.5];

/** b (2 - b a tanh(b a / 2)) / (1 + cosh(b a)), as BNN+ prints it, with b = 5. */
const swishSlope = (a: number): number => (5 * (2 - 5 * a * Math.tanh(2.5 * a))) / (1 + Math.cosh(5 * a));
const clipSlope = (a: number): number => (Math.abs(a) <= 1 ? 1 : 0);
/** F' of papers 3.2. */
const approxSlope = (a: number): number => (a >= -1 && a < 0 ? 2 + 2 * a : a >= 0 && a < 1 ? 2 - 2 * a : 0);
const slopes = { 'clip-sign': clipSlope, 'approx-sign': approxSlope, rsign: approxSlope, 'swish-sign': swishSlope };

test.each([
  clipSign,
  approxSign,
  swishSign,
  rsign,
])('$name: levels, and gradients that are half of the papers', (quantizer) => {
  const scope = new Scope({ training: true, seed: 1 });
  const { graph } = scope;
  const input = graph.variable('x', real([x.length / 2, 1, 1, 2]), { role: 'parameter' });
  const levels = quantizer.quantize(scope, 'q', input, 1);
  expect(levels.type.encoding).toEqual({ kind: 'levels', max: 1, step: 1 });
  graph.output('levels', levels);
  const parameters = [...graph.variables.values()].map(({ value }) => value);
  const found = differentiate(graph, realOf(graph, levels), parameters);
  for (const [i, gradient] of found.entries()) graph.output(`d/${parameters[i]!.name}`, gradient);

  const variables = new Variables(createReference());
  const plan = new Plan(graph, variables);
  const isShifted = quantizer === rsign;
  variables.get('x')!.set(x);
  if (isShifted) variables.get('q/shift')!.set(alpha.map((each) => -each));
  plan.run();
  const distances = x.map((each, i) => each - (isShifted ? alpha[i % 2]! : 0));
  expect([...plan.tensor('levels')]).toEqual(distances.map((each) => (each > 0 ? 1 : 0)));
  // The loss is the mean, so each level's gradient is 1 / count; levels 0 and 1 are half as far apart as -1 and 1.
  const slope = slopes[quantizer.name as keyof typeof slopes];
  const expected = distances.map((each) => slope(each) / 2 / x.length);
  for (const [i, each] of plan.tensor('d/x').entries()) expect(each).toBeCloseTo(expected[i]!, 8);
  if (!isShifted) return;
  for (const [c, each] of plan.tensor('d/q/shift').entries()) {
    const dAlpha = -expected.filter((_, i) => i % 2 === c).reduce((sum, term) => sum + term, 0);
    expect(each).toBeCloseTo(-dAlpha, 8);
  }
});

test.each(['clip-sign', 'approx-sign', 'swish-sign', 'xnor'] as const)('weights, %s: gradients of the sign', (name) => {
  const scope = new Scope({ training: true, seed: 1 });
  const { graph } = scope;
  const filter = graph.variable('w', real([x.length / 2, 1, 1, 2]), { role: 'parameter' });
  const signs = weightQuantizers[name]!.quantize(scope, 'q', filter, 1);
  const reals = realOf(graph, signs);
  graph.output('reals', reals);
  graph.output('dw', differentiate(graph, reals, [filter])[0]!);
  const variables = new Variables(createReference());
  const plan = new Plan(graph, variables);
  variables.get('w')!.set(x);
  plan.run();
  const n = x.length / 2;
  const sizes = [0, 1].map((k) => x.reduce((sum, each, i) => sum + (i % 2 === k ? Math.abs(each) : 0), 0) / n);
  const layer = (sizes[0]! + sizes[1]!) / 2;
  const scaleAt = (i: number): number => (name === 'xnor' ? sizes[i % 2]! : layer);
  for (const [i, each] of x.entries()) {
    expect(plan.tensor('reals')[i]).toBeCloseTo(each >= 0 ? scaleAt(i) : -scaleAt(i), 5);
    const factor = name === 'xnor' ? 1 / n + scaleAt(i) * clipSlope(each) : slopes[name](each);
    expect(plan.tensor('dw')[i]! * x.length).toBeCloseTo(factor, 5);
  }
});
