import { describe, expect, it } from 'vitest';
import { buildGraph, defineNetwork } from '../../nn/network.js';
import { UsageError } from '../../util/errors.js';
import { convShapes, macsOf, parseConvShapes } from './conv-shapes.js';
import { Ort } from './ort.js';
import { buildPeerModel, type PeerLayer, type PeerNetwork } from './peer-model.js';
import { layersPerModel, networkOfGraph, networkOfLayer } from './peer-network.js';

function networkOf(preset: string, bits: string, batch = 1): PeerNetwork {
  const classes = Array.from({ length: 10 }, (_, i) => String(i));
  const network = defineNetwork({ preset, bits, classes, zeroPoints: [0], step: 1 / 255 });
  const { graph, images, logits } = buildGraph(network, { batch, training: false, seed: 1 });
  return networkOfGraph(preset, graph, images, logits);
}

/** "conv3 (conv, relu) of pool2" */
const describeLayer = ({ name, op, relu, inputs }: PeerLayer): string =>
  `${name} (${op}${relu ? ', relu' : ''}) of ${inputs.join(' and ')}`;

describe('networkOfGraph', () => {
  it.each(['32-32-32', '1-2-4'])('folds batch norms and relus into convolutions, at %s', (bits) => {
    const { input, layers } = networkOf('dorefa-svhn', bits);
    expect(input).toEqual({ height: 40, width: 40, channels: 3 });
    expect(layers.map(describeLayer)).toEqual([
      'conv0 (conv, relu) of images',
      'pool0 (max-pool) of conv0',
      'conv1 (conv, relu) of pool0',
      'conv2 (conv, relu) of conv1',
      'pool2 (max-pool) of conv2',
      'conv3 (conv, relu) of pool2',
      'conv4 (conv, relu) of conv3',
      'conv5 (conv, relu) of conv4',
      'conv6 (conv, relu) of conv5',
      'fc1 (dense) of conv6',
    ]);
  });

  it('keeps what others read: a residual stream, and the batch norms after it', () => {
    const names = networkOf('resnet20', '1-2-4').layers.map(describeLayer);
    expect(names.slice(0, 6)).toEqual([
      'stem (conv) of images',
      'stage1/block1/bn1 (batch-norm, relu) of stem',
      'stage1/block1/conv1 (conv, relu) of stage1/block1/bn1',
      'stage1/block1/conv2 (conv) of stage1/block1/conv1',
      'stage1/block1 (add) of stem and stage1/block1/conv2',
      'stage1/block2/bn1 (batch-norm, relu) of stage1/block1',
    ]);
    expect(names).toContain('stage2/block1/shortcut (stride-shortcut) of stage1/block3');
    expect(names.at(-1)).toBe('fc (dense) of pool');
  });
});

it('reads maxima of a residual stream, and shortcuts to more channels', () => {
  const names = networkOf('vgg-small', '1-1-4').layers.map(describeLayer);
  expect(names.slice(0, 8)).toEqual([
    'conv1 (conv) of images',
    'conv2/bn (batch-norm, relu) of conv1',
    'conv2 (conv) of conv2/bn',
    'conv2/sum (add) of conv1 and conv2',
    'pool2 (max-pool) of conv2/sum',
    'conv3/shortcut (stride-shortcut) of pool2',
    'conv3/bn (batch-norm, relu) of pool2',
    'conv3 (conv) of conv3/bn',
  ]);
});

describe('shapes', () => {
  it('are sets or channels@pixels', () => {
    const shapes = parseConvShapes('resnet18,48@10');
    expect(shapes.map(({ name }) => name)).toEqual(['64@56', '128@28', '256@14', '512@7', '48@10']);
    expect(shapes.map(macsOf)).toEqual([115_605_504, 115_605_504, 115_605_504, 115_605_504, 2_073_600]);
    for (const text of ['resnet', '64@', '0@3', '99999@1', '']) expect(() => parseConvShapes(text)).toThrow(UsageError);
  });
});

describe('ONNX Runtime runs', () => {
  const load = (name: 'ort' | 'ort-web', skip: (note: string) => never): Promise<Ort> =>
    Ort.load(name, { threads: 1, folder: process.env.SUBBIT_PEERS }).catch((error: unknown) => {
      if (!(error instanceof UsageError)) throw error;
      console.warn(`NOT tested, peers' models are run by nobody: ${error.message}`);
      return skip(`${name} is not installed`);
    });

  it.for(['ort', 'ort-web'] as const)('every kind of layer in both precisions: %s', async (name, { skip }) => {
    const ort = await load(name, skip);
    const layers = Object.values(convShapes).flat();
    const small = layers.filter((shape) => macsOf(shape) < 3e7).map((shape) => networkOfLayer(shape));
    for (const network of [networkOf('resnet20', '1-2-4', 2), networkOf('digits', '1-2-4', 2), ...small]) {
      for (const precision of ['fp32', 'int8'] as const) {
        const { bytes, inputs } = buildPeerModel(network, { batch: 2, precision });
        const runner = await ort.prepare(bytes, inputs);
        const results = Object.values(await runner.results());
        await runner.dispose();
        for (const result of results) {
          // Neither saturated nor vanished: images give results of their own.
          const distinct = new Set<number | bigint>(result);
          expect(distinct.size, `${network.name} ${precision}`).toBeGreaterThan(8);
        }
      }
    }
  });
});

describe('networkOfLayer', () => {
  it('has as many layers in a model as it says', () => {
    const [chain, parallel] = [convShapes.resnet18![0]!, convShapes['resnet18-strided']![0]!].map((shape) =>
      networkOfLayer(shape),
    );
    expect(chain!.layers).toHaveLength(layersPerModel);
    expect(chain!.outputs).toEqual(['layer7']);
    expect(parallel!.layers.every(({ inputs }) => inputs[0] === 'images')).toBe(true);
    expect(parallel!.outputs).toHaveLength(layersPerModel);
  });
});
