/** An imported network as layers that train: in floats it is the same function, and low-bit quantizers go where presets have them. */
import { describe, expect, test } from 'vitest';
import { Plan, Variables } from '../../backends/plan.js';
import { createReference } from '../../backends/reference.js';
import type { Graph } from '../../core/graph.js';
import { sizeOf, type TypedArray } from '../../core/tensor.js';
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor } from '../../formats/onnx-model.js';
import { decodeOnnx } from '../../formats/onnx-reader.js';
import { encodeOnnx } from '../../formats/onnx-writer.js';
import { presets } from '../../nn/models/index.js';
import { buildGraph, defineNetwork, type NetworkDescription } from '../../nn/network.js';
import { fillVariables } from '../../train/fill-variables.js';
import { Philox } from '../../util/philox.js';
import { exportOnnx } from '../export/export.js';
import { importOnnx } from '../import/index.js';
import { type TrainableNetwork, trainableOnnx, withStatistics } from './index.js';
import type { JsonLayer } from './layers.js';

/** `count` random images. */
function imagesFor({ preset }: Pick<TrainableNetwork, 'preset'>, count: number): Uint8Array {
  const random = new Philox(5, 'images');
  const { height, width, channels } = preset.input;
  return Uint8Array.from({ length: count * height * width * channels }, () => random.nextInt(256));
}

function randomNumbers(name: string, length: number): Float32Array {
  const random = new Philox(3, name);
  const isPositive = /variance|gamma/.test(name);
  return Float32Array.from({ length }, () => (isPositive ? 0.5 + random.next() : 0.4 * random.nextNormal()));
}

function describeNetwork(network: TrainableNetwork, bits = '32-32-32'): NetworkDescription {
  const { json, zeroPoints, step, classes } = network;
  return {
    ...{ preset: 'imported', model: { json }, bits, zeroPoints, step },
    classes: Array.from({ length: classes }, (_, i) => String(i)),
  };
}

/** Of the layers with these parameters. */
function logitsOf(network: TrainableNetwork, images: Uint8Array, tensors = network.tensors): number[] {
  const definition = defineNetwork(describeNetwork(network));
  const { height, width, channels } = definition.input;
  const batch = images.length / (height * width * channels);
  const variables = new Variables(createReference());
  const plan = new Plan(buildGraph(definition, { batch, training: false, seed: 1 }).graph, variables);
  fillVariables(variables, tensors);
  plan.tensor('images').set(images);
  plan.run();
  return [...plan.tensor('logits')];
}

/** Of a graph that takes one image. */
function graphLogitsOf(
  graph: Graph,
  images: Uint8Array,
  contents: ReadonlyMap<string, TypedArray> = new Map(),
): number[] {
  const variables = new Variables(createReference());
  const plan = new Plan(graph, variables);
  for (const [name, data] of contents) variables.get(name)?.set(data);
  const size = sizeOf(graph.inputs.get('images')!.type.shape);
  return Array.from({ length: images.length / size }, (_, i) => {
    plan.tensor('images').set(images.subarray(i * size, (i + 1) * size));
    plan.run();
    return [...plan.tensor('logits')];
  }).flat();
}

function expectClose(found: readonly number[], expected: readonly number[]): void {
  const size = Math.max(...expected.map(Math.abs));
  expect(found).toHaveLength(expected.length);
  for (const [i, each] of found.entries()) expect(Math.abs(each - expected[i]!)).toBeLessThan(2e-5 * size);
}

/** Every layer, in order, those inside of others too. */
function flat(layers: readonly JsonLayer[]): JsonLayer[] {
  return layers.flatMap((each) => [
    each,
    ...[each.body, each.shortcut, ...(each.branches ?? [])].flatMap((inner) => flat(inner ?? [])),
  ]);
}

const layersOf = ({ json }: TrainableNetwork): readonly JsonLayer[] => (json as { layers: JsonLayer[] }).layers;

describe('presets, exported in floats', () => {
  test.each(['digits', 'resnet20', 'lenet'])('%s', (preset) => {
    const description = {
      ...{ preset, bits: '32-32-32', zeroPoints: [100], step: 1 / 64 },
      classes: Array.from({ length: 10 }, (_, i) => String(i)),
    };
    const { channels } = presets[preset]!.input;
    const zeroPoints = new Array<number>(channels).fill(100);
    const { graph } = buildGraph(defineNetwork({ ...description, zeroPoints }), { batch: 1, training: false, seed: 1 });
    const contents = new Map(
      [...graph.variables.values()].map(({ value: { name, type }, initialize }) => {
        const data = randomNumbers(name, sizeOf(type.shape));
        if (name.endsWith('/filter')) initialize(data);
        return [name, data];
      }),
    );
    const file = encodeOnnx(exportOnnx(graph, contents, { dialect: 'onnx', name: preset }));
    const network = trainableOnnx(preset, decodeOnnx(file, { name: preset }));
    expect(network).toMatchObject({ step: Math.fround(1 / 64), zeroPoints, classes: 10, unbounded: [] });
    const images = imagesFor(network, 1);
    expectClose(logitsOf(network, images), graphLogitsOf(graph, images, contents));
    // Where quantizers go is as in the preset.
    const own = buildGraph(defineNetwork({ ...description, bits: '1-2-32', zeroPoints }), {
      batch: 1,
      training: false,
      seed: 1,
    });
    const again = buildGraph(defineNetwork(describeNetwork(network, '1-2-32')), { batch: 1, training: false, seed: 1 });
    const quantized = ({ graph: { nodes } }: typeof own): string[] =>
      nodes.filter(({ op }) => op.name.startsWith('quantize')).map(({ name }) => name);
    expect(quantized(again).sort()).toEqual(quantized(own).sort());
  });
});

type Nodes = readonly (readonly [
  op: string,
  inputs: string,
  output: string,
  attributes?: Record<string, OnnxAttribute>,
])[];

/** As PyTorch exports it: nodes by their inputs, separated by blanks, weights by name and shape. */
function modelOf(nodes: Nodes, weights: Readonly<Record<string, readonly number[]>>, side = 8): OnnxModel {
  const initializers = Object.fromEntries(
    Object.entries(weights).map(([name, shape]): [string, OnnxTensor] => [
      name,
      { shape, data: randomNumbers(name, sizeOf(shape)) },
    ]),
  );
  return {
    name: 'main_graph',
    inputs: [{ name: 'x', type: 'float32', shape: ['batch', 3, side, side] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['batch', 5] }],
    initializers: {
      ...initializers,
      mean: { shape: [1, 3, 1, 1], data: Float32Array.of(0.48, 0.45, 0.41) },
      deviation: { shape: [1, 3, 1, 1], data: Float32Array.of(0.229, 0.224, 0.225) },
      zero: { shape: [], data: Float32Array.of(0) },
      six: { shape: [], data: Float32Array.of(6) },
    },
    nodes: nodes.map(
      ([op, inputs, output, attributes = {}]): OnnxNode => ({
        ...{ op, name: `/${output}/${op}`, inputs: inputs.split(' '), outputs: [output], attributes },
      }),
    ),
  };
}

const window = (size: number, padding: number, stride = 1): Record<string, OnnxAttribute> => ({
  kernel_shape: { ints: [size, size] },
  pads: { ints: new Array<number>(4).fill(padding) },
  strides: { ints: [stride, stride] },
});

const head: Nodes = [
  ['GlobalAveragePool', 'last', 'mean_of_all'],
  ['Flatten', 'mean_of_all', 'flat'],
  ['Gemm', 'flat fc.weight fc.bias', 'y', { transB: { int: 1 } }],
];
const filters = (names: Record<string, [inputs: number, outputs: number, size?: number]>): Record<string, number[]> =>
  Object.fromEntries(
    Object.entries(names).flatMap(([name, [inputs, outputs, size = 3]]) => [
      [`${name}.weight`, [outputs, inputs, size, size]],
      [`${name}.bias`, [outputs]],
    ]),
  );
const fc = (inputs: number): Record<string, number[]> => ({ 'fc.weight': [5, inputs], 'fc.bias': [5] });
const conv = (name: string, from: string, to: string, padding = 1, stride = 1): Nodes[number] => [
  'Conv',
  `${from} ${name}.weight ${name}.bias`,
  to,
  window(padding === 0 ? 1 : 3, padding, stride),
];

const models: Readonly<Record<string, OnnxModel>> = {
  // Batch norms are folded into the convolutions, and a Relu feeds a shortcut as well as a convolution.
  'a residual network': modelOf(
    [
      conv('stem', 'x', 'c0'),
      ['Relu', 'c0', 'r0'],
      conv('a', 'r0', 'c1'),
      ['Relu', 'c1', 'r1'],
      conv('b', 'r1', 'c2'),
      ['Add', 'c2 r0', 's1'],
      ['Relu', 's1', 'r2'],
      conv('c', 'r2', 'c3', 1, 2),
      ['Relu', 'c3', 'r3'],
      conv('d', 'r3', 'c4'),
      conv('down', 'r2', 'c5', 0, 2),
      ['Add', 'c4 c5', 's2'],
      ['Relu', 's2', 'last'],
      ...head,
    ],
    { ...filters({ stem: [3, 6], a: [6, 6], b: [6, 6], c: [6, 8], d: [8, 8], down: [6, 8, 1] }), ...fc(8) },
  ),
  'Relu6 and a linear bottleneck, normalised inside': modelOf(
    [
      ['Sub', 'x mean', 'centred'],
      ['Div', 'centred deviation', 'normalised'],
      conv('stem', 'normalised', 'c0'),
      ['BatchNormalization', 'c0 bn.weight bn.bias bn.running_mean bn.running_variance', 'n0'],
      ['Clip', 'n0 zero six', 'r0'],
      conv('down', 'r0', 'c1', 0),
      conv('up', 'c1', 'c2', 0),
      ['Clip', 'c2 zero six', 'r2'],
      ['MaxPool', 'r2', 'm2', window(2, 0, 2)],
      conv('out', 'm2', 'c3', 0),
      ['Add', 'c3 c3b', 's3'],
      conv('side', 'm2', 'c3b', 0),
      ['LeakyRelu', 's3', 'last', { alpha: { float: 0.1 } }],
      ...head,
    ],
    {
      ...filters({ stem: [3, 6], down: [6, 4, 1], up: [4, 6, 1], out: [6, 4, 1], side: [6, 4, 1] }),
      ...{ 'bn.weight': [6], 'bn.bias': [6], 'bn.running_mean': [6], 'bn.running_variance': [6] },
      ...fc(4),
    },
  ),
  // DenseNet's growth: what comes in stands beside what is made of it.
  'branches side by side': modelOf(
    [
      conv('stem', 'x', 'c0'),
      ['Relu', 'c0', 'r0'],
      conv('a', 'r0', 'c1'),
      ['Relu', 'c1', 'r1'],
      ['Concat', 'r0 r1', 'j1', { axis: { int: 1 } }],
      conv('b', 'j1', 'c2'),
      ['Relu', 'c2', 'r2'],
      ['Concat', 'j1 r2', 'j2', { axis: { int: 1 } }],
      ['AveragePool', 'j2', 'p2', window(2, 0, 2)],
      conv('c', 'p2', 'c3', 0),
      ['Relu', 'c3', 'r3'],
      ['Flatten', 'r3', 'flat'],
      ['Gemm', 'flat hidden.weight hidden.bias', 'h', { transB: { int: 1 } }],
      ['Relu', 'h', 'rh'],
      ['Gemm', 'rh fc.weight fc.bias', 'z', { transB: { int: 1 } }],
      ['Softmax', 'z', 'y'],
    ],
    {
      ...filters({ stem: [3, 4], a: [4, 4], b: [8, 4], c: [12, 3, 1] }),
      ...{ 'hidden.weight': [7, 48], 'hidden.bias': [7] },
      ...fc(7),
    },
  ),
};

describe.each(Object.entries(models))('%s', (_, model) => {
  const imported = importOnnx(model);
  const network = trainableOnnx('imported', model);
  const images = imagesFor(network, 3);

  test('computes the same in floats', () => {
    expectClose(logitsOf(network, images), graphLogitsOf(imported.graph, images));
  });

  test('also with measured statistics, and in training with those of the batch', async () => {
    const measured = await withStatistics(createReference(), defineNetwork(describeNetwork(network)), {
      ...{ tensors: network.tensors, names: network.unmeasured, images },
    });
    const expected = graphLogitsOf(imported.graph, images);
    expectClose(logitsOf(network, images, measured), expected);
    if (network.unmeasured.length < Object.keys(measured).filter((name) => name.endsWith('/mean')).length) return;
    const variables = new Variables(createReference());
    const definition = defineNetwork(describeNetwork(network));
    const plan = new Plan(buildGraph(definition, { batch: 3, training: true, seed: 1 }).graph, variables);
    fillVariables(variables, measured);
    plan.tensor('images').set(images);
    plan.run();
    expectClose([...plan.tensor('logits')], expected);
  });

  test('has an activation in front of each layer but those whose input may be negative', () => {
    const layers = flat(layersOf(network));
    const weighted = layers.filter(({ layer }) => layer === 'conv' || layer === 'dense').map(({ name }) => name);
    const bounded = layers.flatMap(({ layer, options }) => (layer === 'activation' ? options!.next : []));
    const { first, last } = network.preset;
    expect([...new Set([...bounded, ...network.unbounded, first, last])].sort()).toEqual(weighted.sort());
    expect(network.preset).toMatchObject({ first: 'stem', last: 'fc' });
  });
});

test('layers that share their input share its levels', () => {
  const layers = flat(layersOf(trainableOnnx('imported', models['a residual network']!)));
  const nexts = layers.flatMap(({ layer, options }) => (layer === 'activation' ? [options!.next] : []));
  expect(nexts).toEqual(['a', 'b', ['down', 'c'], 'd', 'fc']);
});

const refusals: readonly (readonly [
  what: string,
  nodes: Nodes,
  weights: Record<string, readonly number[]>,
  message: string,
])[] = [
  [
    'uneven padding',
    [
      ['Conv', 'x stem.weight', 'c0', { ...window(3, 0), pads: { ints: [2, 2, 0, 0] } }],
      ['Relu', 'c0', 'last'],
      ...head,
    ],
    { ...filters({ stem: [3, 4] }), ...fc(4) },
    "'stem' (conv2d): padding that is neither equal on all sides nor auto_pad SAME_UPPER (output 8x8) cannot be trained",
  ],
  [
    'branches that cross',
    [
      conv('stem', 'x', 'c0'),
      conv('a', 'c0', 'c1'),
      conv('b', 'c1', 'c2'),
      ['Add', 'c2 c0', 's1'],
      ['Add', 's1 c1', 'last'],
      ...head,
    ],
    { ...filters({ stem: [3, 4], a: [4, 4], b: [4, 4] }), ...fc(4) },
    'a result that leaves its branch in the middle cannot be trained',
  ],
  [
    'a quantizer',
    [
      conv('stem', 'x', 'c0'),
      ['QuantizeLinear', 'c0 six', 'q0'],
      ['DequantizeLinear', 'q0 six', 'd0'],
      conv('a', 'd0', 'last'),
      ...head,
    ],
    { ...filters({ stem: [3, 4], a: [4, 4] }), ...fc(4) },
    "'d0' (quantize-scaled): what is quantized already (deploy it with: subbit import) cannot be trained",
  ],
  [
    'a filter that is no square',
    [['Conv', 'x stem.weight', 'c0'], ['Relu', 'c0', 'last'], ...head],
    { 'stem.weight': [4, 3, 1, 3], ...fc(4) },
    "'stem' (conv2d): a filter of 1x3 pixels cannot be trained",
  ],
];

test.each(refusals)('refuses %s', (_, nodes, weights, message) => {
  expect(() => trainableOnnx('imported', modelOf(nodes, weights))).toThrow(message);
});
