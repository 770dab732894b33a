/** Presets against the counts of the papers, and what a description may say. */
import { describe, expect, test } from 'vitest';
import { describe as describeType, sizeOf } from '../core/tensor.js';
import { UsageError } from '../util/errors.js';
import { presets } from './models/index.js';
import { buildGraph, defineNetwork, type NetworkDescription, type NetworkGraph } from './network.js';
import { type LayerSummary, type NetworkSummary, summarize } from './summary.js';

const classes = Array.from({ length: 10 }, (_, i) => String(i));

function build(description: Partial<NetworkDescription>, training = true, batch = 2): NetworkGraph {
  const complete = { preset: 'dorefa-svhn', bits: '1-2-4', classes, zeroPoints: [0], step: 1 / 255, ...description };
  return buildGraph(defineNetwork(complete), { batch, training, seed: 1 });
}

const summaryOf = (description: Partial<NetworkDescription>): NetworkSummary => summarize(build(description).graph);

/** The convolutions and dense layers. */
const withWeights = ({ layers }: NetworkSummary): LayerSummary[] => layers.filter(({ macs }) => macs > 0);
const weightsOf = (summary: NetworkSummary): number =>
  withWeights(summary).reduce((sum, { parameters }) => sum + parameters, 0);

describe('dorefa-svhn', () => {
  test("has the authors' layers at width A", () => {
    const layers = withWeights(summaryOf({})).map(({ name, outputShape, parameters, macs }) => [
      name,
      outputShape.join('x'),
      parameters,
      macs,
    ]);
    expect(layers).toEqual([
      ['conv0', '36x36x48', 3600, 4_665_600],
      ['conv1', '18x18x64', 27_648, 8_957_952],
      ['conv2', '18x18x64', 36_864, 11_943_936],
      ['conv3', '7x7x128', 73_728, 3_612_672],
      ['conv4', '7x7x128', 147_456, 7_225_344],
      ['conv5', '5x5x128', 147_456, 3_686_400],
      ['conv6', '1x1x512', 1_638_400, 1_638_400],
      ['fc1', '10', 5120, 5120],
    ]);
  });

  test.each([
    ['A', 1, 2_080_272, 0.888],
    ['B', 1 / 2, 522_248, 0.799],
    ['C', 1 / 4, 131_652, 0.665],
    ['D', 1 / 8, 33_458, 0.498],
  ])('has the weights and products of width %s', (width, share, weights, quantizedShare) => {
    const summary = summaryOf({ width });
    expect(weightsOf(summary)).toBe(weights);
    // The first layer's image and the last one's classes do not shrink.
    const [ends, between] = [4_665_600 + 5120, 41_735_424 - 4_665_600 - 5120];
    expect(summary.totals.macs).toBe(ends * share + between * share ** 2);
    expect(1 - summary.totals.floatMacs / summary.totals.macs).toBeCloseTo(quantizedShare, 3);
  });

  test('A is the default width', () => {
    expect(weightsOf(summaryOf({}))).toBe(2_080_272);
    expect(() => build({ width: 'E' })).toThrow(UsageError);
    expect(() => build({ width: 'E' })).toThrow("dorefa-svhn has no width 'E' (known: A, B, C, D)");
  });

  test('quantizes all but the first and the last layer, and not what goes into the last', () => {
    const bits = withWeights(summaryOf({})).map(
      ({ weightBits, activationBits, gradientBits }) => `${weightBits}-${activationBits}-${gradientBits}`,
    );
    // Image bytes count as 8-bit activations.
    expect(bits).toEqual(['32-8-32', ...Array(6).fill('1-2-4'), '32-32-32']);
  });

  test('has the sizes of the paper', () => {
    const { totals } = summaryOf({});
    // 99.58 % of the weights at 1 bit, the others at 32: 28.3 times smaller than float.
    expect(totals.weightBytes).toBe((2_080_272 - 8720) / 8 + 4 * 8720);
    expect((4 * 2_080_272) / totals.weightBytes).toBeCloseTo(28.3, 1);
    // Products of 1 and 2 bits.
    expect(totals.bitOps).toBe(2 * (totals.macs - totals.floatMacs));
    expect(totals.parameters - weightsOf(summaryOf({}))).toBe(48 + 10 + 2 * (64 + 64 + 128 * 3 + 512));
  });

  test('quantizes first and last when asked', () => {
    const layers = withWeights(summaryOf({ quantizeFirst: true, quantizeLast: true }));
    expect([layers[0], layers.at(-1)].map((layer) => [layer!.weightBits, layer!.activationBits])).toEqual([
      [1, 8],
      [1, 2],
    ]);
    expect(layers.every(({ gradientBits }) => gradientBits === 4)).toBe(true);
  });

  test('is float at 32-32-32', () => {
    const { graph } = build({ bits: '32-32-32' });
    const names = new Set(graph.nodes.map(({ op }) => op.name));
    for (const name of names) expect(name).not.toMatch(/^quantize/);
    const kinds = graph.nodes.filter(({ op }) => op.name === 'activate').map(({ attributes }) => attributes.kind);
    expect(new Set(kinds)).toEqual(new Set(['relu']));
  });
});

describe('resnet20', () => {
  test('has 268,336 weights and 40.6 M multiply-accumulates', () => {
    const summary = summaryOf({ preset: 'resnet20' });
    const layers = withWeights(summary);
    expect(layers).toHaveLength(20);
    // stem 432; stages of 6 convolutions: 6 * 2304, 4608 + 5 * 9216, 18432 + 5 * 36864; dense 640
    expect(weightsOf(summary)).toBe(432 + 13_824 + 50_688 + 202_752 + 640);
    expect(summary.totals.macs).toBe(1024 * (432 + 13_824) + 256 * 50_688 + 64 * 202_752 + 640);
    expect(summary.totals.parameters).toBe(268_336 + 10 + 2 * (16 * 7 + 32 * 6 + 64 * 6));
  });

  test('keeps the residual stream real and quantizes before each convolution of a block', () => {
    const { graph } = build({ preset: 'resnet20' });
    const [adds, convolutions] = ['add', 'conv2d'].map((name) => graph.nodes.filter(({ op }) => op.name === name));
    expect(adds).toHaveLength(9);
    for (const { inputs } of adds!) for (const value of inputs) expect(value!.type.dtype).toBe('f32');
    for (const { inputs, name } of convolutions!) {
      const max = name === 'stem' ? 255 : name === 'fc' ? undefined : 3;
      expect(inputs[0]!.type.encoding?.max, name).toBe(max);
    }
  });
});

describe('resnet18', () => {
  const imagenet = { preset: 'resnet18', classes: Array.from({ length: 1000 }, (_, i) => String(i)) };

  test('has the weights and multiply-accumulates of its head comment', () => {
    const summary = summaryOf(imagenet);
    const sums = new Map<string, { weights: number; macs: number }>();
    for (const { name, parameters, macs } of withWeights(summary)) {
      const part = name.endsWith('/shortcut') ? 'shortcuts' : name.split('/')[0]!;
      const { weights = 0, macs: before = 0 } = sums.get(part) ?? {};
      sums.set(part, { weights: weights + parameters, macs: before + macs });
    }
    expect(Object.fromEntries(sums)).toEqual({
      stem: { weights: 9_408, macs: 118_013_952 },
      stage1: { weights: 147_456, macs: 462_422_016 },
      stage2: { weights: 516_096, macs: 404_619_264 },
      stage3: { weights: 2_064_384, macs: 404_619_264 },
      stage4: { weights: 8_257_536, macs: 404_619_264 },
      shortcuts: { weights: 172_032, macs: 19_267_584 },
      fc: { weights: 512_000, macs: 512_000 },
    });
    expect(withWeights(summary)).toHaveLength(1 + 16 + 3 + 1);
    expect(weightsOf(summary)).toBe(11_678_912);
    expect(summary.totals.macs).toBe(1_814_073_344);
    expect(summary.totals.parameters).toBe(11_678_912 + 7_808 + 1000);
  });

  test('has another stem for CIFAR', () => {
    const summary = summaryOf({ preset: 'resnet18-cifar' });
    expect(withWeights(summary)[0]).toMatchObject({ name: 'stem', outputShape: [32, 32, 64], parameters: 1728 });
    expect(weightsOf(summary)).toBe(11_164_352);
    expect(summary.totals.macs).toBe(555_422_720);
    expect(summary.totals.parameters).toBe(11_164_352 + 7_808 + 10);
  });

  test.each(['resnet18', 'resnet18-cifar'])('%s halves images as its stages change the channels', (preset) => {
    const shapes = withWeights(summaryOf({ preset })).map(({ name, outputShape }) => [name, outputShape.join('x')]);
    const side = preset === 'resnet18' ? 56 : 32;
    for (const [stage, channels] of [64, 128, 256, 512].entries()) {
      const shape = `${side / 2 ** stage}x${side / 2 ** stage}x${channels}`;
      const own = shapes.filter(([name]) => name!.startsWith(`stage${stage + 1}/`));
      expect(own).toHaveLength(stage === 0 ? 4 : 5);
      for (const [name, its] of own) expect(its, name).toBe(shape);
    }
  });

  test('keeps the residual stream real, and its shortcuts take the levels that conv1 takes', () => {
    const { graph } = build({ preset: 'resnet18-cifar' });
    const adds = graph.nodes.filter(({ op }) => op.name === 'add');
    const convolutions = new Map(graph.nodes.filter(({ op }) => op.name === 'conv2d').map((node) => [node.name, node]));
    expect(adds).toHaveLength(8);
    for (const { inputs } of adds) for (const value of inputs) expect(value!.type.dtype).toBe('f32');
    for (const [name, { inputs }] of convolutions) {
      const max = name === 'stem' ? 255 : name === 'fc' ? undefined : 3;
      expect(inputs[0]!.type.encoding?.max, name).toBe(max);
    }
    for (const stage of [2, 3, 4]) {
      const [conv1, shortcut] = ['conv1', 'shortcut'].map((name) => convolutions.get(`stage${stage}/block1/${name}`)!);
      expect(shortcut!.inputs[0]).toBe(conv1!.inputs[0]);
      expect(shortcut!.inputs[1]!.type.encoding).toMatchObject({ kind: 'bipolar', max: 1 });
    }
  });

  test('refuses different activation bits for conv1 and the shortcut', () => {
    const bitsOf = { 'stage2/block1/shortcut': '1-4-4' };
    const refused = () => build({ preset: 'resnet18', bitsOf });
    expect(refused).toThrow(UsageError);
    expect(refused).toThrow(
      'the layers stage2/block1/conv1 and stage2/block1/shortcut share their input, so their activation bits must be the same, not 2 and 4',
    );
    const others = summaryOf({ preset: 'resnet18', bitsOf: { 'stage2/block1/shortcut': '8-2-6' } });
    const shortcut = others.layers.find(({ name }) => name === 'stage2/block1/shortcut');
    expect(shortcut).toMatchObject({ weightBits: 8, activationBits: 2, gradientBits: 6 });
  });
});

describe('vgg-small', () => {
  test('has the weights and multiply-accumulates of its head comment', () => {
    const summary = summaryOf({ preset: 'vgg-small', bits: '1-1-4' });
    const layers = withWeights(summary).map(({ name, outputShape, parameters, macs }) => [
      name,
      outputShape.join('x'),
      parameters,
      macs,
    ]);
    expect(layers).toEqual([
      ['conv1', '32x32x128', 3456, 3_538_944],
      ['conv2', '32x32x128', 147_456, 150_994_944],
      ['conv3', '16x16x256', 294_912, 75_497_472],
      ['conv4', '16x16x256', 589_824, 150_994_944],
      ['conv5', '8x8x512', 1_179_648, 75_497_472],
      ['conv6', '8x8x512', 2_359_296, 150_994_944],
      ['fc', '10', 81_920, 81_920],
    ]);
    expect(weightsOf(summary)).toBe(4_656_512);
    expect(summary.totals.macs).toBe(607_600_640);
    // The 1-bit convolutions of papers.md 2.5: 0.6040 G and 4.571 Mbit.
    expect(summary.totals.bitOps).toBe(603_979_776);
    const binary = summary.layers.filter(({ weightBits }) => weightBits === 1);
    expect(binary.reduce((sum, { weightBytes }) => sum + 8 * weightBytes, 0)).toBe(4_571_136);
    expect(summary.totals.parameters).toBe(4_656_512 + 3584 + 10);
  });

  test('has a real shortcut around every low-bit convolution', () => {
    const { graph } = build({ preset: 'vgg-small', bits: '1-1-4' });
    const adds = graph.nodes.filter(({ op }) => op.name === 'add');
    expect(adds.map(({ name }) => name)).toEqual([2, 3, 4, 5, 6].map((i) => `conv${i}/sum`));
    for (const { inputs } of adds) for (const value of inputs) expect(value!.type.dtype).toBe('f32');
  });
});

describe('every preset', () => {
  const sizes = Object.values(presets).flatMap(({ name, sizes }) => (sizes ?? []).map((size) => ({ name, size })));

  test('states its size', () => {
    expect(new Set(sizes.map(({ name }) => name))).toEqual(new Set(Object.keys(presets)));
  });

  test.each(sizes)('$name has the size that it states ($size.width)', ({ name, size }) => {
    const classes = Array.from({ length: size.classes }, (_, i) => String(i));
    const { graph } = build({ preset: name, classes, ...(size.width === undefined ? {} : { width: size.width }) });
    const summary = summarize(graph);
    const { parameters, macs } = summary.totals;
    const shortcuts = graph.nodes.filter(({ op }) => op.name === 'add').length;
    expect({ ...size, layers: withWeights(summary).length, shortcuts, parameters, macs }).toEqual(size);
  });

  test.each(Object.keys(presets))('%s: training and evaluation have the same parameters and outputs', (preset) => {
    const [training, evaluation] = [true, false].map((mode) => build({ preset }, mode));
    const variables = ({ graph }: NetworkGraph): string[] =>
      [...graph.variables.values()].map(({ value, role }) => `${value.name} ${role} ${describeType(value.type)}`);
    expect(variables(training!)).toEqual(variables(evaluation!));
    expect([...training!.graph.outputs.keys()]).toEqual(['logits', 'losses', 'probabilities', 'predictions']);
    expect(sizeOf(training!.logits.type.shape)).toBe(2 * 10);
  });

  test.each(Object.keys(presets))('%s: evaluation has no noise, no dropout and no batch statistics', (preset) => {
    const names = new Set(build({ preset }, false).graph.nodes.map(({ op }) => op.name));
    for (const name of ['quantize-backward', 'dropout', 'batch-statistics', 'update-running-statistics'])
      expect(names).not.toContain(name);
  });

  test.each(Object.values(presets))('$name names its first and last layer', (preset) => {
    const layers = withWeights(summaryOf({ preset: preset.name }));
    expect([layers[0]!.name, layers.at(-1)!.name]).toEqual([preset.first, preset.last]);
  });
});

describe('a description', () => {
  test('may set the bits of single layers', () => {
    const bits = { conv0: '8-8-8', conv3: '2-4-6', conv6: '32-32-32' };
    const layers = withWeights(summaryOf({ bitsOf: bits }));
    const bitsOf = (name: string): number[] => {
      const { weightBits, activationBits, gradientBits } = layers.find((layer) => layer.name === name)!;
      return [weightBits, activationBits, gradientBits];
    };
    expect(bitsOf('conv0')).toEqual([8, 8, 8]);
    expect(bitsOf('conv2')).toEqual([1, 2, 4]);
    expect(bitsOf('conv3')).toEqual([2, 4, 6]);
    expect(bitsOf('conv6')).toEqual([32, 32, 32]);
  });

  test('that names an unknown layer is answered with the nearest name', () => {
    expect(() => build({ bitsOf: { convv3: '1-2-4' } })).toThrow(UsageError);
    expect(() => build({ bitsOf: { convv3: '1-2-4' } })).toThrow(
      "the network has no layer 'convv3'; did you mean 'conv3'? (layers: conv0, conv1,",
    );
    const stage = { 'stage1/blok2/conv1': '1-2-4' };
    expect(() => build({ preset: 'resnet20', bitsOf: stage })).toThrow("did you mean 'stage1/block2/conv1'?");
  });

  test('with wrong bits, preset or width is refused', () => {
    expect(() => build({ bits: '1-2' })).toThrow('bits must be written W-A-G');
    expect(() => build({ bitsOf: { conv3: '1-0-4' } })).toThrow('activation bits must be 1 to 8');
    expect(() => build({ preset: 'resnet-20' })).toThrow("unknown preset 'resnet-20'; did you mean 'resnet20'?");
    expect(() => build({ preset: 'resnet20', width: 'A' })).toThrow("resnet20 has no width 'A' (it has one width)");
  });

  test('chooses the bounded activation', () => {
    const kinds = (boundedActivation: 'clip' | 'cabs'): Set<unknown> =>
      new Set(
        build({ boundedActivation })
          .graph.nodes.filter(({ op }) => op.name === 'activate')
          .map(({ attributes }) => attributes.kind),
      );
    expect(kinds('cabs')).toEqual(new Set(['cabs']));
    expect(kinds('clip')).toEqual(new Set(['clip']));
  });

  test.each(['approx-sign', 'rsign'])('chooses %s: 1 bit, without clip in front', (activationQuantizer) => {
    const { graph } = build({ preset: 'resnet20', bits: '1-1-4', activationQuantizer });
    const kinds = graph.nodes.filter(({ op }) => op.name === 'activate').map(({ attributes }) => attributes.kind);
    // The last layer's input is not quantized.
    expect(kinds).toEqual([...Array(18).fill('approx-sign'), 'relu']);
    const shifts = [...graph.variables.keys()].filter((name) => name.endsWith('/shift'));
    expect(shifts).toHaveLength(activationQuantizer === 'rsign' ? 18 : 0);
  });

  test('takes quantizers by role and by layer', () => {
    const description = {
      ...{ preset: 'resnet20', bits: '2-2-32', weightQuantizer: 'lsq', activationQuantizer: 'pact' },
      quantizersOf: { 'stage1/block1/conv2': { weight: 'ternary' }, 'stage2/block1/conv1': { activation: 'lsq' } },
    };
    const { graph } = build(description);
    const ending = (end: string): string[] => [...graph.variables.keys()].filter((name) => name.endsWith(end));
    expect(ending('/weights/step')).toHaveLength(17);
    expect(ending('/input/clip')).toHaveLength(17);
    expect(ending('/input/step')).toEqual(['stage2/block1/conv1/input/step']);
    expect(graph.nodes.filter(({ op }) => op.name === 'quantize-ternary').map(({ name }) => name)).toEqual([
      'stage1/block1/conv2/weights/levels',
    ]);
    // A clip decays like filters; a step does not.
    expect(graph.variables.get('stage1/block1/conv1/input/clip')!.decay).toBe(1);
    expect(graph.variables.get('stage1/block1/conv1/weights/step')!.decay).toBe(0);
  });

  test('refuses quantizers that do not fit, with the layer and the name', () => {
    const lsq = { weightQuantizer: 'lsq', bits: '2-2-4' };
    expect(() => build({ ...lsq, bits: '1-2-4' })).toThrow(
      "the weight quantizer lsq has 2 to 8 bits, so weight bits cannot be 1 (in '1-2-4'); use 2-A-G or dorefa",
    );
    expect(() => build({ ...lsq, bitsOf: { conv3: '1-2-4' } })).toThrow(
      "conv3: the weight quantizer lsq has 2 to 8 bits, so the layer's weight bits cannot be 1",
    );
    expect(() => build({ ...lsq, quantizersOf: { conv3: { weight: 'xnor' } } })).toThrow(
      "conv3: the weight quantizer xnor has 1 bit, so the layer's weight bits cannot be 2",
    );
    expect(() => build({ quantizersOf: { conv33: { weight: 'xnor' } } })).toThrow(
      "the network has no layer 'conv33'; did you mean 'conv3'?",
    );
    expect(() => build({ quantizersOf: { conv3: { weight: 'lqs' } } })).toThrow("did you mean 'lsq'?");
    expect(() => build({ weightQuantizer: 'codebook' })).toThrow('needs the number of codewords');
    expect(() => build({ weightQuantizer: 'xnor', codewords: 8 })).toThrow('codewords are chosen by');
    expect(() => build({ activationQuantizer: 'pact', bits: '32-32-32' })).toThrow('cannot be 32');
  });

  test('with a 1-bit quantizer and other activation bits is refused', () => {
    const refused = () => build({ activationQuantizer: 'rsign', bits: '1-2-4' });
    expect(refused).toThrow(UsageError);
    expect(refused).toThrow(
      "the activation quantizer rsign has 1 bit, so activation bits cannot be 2 (in '1-2-4'); use W-1-G or dorefa",
    );
    expect(() => build({ activationQuantizer: 'approx-sign', bits: '32-32-32' })).toThrow('cannot be 32');
    const single = { activationQuantizer: 'rsign', bits: '1-1-4' };
    expect(() => build({ ...single, bitsOf: { conv3: '1-2-4' } })).toThrow(
      "conv3: the activation quantizer rsign has 1 bit, so the layer's activation bits cannot be 2",
    );
    expect(() => build({ ...single, bitsOf: { conv3: '1-32-4' } })).not.toThrow();
    expect(() => build({ activationQuantizer: 'rsing', bits: '1-1-4' })).toThrow("did you mean 'rsign'?");
  });

  test.each([
    ['resnet20', 9],
    ['resnet18', 8],
    ['resnet18-cifar', 8],
    ['vgg-small', 5],
  ])('puts RPReLU after every shortcut of %s', (preset, shortcuts) => {
    const { graph } = build({ preset, shortcutActivation: 'rprelu' });
    const adds = graph.nodes.filter(({ op }) => op.name === 'add');
    expect(adds).toHaveLength(shortcuts);
    for (const { name, outputs } of adds) {
      const readers = graph.nodes.filter(({ inputs }) => inputs.includes(outputs[0]!));
      expect(readers.map((node) => `${node.name} ${node.op.name}`)).toEqual([`${name}/rprelu rprelu`]);
    }
    const [first] = summarize(graph).layers.filter(({ op }) => op === 'rprelu');
    expect(first!.parameters).toBe(3 * first!.outputShape.at(-1)!);
  });

  test('with RPReLU and no shortcut is refused', () => {
    const refused = () => build({ shortcutActivation: 'rprelu' });
    expect(refused).toThrow(UsageError);
    expect(refused).toThrow('no shortcuts that RPReLU could follow');
  });

  test('has one zero point, or one per channel', () => {
    expect(build({ zeroPoints: [1, 2, 3] }).images.type.encoding?.zeroPoints).toEqual([1, 2, 3]);
    expect(() => build({ zeroPoints: [1, 2] })).toThrow('the data has 2 channels and the network takes 3');
  });
});
