import { describe, expect, test } from 'vitest';
import { Plan, Variables } from '../backends/plan.js';
import { createReference } from '../backends/reference.js';
import { Graph } from '../core/graph.js';
import { real } from '../core/tensor.js';
import { addOptimizer, type OptimizerOptions } from './optimizers.js';

/** Trains one parameter that begins at 1 with given gradients at rate 0.1; returns its value after each step. */
function trace(options: OptimizerOptions, gradients: readonly number[], decay = 0): number[] {
  const graph = new Graph();
  graph.variable('w', real([1]), { role: 'parameter', initialize: (data) => data.fill(1) });
  const gradient = graph.input('gradient', real([1]));
  const learningRate = graph.input('rate', real([1]));
  const step = graph.input('step', { dtype: 'i32', shape: [1] });
  addOptimizer(graph, options, [graph.variables.get('w')!], [gradient], { learningRate, step, decayOf: () => decay });
  const variables = new Variables(createReference());
  const plan = new Plan(graph, variables);
  return gradients.map((each, i) => {
    plan.tensor('gradient')[0] = each;
    plan.tensor('rate')[0] = 0.1;
    plan.tensor('step')[0] = i;
    plan.run();
    return variables.get('w')![0]!;
  });
}

function expectTrace(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, each] of expected.entries()) expect(actual[i]).toBeCloseTo(each, 6);
}

describe('sgd', () => {
  test('without momentum: w -= 0.1 g', () => {
    expectTrace(trace({ name: 'sgd', momentum: 0, nesterov: false }, [0.5, 0.5, -1]), [0.95, 0.9, 1]);
  });

  test('with momentum: v = 0.9 v + g, w -= 0.1 v', () => {
    // v = 0.5, 0.95, -0.145
    expectTrace(trace({ name: 'sgd', nesterov: false }, [0.5, 0.5, -1]), [0.95, 0.855, 0.8695]);
  });

  test("Nesterov's, the default: w -= 0.1 (g + 0.9 v)", () => {
    // v = 0.5, 0.95, -0.145; directions 0.95, 1.355, -1.1305
    expectTrace(trace({ name: 'sgd' }, [0.5, 0.5, -1]), [0.905, 0.7695, 0.88255]);
  });

  test('decay adds to the gradient', () => {
    // g + 0.2 w = 0.7, then 0.5 + 0.2 * 0.93 = 0.686
    expectTrace(trace({ name: 'sgd', momentum: 0, nesterov: false }, [0.5, 0.5], 0.2), [0.93, 0.8614]);
  });
});

describe('adam', () => {
  test('the first step is the rate, whatever the gradient', () => {
    for (const gradient of [0.01, 0.5, 300]) expectTrace(trace({ name: 'adam' }, [gradient]), [0.9]);
  });

  test('later steps by corrected moments', () => {
    // Step 2: m = 0.9 * 0.05 - 0.1 * 0.25 = 0.02, m / (1 - 0.9^2) = 0.1052632;
    //         v = 0.999 * 0.00025 + 0.001 * 0.0625 = 0.00031225, v / (1 - 0.999^2) = 0.1562031, its root 0.3952254.
    // Step 3: m = 0.9 * 0.02 + 0.1 = 0.118, m / (1 - 0.9^3) = 0.4354244;
    //         v = 0.999 * 0.00031225 + 0.001 = 0.00131193775, v / (1 - 0.999^3) = 0.4377496, its root 0.6616265.
    const second = 0.9 - (0.1 * 0.1052632) / 0.3952254;
    expectTrace(trace({ name: 'adam' }, [0.5, -0.25, 1]), [0.9, second, second - (0.1 * 0.4354244) / 0.6616265]);
  });

  test('epsilon damps small gradients', () => {
    expectTrace(trace({ name: 'adam', epsilon: 1 }, [1]), [0.95]);
  });

  test('decay adds to the gradient', () => {
    // A gradient of zero becomes 0.5 * w > 0: one step of the rate.
    expectTrace(trace({ name: 'adam' }, [0], 0.5), [0.9]);
    expectTrace(trace({ name: 'adam' }, [0], 0), [1]);
  });
});

describe('adamw', () => {
  test('equals PyTorch: AdamW, rate 0.1, weight_decay 0.5', () => {
    expectTrace(trace({ name: 'adamw' }, [0.5, -0.25, 1], 0.5), [0.85, 0.7808663, 0.6760119]);
  });

  test('without decay is adam', () => {
    const gradients = [0.5, -0.25, 1];
    expect(trace({ name: 'adamw' }, gradients)).toEqual(trace({ name: 'adam' }, gradients));
  });

  test('decay shrinks the parameter and stays out of the moments', () => {
    expectTrace(trace({ name: 'adamw' }, [0, 0], 0.5), [0.95, 0.9025]);
  });
});

test('the state is named after the parameter, has its shape and is no parameter', () => {
  const states = (name: OptimizerOptions['name']): string[] => {
    const graph = new Graph();
    graph.variable('conv1/filter', real([3, 3, 2, 4]), { role: 'parameter' });
    const gradient = graph.input('gradient', real([3, 3, 2, 4]));
    const learningRate = graph.input('rate', real([1]));
    const step = graph.input('step', { dtype: 'i32', shape: [1] });
    addOptimizer(graph, { name }, [graph.variables.get('conv1/filter')!], [gradient], {
      learningRate,
      step,
      decayOf: () => 0,
    });
    const added = [...graph.variables.values()].slice(1);
    for (const { value, role } of added) {
      expect(role).toBe('state');
      expect(value.type).toEqual(real([3, 3, 2, 4]));
    }
    return added.map(({ value }) => value.name);
  };
  expect(states('sgd')).toEqual(['conv1/filter/velocity']);
  for (const name of ['adam', 'adamw'] as const)
    expect(states(name)).toEqual(['conv1/filter/first', 'conv1/filter/second']);
});
