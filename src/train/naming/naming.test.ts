import { describe, expect, test } from 'vitest';
import { createReference } from '../../backends/reference.js';
import { sizeOf } from '../../core/tensor.js';
import { buildGraph, defineNetwork, type NetworkDescription } from '../../nn/network.js';
import { SubbitError } from '../../util/errors.js';
import type { Checkpoint } from '../checkpoint.js';
import { fillVariables } from '../fill-variables.js';
import { EvaluationSession } from '../session.js';
import { namingOf, toForeign, toOwn } from './index.js';
import { fromNaming } from './naming.js';
import { pytorch } from './pytorch.js';
import { tensorpack } from './tensorpack.js';

type Tensors = Checkpoint['tensors'];

function networkOf(preset: string, rest: Partial<NetworkDescription> = {}): NetworkDescription {
  const classes = Array.from({ length: 10 }, (_, i) => String(i));
  return { preset, bits: '32-32-32', classes, zeroPoints: [0], step: 1 / 256, ...rest };
}

function graphOf(network: NetworkDescription) {
  return buildGraph(defineNetwork(network), { batch: 1, training: false, seed: 0 }).graph;
}

/** Numbers for every variable of a network, those of variances above 0. */
function tensorsOf(network: NetworkDescription): Tensors {
  let n = 0;
  return Object.fromEntries(
    [...graphOf(network).variables.values()].map(({ value: { name, type } }) => {
      const fanIn = name.endsWith('/filter') ? sizeOf(type.shape) / type.shape.at(-1)! : 4;
      const data = new Float32Array(sizeOf(type.shape));
      for (let i = 0; i < data.length; i++) data[i] = (((n++ * 7919) % 2003) / 1001 - 1) * Math.sqrt(3 / fanIn);
      return [
        name,
        { shape: type.shape, data: name.endsWith('/variance') ? data.map((each) => 1 + each * each) : data },
      ];
    }),
  );
}

/** Faster than toEqual, which looks at millions of numbers one by one. */
function expectSame(found: Tensors, expected: Tensors): void {
  const shapes = (tensors: Tensors) =>
    Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
  expect(shapes(found)).toEqual(shapes(expected));
  for (const [name, { data }] of Object.entries(expected))
    expect(Buffer.compare(new Uint8Array(data.buffer), new Uint8Array(found[name]!.data.buffer)), name).toBe(0);
}

const renamed = (tensors: Tensors, rename: (name: string) => string): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [rename(name), tensor]));

const inPytorch = (preset: string): { network: NetworkDescription; tensors: Tensors; foreign: Tensors } => {
  const network = networkOf(preset, preset === 'dorefa-svhn' ? { width: 'D' } : {});
  const tensors = tensorsOf(network);
  return { network, tensors, foreign: toForeign(pytorch, tensors, graphOf(network), preset) };
};

const toOwnTensors = (foreign: Tensors, network: NetworkDescription): Tensors =>
  toOwn({ naming: namingOf(Object.keys(foreign))!, file: 'w', tensors: foreign }, graphOf(network), network).tensors;

function refusalOf(foreign: Tensors, network: NetworkDescription): string {
  try {
    toOwnTensors(foreign, network);
  } catch (error) {
    expect(error).toBeInstanceOf(SubbitError);
    return (error as SubbitError).message;
  }
  throw new Error('was not refused');
}

describe('PyTorch', () => {
  test.each(['resnet20', 'vgg-small', 'lenet', 'digits', 'dorefa-svhn'])('%s and back', (preset) => {
    const { network, tensors, foreign } = inPytorch(preset);
    expect(Object.keys(foreign)).toHaveLength(Object.keys(tensors).length);
    expectSame(toOwnTensors(foreign, network), tensors);
  });

  test("the ResNets' names and shapes are those of the usual modules", () => {
    const { network, tensors, foreign } = inPytorch('resnet18-cifar');
    const shapes = {
      'conv1.weight': [64, 3, 3, 3],
      'layer1.0.bn1.running_mean': [64],
      'layer1.1.conv2.weight': [64, 64, 3, 3],
      'layer2.0.downsample.0.weight': [128, 64, 1, 1],
      'layer4.1.bn2.weight': [512],
      'bn.running_var': [512],
      'fc.weight': [10, 512],
      'fc.bias': [10],
    };
    for (const [name, shape] of Object.entries(shapes)) expect(foreign[name]?.shape, name).toEqual(shape);
    expectSame(toOwnTensors(foreign, network), tensors);
    const other = renamed(foreign, (name) => name.replace('downsample', 'shortcut').replace(/^fc/, 'linear'));
    expectSame(toOwnTensors(other, network), tensors);
  });

  test('filters are [K, C, KH, KW], a dense layer behind an image [K, C H W]', () => {
    const { tensors, foreign } = inPytorch('lenet');
    const [filter, weight] = [tensors['conv2/filter']!.data, foreign['conv2.weight']!.data];
    expect(weight[((7 * 32 + 5) * 5 + 3) * 5 + 1]).toBe(filter[((3 * 5 + 1) * 32 + 5) * 64 + 7]);
    const [matrix, flat] = [tensors['fc1/filter']!.data, foreign['fc1.weight']!.data];
    expect(foreign['fc1.weight']!.shape).toEqual([256, 1600]);
    expect(flat[9 * 1600 + (11 * 5 + 2) * 5 + 4]).toBe(matrix[((2 * 5 + 4) * 64 + 11) * 256 + 9]);
    expect(foreign['fc2.weight']!.data[3 * 256 + 8]).toBe(tensors['fc2/filter']!.data[8 * 128 + 3]);
  });

  test('what DataParallel puts in front is left out', () => {
    const { network, tensors, foreign } = inPytorch('lenet');
    expectSame(
      toOwnTensors(
        renamed(foreign, (name) => `module.${name}`),
        network,
      ),
      tensors,
    );
  });

  test('a Sequential is taken in its order', () => {
    const { network, tensors, foreign } = inPytorch('lenet');
    const order = ['conv1', 'conv2', 'bn2', 'fc1', 'bnfc1', 'fc2', 'bnfc2', 'fc3'];
    const numbers = [
      'features.0',
      'features.3',
      'features.10',
      'classifier.1',
      'classifier.2',
      'classifier.4',
      'classifier.5',
      'classifier.11',
    ];
    const numbered = renamed(foreign, (name) => {
      const [module, ending] = name.split('.') as [string, string];
      return `${numbers[order.indexOf(module)]}.${ending}`;
    });
    const sorted = Object.fromEntries(Object.entries(numbered).sort(([a], [b]) => (a < b ? -1 : 1)));
    expectSame(toOwnTensors(sorted, network), tensors);
  });

  test('other classes come through as they are', () => {
    const { network, foreign } = inPytorch('resnet20');
    const wider = networkOf('resnet20', { classes: Array.from({ length: 100 }, (_, i) => String(i)) });
    const found = toOwn({ naming: pytorch, file: 'w', tensors: foreign }, graphOf(wider), wider);
    expect(found.classes).toBe(network.classes.length);
    expect(found.tensors['fc/filter']!.shape).toEqual([1, 1, 64, 10]);
  });

  test('refuses what does not fit, by name', () => {
    const { network, foreign } = inPytorch('resnet20');
    const { 'layer2.1.conv2.weight': taken, ...rest } = foreign;
    expect(refusalOf({ ...rest, 'layer2.1.conv3.weight': taken! }, network)).toBe(
      "'w' does not fit resnet20: it has no 'layer2.1.conv2.weight'; the nearest is 'layer2.1.conv3.weight'",
    );
    expect(refusalOf({ ...foreign, 'layer2.1.conv3.weight': taken! }, network)).toBe(
      "'w' does not fit resnet20: it has no place for 'layer2.1.conv3.weight'; the nearest is 'layer2.1.conv1.weight'",
    );
    const wrong = { shape: [16, 3, 5, 5], data: new Float32Array(1200) };
    expect(refusalOf({ ...foreign, 'conv1.weight': wrong }, network)).toBe(
      "'w' does not fit resnet20: 'conv1.weight' has the shape [16, 3, 5, 5], and [16, 3, 3, 3] is needed",
    );
    // torchvision's and akamaster's ResNets.
    const after = renamed(foreign, (name) => name.replace(/^bn\./, 'bn1.'));
    expect(refusalOf(after, network)).toContain('pre-activation');
  });
});

/** A network's parameters as tensorpack names them. */
function inTensorpack(tensors: Tensors): Tensors {
  const part = (name: string): string =>
    name
      .replace(/^conv(\d)\/bn\//, 'bn$1/')
      .replace(/filter$/, 'W')
      .replace(/bias$/, 'b')
      .replace(/(mean|variance)$/, '$1/EMA');
  const own = Object.entries(tensors).map(([name, { shape, data }]) => [
    `${part(name)}:0`,
    { data, shape: name === 'fc1/filter' ? shape.slice(2) : shape },
  ]);
  return Object.fromEntries(own);
}

describe('tensorpack', () => {
  test('the SVHN network computes of its images what theirs computes of byte / 256', async () => {
    const theirs = networkOf('dorefa-svhn', { width: 'D', bits: '1-2-32', boundedActivation: 'cabs' });
    const ours: NetworkDescription = { ...theirs, zeroPoints: [112, 113, 120], step: 1 / 50 };
    const tensors = tensorsOf(theirs);
    const foreign = inTensorpack(tensors);
    expect(Object.keys(foreign)).toContain('bn3/variance/EMA:0');
    const converted = toOwnTensors(foreign, ours);
    const logitsOf = async (network: NetworkDescription, parameters: Tensors): Promise<Float32Array> => {
      const session = new EvaluationSession(createReference(), defineNetwork(network), { batch: 1 });
      fillVariables(session.variables, parameters);
      const images = Uint8Array.from({ length: 40 * 40 * 3 }, (_, i) => (i * 7919) % 256);
      await session.evaluate(images, [0], 1);
      return Float32Array.from(session.plan.tensor('logits'));
    };
    const [expected, found] = [await logitsOf(theirs, tensors), await logitsOf(ours, converted)];
    expect(Math.max(...expected) - Math.min(...expected)).toBeGreaterThan(0.1);
    for (const [i, each] of found.entries()) expect(each).toBeCloseTo(expected[i]!, 4);
  });

  test("AlexNet's first layer: blue first, ImageNet's mean and deviation", () => {
    const filter = { shape: [1, 1, 3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
    const bias = { shape: [2], data: Float32Array.of(0.5, -0.5) };
    const network = { preset: 'alexnet-dorefa', step: 1 / 58, zeroPoints: [124, 116, 104] };
    const found = tensorpack.absorbInput!({ 'conv0/filter': filter, 'conv0/bias': bias }, network);
    const bytes = [10, 100, 250];
    const [mean, deviation] = [
      [0.485, 0.456, 0.406],
      [0.229, 0.224, 0.225],
    ];
    for (const k of [0, 1]) {
      const theirs = [2, 1, 0].reduce(
        (sum, c, i) => sum + filter.data[i * 2 + k]! * ((bytes[c]! / 255 - mean[c]!) / deviation[c]!),
        bias.data[k]!,
      );
      const ours = bytes.reduce(
        (sum, byte, c) =>
          sum + found['conv0/filter']!.data[c * 2 + k]! * (byte - network.zeroPoints[c]!) * network.step,
        found['conv0/bias']!.data[k]!,
      );
      expect(ours).toBeCloseTo(theirs, 4);
    }
  });

  test("AlexNet's names, and rows of fc0 in the order [C, H, W]", () => {
    const own = [
      { name: 'fc0/filter', shape: [1, 1, 12, 2], image: [2, 2, 3] },
      { name: 'fc0/bn/mean', shape: [2] },
      { name: 'fct/filter', shape: [1, 1, 2, 1], image: [1, 1, 2] },
    ];
    const tensors = {
      'fc0/W': { shape: [12, 2], data: Float32Array.from({ length: 24 }, (_, i) => i) },
      'bnfc0/mean/EMA': { shape: [2], data: Float32Array.of(1, 2) },
      'fct/W': { shape: [2, 1], data: Float32Array.of(3, 4) },
    };
    const found = fromNaming(
      { naming: tensorpack, file: 'w.npz', tensors },
      { preset: 'alexnet-dorefa', own, last: 'fct' },
    );
    // Row c H W + h W + w becomes row h W C + w C + c.
    const rows = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11];
    expect([...found['fc0/filter']!.data]).toEqual(rows.flatMap((row) => [2 * row, 2 * row + 1]));
    expect([...found['fct/filter']!.data]).toEqual([3, 4]);
  });

  test('what the optimizer and the summaries keep is not looked at', () => {
    for (const name of ['global_step:0', 'learning_rate', 'beta1_power:0', 'conv0/W/Adam_1:0', 'EMA/cost/biased:0'])
      expect(tensorpack.isIgnored(name), name).toBe(true);
    for (const name of ['conv0/W:0', 'bn1/mean/EMA:0', 'fct/b']) expect(tensorpack.isIgnored(name), name).toBe(false);
  });
});

test('our own names are nobody else’s', () => {
  expect(namingOf(Object.keys(tensorsOf(networkOf('digits'))))).toBeUndefined();
});
