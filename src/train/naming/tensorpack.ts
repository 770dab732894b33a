/**
 * The DoReFa-Net authors' own parameters, as tensorpack saves them (examples/DoReFa-Net; papers.md 1.9, 1.10): conv1/W, fc0/b, bn1/gamma,
 * bn1/mean/EMA, bnfc0/..; filters [KH, KW, C / groups, K] and dense layers [in, out], as ours.
 *
 * What their networks see and ours do not is in the first layer, which is float, has a bias and no padding, so that it can take up any affine
 * change of its input exactly:
 *
 *     theirs   v = (byte - mean[c]) / deviation[c]     ours   x = (byte - zero[c]) * step
 *     filter'[.., c, k] = filter[.., c, k] / (deviation[c] * step)
 *     bias'[k] = bias[k] + sum of filter[.., c, k] * (zero[c] - mean[c]) / deviation[c]
 *
 * SVHN's script divides by 256; AlexNet's takes blue, green and red with ImageNet's means and deviations, and flattens [C, H, W] (since it
 * runs channels first; the released alexnet-*.npz are of that time).
 */
import type { NetworkDescription } from '../../nn/network.js';
import type { Checkpoint } from '../checkpoint.js';
import type { ForeignTensor, Naming, OwnTensor } from './naming.js';

type Tensors = Checkpoint['tensors'];

const parts: Readonly<Record<string, string>> = {
  ...{ filter: 'W', bias: 'b', gamma: 'gamma', beta: 'beta' },
  ...{ mean: 'mean/EMA', variance: 'variance/EMA' },
};

interface Input {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  readonly isBlueFirst?: boolean;
}

const grey = { mean: [0, 0, 0], deviation: [256, 256, 256] };
/** What each preset's authors give their network. */
const inputs: Readonly<Record<string, Input>> = {
  'dorefa-svhn': grey,
  'dorefa-svhn-paper': grey,
  'alexnet-dorefa': {
    mean: [0.485, 0.456, 0.406].map((mean) => 255 * mean),
    deviation: [0.229, 0.224, 0.225].map((deviation) => 255 * deviation),
    isBlueFirst: true,
  },
};

/** conv1/bn/gamma -> bn1/gamma, fc0/bn/mean -> bnfc0/mean/EMA */
function foreign({ name, shape, image }: OwnTensor): ForeignTensor {
  const [, layer, norm, part] = /^(\w+)(\/bn)?\/(\w+)$/.exec(name) ?? [];
  const module = norm === undefined ? layer : `bn${layer!.replace(/^conv/, '')}`;
  const names = [`${module}/${parts[part ?? ''] ?? part}`];
  return { names, axes: image === undefined ? shape.map((_, axis) => [axis]) : [[2, 0, 1], [3]] };
}

function absorbInput(
  tensors: Tensors,
  { preset, step, zeroPoints }: Pick<NetworkDescription, 'preset' | 'step' | 'zeroPoints'>,
): Tensors {
  const input = inputs[preset];
  const [filter, bias] = [tensors['conv0/filter'], tensors['conv0/bias']];
  if (input === undefined || filter === undefined || bias === undefined) return tensors;
  const [height, width, channels, outputs] = filter.shape as [number, number, number, number];
  const scaled = new Float32Array(filter.data.length);
  const moved = Float64Array.from(bias.data);
  for (let tap = 0; tap < height * width; tap++)
    for (let channel = 0; channel < channels; channel++) {
      const theirs = input.isBlueFirst ? channels - 1 - channel : channel;
      const [mean, deviation] = [input.mean[channel]!, input.deviation[channel]!];
      const zero = zeroPoints[zeroPoints.length === 1 ? 0 : channel]!;
      for (let k = 0; k < outputs; k++) {
        const weight = filter.data[(tap * channels + theirs) * outputs + k]!;
        scaled[(tap * channels + channel) * outputs + k] = weight / (deviation * step);
        moved[k]! += (weight * (zero - mean)) / deviation;
      }
    }
  return {
    ...tensors,
    'conv0/filter': { ...filter, data: scaled },
    'conv0/bias': { ...bias, data: Float32Array.from(moved) },
  };
}

export const tensorpack: Naming = {
  name: 'tensorpack',
  recognizes: (names) => names.some((name) => /\/W(:0)?$/.test(name)),
  // Of the optimizer and the summaries.
  isIgnored: (name) => /^[^/]*$|^EMA\/|\/(Adam(_1)?|Momentum)(:0)?$/.test(name),
  foreign,
  rename: (names) => names.map((name) => name.replace(/:0$/, '')),
  absorbInput,
};
