/** What is exported to ONNX and imported again computes the same: in both dialects, and as a deployed network. */
import { describe, expect, test } from 'vitest';
import { Plan, Variables } from '../backends/plan.js';
import { createReference } from '../backends/reference.js';
import type { Graph } from '../core/graph.js';
import type { TypedArray } from '../core/tensor.js';
import { deployGraph } from '../deploy/index.js';
import { decodeOnnx } from '../formats/onnx-reader.js';
import { encodeOnnx } from '../formats/onnx-writer.js';
import { checked, encodeSubbit } from '../formats/subbit.js';
import { parseBits } from '../nn/bits.js';
import {
  activation,
  averagePool,
  batchNorm,
  concat,
  conv,
  dense,
  flatten,
  globalAverage,
  maxPool,
  residual,
  rprelu,
  sequential,
  stridedShortcut,
} from '../nn/layers/index.js';
import { buildGraph, type NetworkDefinition } from '../nn/network.js';
import { activationQuantizers } from '../nn/quantizers/index.js';
import type { Layer, ScopeOptions } from '../nn/scope.js';
import { DeployedModel } from '../runtime/model.js';
import { Philox } from '../util/philox.js';
import { exportOnnx, onnxDialects } from './export/export.js';
import { importOnnx } from './import/index.js';

const layers = (): Layer =>
  sequential(
    conv('stem', { channels: 8, padding: 1, bias: true }),
    batchNorm('bn0'),
    averagePool('means', { size: 2, stride: 1, padding: 'valid' }),
    maxPool('pool', { size: 2, stride: 2, padding: 'same' }),
    activation('conv1'),
    conv('conv1', { channels: 8, size: 3, padding: 1, groups: 2 }),
    residual('block', {
      body: sequential(
        batchNorm('bn1'),
        activation('conv2'),
        conv('conv2', { channels: 12, stride: 2, padding: 1 }),
        batchNorm('bn2'),
      ),
      shortcut: stridedShortcut('shortcut', { stride: 2, channels: 12 }),
    }),
    rprelu('bend'),
    batchNorm('bn3'),
    activation('conv3'),
    concat('joined', [
      conv('conv3', { channels: 6, size: 2, padding: 'valid' }),
      conv('conv4', { channels: 3, size: 2, padding: 'valid' }),
    ]),
    batchNorm('bn4'),
    activation('hidden'),
    flatten(),
    dense('hidden', { outputs: 16 }),
    batchNorm('bn5'),
    activation('fc', { bounded: false }),
    globalAverage('average'),
    dense('fc', { outputs: 5 }),
  );

type Options = Partial<Omit<ScopeOptions, 'bits'>> & { readonly bits: string };

function network(options: Options): NetworkDefinition {
  const { bits, ...others } = options;
  return {
    layers: layers(),
    input: { height: 11, width: 10, channels: 3 },
    zeroPoints: [120, 110, 100],
    step: 1 / 64,
    options: { bits: parseBits(bits), floatLayers: ['stem', 'fc'], ...others },
  };
}

/** Weights as after some training: everything random, statistics plausible. */
function contentsOf(graph: Graph): Map<string, TypedArray> {
  const contents = new Map<string, TypedArray>();
  for (const { value } of graph.variables.values()) {
    const random = new Philox(3, value.name);
    const isPositive = /variance|gamma|clip|step/.test(value.name);
    const data = Float32Array.from({ length: value.type.shape.reduce((a, b) => a * b, 1) }, () =>
      isPositive ? 0.5 + random.next() : 0.5 * random.nextNormal(),
    );
    contents.set(value.name, data);
  }
  return contents;
}

const images = (input: NetworkDefinition['input'], seed: number): Uint8Array => {
  const random = new Philox(seed, 'images');
  return Uint8Array.from({ length: input.height * input.width * input.channels }, () => random.nextInt(256));
};

function logitsOf(graph: Graph, contents: ReadonlyMap<string, TypedArray>, bytes: Uint8Array): number[] {
  const variables = new Variables(createReference());
  const plan = new Plan(graph, variables);
  for (const [name, data] of contents) variables.get(name)?.set(data);
  plan.tensor('images').set(bytes);
  plan.run();
  return [...plan.tensor('logits')];
}

const cases: readonly Options[] = [
  { bits: '1-1-32' },
  { bits: '1-2-4' },
  { bits: '1-2-32', boundedActivation: 'cabs' },
  { bits: '2-2-32' },
  { bits: '3-4-32' },
  { bits: '8-8-32' },
  { bits: '32-32-32' },
  { bits: '1-1-32', activationQuantizer: activationQuantizers['approx-sign']! },
  { bits: '1-2-32', floatLayers: [] },
];

describe.each(Object.keys(onnxDialects) as (keyof typeof onnxDialects)[])('%s', (dialect) => {
  test.each(cases.map((options, i) => [`${options.bits}, case ${i + 1}`, options] as const))('%s', (_, options) => {
    const definition = network(options);
    const { graph } = buildGraph(definition, { batch: 1, training: false, seed: 1 });
    const contents = contentsOf(graph);
    const classes = ['a', 'b', 'c', 'd', 'e'];
    const metadata = { classes: JSON.stringify(classes) };
    const file = encodeOnnx(exportOnnx(graph, contents, { dialect, name: 'test', metadata }));
    const imported = importOnnx(decodeOnnx(file, { name: 'test.onnx' }));
    expect(imported.classes).toEqual(classes);
    for (const seed of [1, 2]) {
      const bytes = images(definition.input, seed);
      const expected = logitsOf(graph, contents, bytes);
      const found = logitsOf(imported.graph, new Map(), bytes);
      for (const [k, each] of found.entries()) expect(each).toBeCloseTo(expected[k]!, 4);
    }
  });
});

test.each([
  'qonnx',
  'onnx',
] as const)('a network that came back from %s is deployed to the same integers', (dialect) => {
  const definition = network({ bits: '1-2-4' });
  const { graph } = buildGraph(definition, { batch: 1, training: false, seed: 1 });
  const contents = contentsOf(graph);
  const file = encodeOnnx(exportOnnx(graph, contents, { dialect, name: 'test' }));
  const imported = importOnnx(decodeOnnx(file, { name: 'test.onnx' }));
  const about = { classes: ['a', 'b', 'c', 'd', 'e'], origin: {} };
  const networks = [deployGraph(graph, contents, about), deployGraph(imported.graph, new Map(), about)].map(
    ({ network }) => network,
  );
  // Not only the same numbers: in as few bits, though a QDQ file has them as uint8.
  const [bytesThere, bytesBack] = networks.map((network) => encodeSubbit(network).length);
  expect(bytesBack! / bytesThere!).toBeLessThan(1.2);
  const [there, back] = networks.map((network) => new DeployedModel(createReference(), checked(network)));
  for (const seed of [1, 2, 3]) {
    const bytes = images(definition.input, seed);
    const [again, before] = [back!.run(bytes), there!.run(bytes)];
    expect(again).toEqual(before);
  }
});
