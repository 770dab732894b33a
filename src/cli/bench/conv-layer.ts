/**
 * Quantized convolutions as a deployed network has them: byte levels in, byte levels out, thresholds of a random batch norm
 * behind each. What `bench conv` times, and what tuning measures kernels with.
 */
import { Graph, type Value } from '../../core/graph.js';
import { maxLevel, quantized } from '../../core/tensor.js';
import { codewordTaps, numCodewords, writeCodeword } from '../../ops/codewords.js';
import { threshold } from '../../ops/integer/threshold.js';
import { integerConv2d } from '../../ops/integer-conv2d/integer-conv2d.js';
import { Philox } from '../../util/philox.js';
import { type ConvShape, outPixels } from './conv-shapes.js';

export interface ConvLayers {
  readonly shape: ConvShape;
  readonly weightBits: number;
  readonly activationBits: number;
  /** How many patterns the 3x3 filters of 1 bit are drawn from. @default any */
  readonly codewords?: number | undefined;
  /** How many layers with weights of their own, one after the other; side by side where input and output differ in shape. */
  readonly count: number;
}

/** Input 'x' u8 levels; outputs 'y0', 'y1', .. u8 levels. */
export function layersGraph({ shape, weightBits, activationBits, codewords, count }: ConvLayers): Graph {
  const { pixels, inChannels, outChannels } = shape;
  const graph = new Graph();
  const levels = maxLevel(activationBits);
  const encoding = { kind: 'levels', max: levels, step: 1 / levels } as const;
  const x = graph.input('x', quantized([1, pixels, pixels, inChannels], encoding));
  const isChain = inChannels === outChannels && outPixels(shape) === pixels;
  let value = x;
  for (let i = 0; i < count; i++) {
    value = addLayer(graph, isChain ? value : x, `${shape.name}/${i}`, shape, weightBits, levels, codewords);
    if (!isChain || i === count - 1) graph.output(`y${i}`, value);
  }
  return graph;
}

function addLayer(
  graph: Graph,
  x: Value,
  name: string,
  { inChannels, outChannels, size, stride, padding, groups, ...rest }: ConvShape,
  weightBits: number,
  levels: number,
  codewords: number | undefined,
): Value {
  const random = new Philox(1, name);
  const filterType = quantized([size, size, inChannels / groups, outChannels], {
    kind: 'bipolar',
    max: maxLevel(weightBits),
    step: 1 / maxLevel(weightBits),
  });
  const terms = (size * size * inChannels) / groups;
  const weights =
    codewords === undefined
      ? Uint8Array.from({ length: terms * outChannels }, () => random.nextInt(maxLevel(weightBits) + 1))
      : codebookFilter((terms * outChannels) / codewordTaps, codewords, random);
  const out = outPixels({ inChannels, outChannels, size, stride, padding, groups, ...rest });
  const y = graph.apply(integerConv2d, name, [x, graph.constant(`${name}/filter`, filterType, weights)], {
    ...{ stride, dilation: 1, groups, padTop: padding, padLeft: padding, outHeight: out, outWidth: out },
  });
  // As batch norm leaves them: levels spread over two deviations of the sum, about a mean of the channel's own.
  const deviation = 0.5 * levels * maxLevel(weightBits) * Math.sqrt(terms);
  const up = new Int32Array(levels * outChannels);
  for (let k = 0; k < outChannels; k++) {
    const [centre, spread] = [0.3 * deviation * random.nextNormal(), deviation * (1 + random.next())];
    for (let j = 0; j < levels; j++) up[j * outChannels + k] = Math.ceil(centre + spread * ((j + 0.5) / levels - 0.5));
  }
  const thresholds = graph.constant(`${name}/up`, { dtype: 'i32', shape: [levels, outChannels] }, up);
  return graph.apply(threshold, `${name}/levels`, [y, thresholds], {});
}

/** The levels of a 3x3 filter of `channels` pairs of channels whose patterns are drawn from random codewords. */
function codebookFilter(channels: number, codewords: number, random: Philox): Uint8Array {
  const chosen = new Set<number>();
  while (chosen.size < codewords) chosen.add(random.nextInt(numCodewords));
  const codebook = [...chosen];
  const filter = new Uint8Array(codewordTaps * channels);
  for (let channel = 0; channel < channels; channel++)
    writeCodeword(filter, channels, channel, codebook[random.nextInt(codewords)]!);
  return filter;
}

/** Random levels for the layer's input. */
export function randomLevels(count: number, bits: number): Uint8Array {
  const random = new Philox(2, 'x');
  return Uint8Array.from({ length: count }, () => random.nextInt(maxLevel(bits) + 1));
}
