/**
 * The way back through normalize-quantize.ts. Nothing was kept on the way forward: z is computed again from x, which costs less
 * than the memory traffic of keeping it.
 *
 *     dz                       h'(z) dy at the first maximum of each window, zero elsewhere; the quantizer's gradient is dy
 *     normalize-quantize-gradient-sums     dGamma = sum dz xHat, dBeta = sum dz
 *     normalize-quantize-gradient          dx as batch-norm-gradient of dz; dz itself where nothing is normalised
 *     normalize-quantize-gradient-levels   the levels of dx and their scale per sample, as max-abs-per-sample and
 *                                          quantize-gradient give them, with the noise of the same positions
 *
 * The last one keeps a sample's dx in the cache until its largest magnitude is known, so that no tensor of x's size is ever
 * written in floats.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, maxLevel, quantized, real, sizeOf, type TypedArray } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { activateGradient } from '../activation/activation.js';
import { batchNormGradient, batchNormGradientSums } from '../batch-norm/batch-norm.js';
import { channelsOf, sumRows } from '../elementwise/elementwise.js';
import { realNumbers, requireScaled, scaledOf } from '../elementwise/scaled.js';
import { maxPoolGradient } from '../pool/pool.js';
import { maxAbsPerSample, quantizeGradient } from '../quantize/gradients.js';
import {
  channelBytes,
  levelsShape,
  type NormalizeAttributes,
  type NormalizeBuffers,
  type NormalizeParams,
  normalize,
  normalizeParams,
  packNormalize,
  requireNormalizable,
  requirePerChannel,
} from './normalize-quantize.js';

/** The first slots of the three ops. */
const inputs = ['x', 'xScale?', 'dy', 'dyScale?', 'mean?', 'variance?', 'gamma?', 'beta?'] as const;

const params = { ...normalizeParams, dyKind: 'i32', dyStep: 'f32', dyScaleCount: 'i32' } as const;

export type GradientParams = NormalizeParams & {
  readonly dyKind: number;
  readonly dyStep: number;
  readonly dyScaleCount: number;
};

function requireGradient(types: InputTypes, { pool }: NormalizeAttributes): void {
  const [x, xScale, dy, dyScale, mean, variance, gamma, beta] = types;
  requireNormalizable([x, xScale], [mean, variance, gamma, beta], pool);
  requireScaled('dy', [dy, dyScale]);
  const shape = levelsShape([x], pool);
  if (dy!.shape.join() !== shape.join())
    throw new SubbitError(`dy must have the shape of the levels ([${shape.join(', ')}]), not ${describe(dy!)}`);
}

/** dGamma and dBeta belong to the statistics. */
function requireSums(types: InputTypes): void {
  const [x, , , , mean, , , , dGamma, dBeta] = types;
  if ((mean === undefined) !== (dGamma === undefined) || (mean === undefined) !== (dBeta === undefined))
    throw new SubbitError('needs dGamma and dBeta where it normalises, and only there');
  requirePerChannel(x!.shape, [dGamma, dBeta]);
}

function packGradient([x, xScale, dy, dyScale]: InputTypes, attributes: NormalizeAttributes): GradientParams {
  const scaled = scaledOf(dy!, dyScale);
  return {
    ...packNormalize([x, xScale], attributes),
    dyKind: scaled.kind,
    dyStep: scaled.step,
    dyScaleCount: scaled.scaleCount,
  };
}

/** The real numbers of x, and dz of the same shape. */
export function gradientOfZ(buffers: NormalizeBuffers, p: GradientParams): { real: TypedArray; dz: TypedArray } {
  const { real, z, index } = normalize(buffers, p);
  const scaled = { kind: p.dyKind, step: p.dyStep, scaleCount: p.dyScaleCount };
  const dy = realNumbers(buffers.dy!, buffers.dyScale, scaled, p.batch);
  const slopes = new Float32Array(z.length);
  activateGradient.reference({ x: z, dy, dx: slopes }, { count: z.length, kind: p.kind });
  if (index === undefined) return { real, dz: slopes };
  const dz = new Float32Array(real.length);
  maxPoolGradient.reference({ dy: slopes, index, dx: dz }, p);
  return { real, dz };
}

const rowsOf = (p: NormalizeParams): number => p.batch * p.height * p.width;

export const normalizeQuantizeGradientSums = defineOp({
  name: 'normalize-quantize-gradient-sums',
  inputs,
  /** Without statistics there is no gamma, and dGamma has no elements. */
  outputs: ['dGamma', 'dBeta'],
  infer(types: InputTypes, attributes: NormalizeAttributes) {
    requireGradient(types, attributes);
    const channels = channelsOf(types[0]!.shape);
    return [real([types[4] === undefined ? 0 : channels]), real([channels])];
  },
  params,
  pack: packGradient,
  /** Beside the numbers per channel: two sums in double per task and channel. */
  scratchBytes: (p) => channelBytes(p) + 2 * p.batch * p.tasksPerSample * p.channels * Float64Array.BYTES_PER_ELEMENT,
  reference(buffers, p) {
    const { real, dz } = gradientOfZ(buffers, p);
    const { mean, variance, dGamma, dBeta } = buffers;
    const rows = { rows: rowsOf(p), channels: p.channels };
    if (!mean) return sumRows.reference({ x: dz, sum: dBeta! }, rows);
    batchNormGradientSums.reference(
      { x: real, dy: dz, mean, variance: variance!, dGamma: dGamma!, dBeta: dBeta! },
      { ...rows, epsilon: p.epsilon },
    );
  },
});

/** dx, in buffers of x's shape. */
function gradientOfX(buffers: NormalizeBuffers, p: GradientParams, dx: TypedArray): void {
  const { real, dz } = gradientOfZ(buffers, p);
  const { mean, variance, gamma, dGamma, dBeta } = buffers;
  if (!mean) {
    dx.set(dz);
    return;
  }
  batchNormGradient.reference(
    { x: real, dy: dz, mean, variance: variance!, gamma: gamma!, dGamma: dGamma!, dBeta: dBeta!, dx },
    { rows: rowsOf(p), channels: p.channels, epsilon: p.epsilon },
  );
}

export const normalizeQuantizeGradient = defineOp({
  name: 'normalize-quantize-gradient',
  inputs: [...inputs, 'dGamma?', 'dBeta?'],
  outputs: ['dx'],
  infer(types: InputTypes, attributes: NormalizeAttributes) {
    requireGradient(types, attributes);
    requireSums(types);
    return [real(types[0]!.shape)];
  },
  params,
  pack: packGradient,
  scratchBytes: channelBytes,
  reference(buffers, p) {
    gradientOfX(buffers, p, buffers.dx!);
  },
});

export interface NormalizeQuantizeGradientLevelsAttributes extends NormalizeAttributes {
  /** As of quantize-gradient: bits of the levels, and where the noise comes from. */
  readonly gradientBits: number;
  readonly seed: number;
  readonly stream: number;
}

export const normalizeQuantizeGradientLevels = defineOp({
  name: 'normalize-quantize-gradient-levels',
  inputs: [...inputs, 'dGamma?', 'dBeta?', 'step'],
  outputs: ['levels', 'max'],
  infer(types: InputTypes, attributes: NormalizeQuantizeGradientLevelsAttributes) {
    requireGradient(types, attributes);
    requireSums(types);
    const { shape } = types[0]!;
    const levels = maxLevel(attributes.gradientBits);
    return [
      quantized(shape, { kind: 'bipolar', max: levels, step: 1 / levels, scaleAxis: 'first' }),
      real([shape[0]!]),
    ];
  },
  params: { ...params, levels: 'i32', seed: 'i32', stream: 'i32' },
  pack(types, attributes) {
    const { gradientBits, seed, stream } = attributes;
    return {
      ...packGradient(types, attributes),
      levels: maxLevel(gradientBits),
      seed: seed | 0,
      stream: stream | 0,
    };
  },
  scratchBytes: channelBytes,
  reference(buffers, p) {
    const { x, step, levels, max } = buffers;
    const dx = new Float32Array(x!.length);
    gradientOfX(buffers, p, dx);
    const samples = { samples: p.batch, elements: sizeOf([p.height, p.width, p.channels]) };
    maxAbsPerSample.reference({ x: dx, max: max! }, samples);
    quantizeGradient.reference(
      { dy: dx, max: max!, step: step!, levels: levels! },
      { ...samples, levels: p.levels, seed: p.seed, stream: p.stream },
    );
  },
});
