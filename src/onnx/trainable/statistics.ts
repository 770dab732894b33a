/**
 * Statistics of batch norms that an imported network did not have (norm.ts), from images, before the first step: with mean m and
 * variance v of what goes in, gamma sqrt(v + epsilon) and beta + gamma m in place of gamma and beta are the same function, and stay
 * it when a batch's own statistics take the place of m and v.
 */
import { Plan, Variables } from '../../backends/plan.js';
import type { Backend } from '../../core/backend.js';
import { buildGraph, type NetworkDefinition } from '../../nn/network.js';
import { batchStatistics } from '../../ops/batch-norm/batch-norm.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import { fillVariables } from '../../train/fill-variables.js';

/** Images at a time, and how many batches there are at the most: 1024 images tell a mean to a thirtieth of a deviation. */
const batch = 64;
const maxBatches = 16;

interface Statistics {
  readonly mean: Float64Array;
  readonly squares: Float64Array;
}

/**
 * The tensors with what was measured for the batch norms `names`. `network` computes in floats; `images` are bytes [count, H, W, C] of its
 * input size, at least one.
 */
export async function withStatistics(
  backend: Backend,
  network: NetworkDefinition,
  {
    tensors,
    names,
    images,
  }: { readonly tensors: Checkpoint['tensors']; readonly names: readonly string[]; readonly images: Uint8Array },
): Promise<Checkpoint['tensors']> {
  const { height, width, channels } = network.input;
  const size = height * width * channels;
  const count = Math.min(batch, images.length / size);
  const numBatches = Math.min(maxBatches, Math.floor(images.length / size / count));
  const { graph } = buildGraph(network, { batch: count, training: false, seed: 0 });
  const norms = graph.nodes.filter(({ name }) => names.includes(name));
  for (const { name, inputs } of norms) {
    const [mean, variance] = graph.add(batchStatistics, `${name}/measured`, [inputs[0]], {});
    graph.output(`${name}/mean`, mean!);
    graph.output(`${name}/variance`, variance!);
  }
  const variables = new Variables(backend);
  const plan = new Plan(graph, variables);
  try {
    fillVariables(variables, tensors);
    const sums = new Map<string, Statistics>();
    plan.tensor('labels').fill(-1);
    for (let i = 0; i < numBatches; i++) {
      plan.tensor('images').set(images.subarray(i * count * size, (i + 1) * count * size));
      plan.run();
      await plan.read();
      for (const { name } of norms) {
        const [mean, variance] = [plan.tensor(`${name}/mean`), plan.tensor(`${name}/variance`)];
        const sum = sums.get(name) ?? { mean: new Float64Array(mean.length), squares: new Float64Array(mean.length) };
        sums.set(name, sum);
        for (const [c, each] of mean.entries()) {
          sum.mean[c]! += each / numBatches;
          sum.squares[c]! += (variance[c]! + each * each) / numBatches;
        }
      }
    }
    const measured = norms.flatMap(({ name, attributes }) =>
      Object.entries(restated(name, tensors, sums.get(name)!, attributes.epsilon as number)),
    );
    return { ...tensors, ...Object.fromEntries(measured) };
  } finally {
    plan.dispose();
    variables.dispose();
  }
}

/** The same function of what goes in, with these statistics. */
function restated(
  name: string,
  tensors: Checkpoint['tensors'],
  { mean, squares }: Statistics,
  epsilon: number,
): Checkpoint['tensors'] {
  const [gamma, beta] = ['gamma', 'beta'].map((part) => tensors[`${name}/${part}`]!.data) as [
    Float32Array,
    Float32Array,
  ];
  const variance = squares.map((each, c) => Math.max(0, each - mean[c]! ** 2));
  const parts = {
    mean,
    variance,
    gamma: gamma.map((each, c) => each * Math.sqrt(variance[c]! + epsilon)),
    beta: beta.map((each, c) => each + gamma[c]! * mean[c]!),
  };
  return Object.fromEntries(
    Object.entries(parts).map(([part, data]) => [
      `${name}/${part}`,
      { shape: [data.length], data: Float32Array.from(data) },
    ]),
  );
}
