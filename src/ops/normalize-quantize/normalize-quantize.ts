/**
 * What stands between two low-bit products, in one pass over memory: real numbers from the integers of the product before,
 * batch normalisation or a bias, a maximum over windows, a bounded activation, and the levels for the product after.
 *
 *     x -> real numbers -> batch-normalize | add-bias | nothing -> [max-pool] -> activate -> quantize-unit
 *
 * Each op here is by definition the composition of those ops, and its reference runs theirs; normalize-quantize-gradient.ts has
 * the way back. With mean, variance, gamma and beta it normalises; with beta alone it adds a bias; with neither it does nothing.
 */
import { defineOp, type InputTypes, type ParamValues } from '../../core/op.js';
import { describe, maxLevel, quantized, type Shape, sizeOf, type TypedArray } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { type ActivationKind, activate, activationKinds } from '../activation/activation.js';
import { batchNormalize } from '../batch-norm/batch-norm.js';
import { addBias, channelsOf } from '../elementwise/elementwise.js';
import { realNumbers, requireScaled, scaledOf } from '../elementwise/scaled.js';
import { maxPoolWindows, type PoolAttributes, poolParams, poolParamsOf, poolShape } from '../pool/pool.js';
import { quantizeUnit } from '../quantize/activations.js';

export interface NormalizeAttributes {
  /** Of the batch normalisation. @default 0, for none */
  readonly epsilon?: number;
  readonly kind: ActivationKind;
  /** Its windows may not overlap: stride >= size. @default no maximum */
  readonly pool?: PoolAttributes;
}

export interface NormalizeQuantizeAttributes extends NormalizeAttributes {
  readonly bits: number;
}

/** Shared by the forward op and those of the way back. */
export const normalizeParams = {
  /** Of x; without a maximum an image of single columns. */
  ...poolParams,
  isPooled: 'i32',
  epsilon: 'f32',
  kind: 'i32',
  /** After this many elements, whole pixels, kernels find the numbers per channel repeated. */
  period: 'i32',
  /** Samples are cut into tasks of whole bands (bands.h). */
  tasksPerSample: 'i32',
  xKind: 'i32',
  xStep: 'f32',
  xScaleCount: 'i32',
} as const;

export type NormalizeParams = ParamValues<typeof normalizeParams>;

/** Whole pixels that fill many registers: a loop over few channels would be over before it is fast. */
function periodOf(channels: number): number {
  const [smallest, register] = [256, 16];
  if (channels >= smallest) return channels;
  let pixels = Math.ceil(smallest / channels);
  while ((pixels * channels) % register !== 0) pixels++;
  return pixels * channels;
}

/** Elements of a task, about. */
const elementsPerTask = 32768;

/** Throws when x, its scale or the numbers per channel do not fit. `perChannel`: mean, variance, gamma, beta. */
export function requireNormalizable([x, xScale]: InputTypes, perChannel: InputTypes, pool?: PoolAttributes): void {
  requireScaled('x', [x, xScale]);
  if (x!.shape.length < 2) throw new SubbitError(`needs samples of channels, not ${describe(x!)}`);
  const given = perChannel.map((type) => (type === undefined ? 0 : 1)).join('');
  if (!['1111', '0001', '0000'].includes(given))
    throw new SubbitError('needs mean, variance, gamma and beta, or beta alone, or none of them');
  requirePerChannel(x!.shape, perChannel);
  if (pool === undefined) return;
  poolShape(x!, pool);
  if (pool.stride < pool.size)
    throw new SubbitError(`windows must not overlap: stride ${pool.stride} is smaller than the window (${pool.size})`);
}

export function requirePerChannel(x: Shape, types: InputTypes): void {
  for (const type of types) {
    if (type !== undefined && (type.dtype !== 'f32' || type.shape.join() !== String(channelsOf(x))))
      throw new SubbitError(`needs one number per channel (${channelsOf(x)}), not ${describe(type)}`);
  }
}

/** The shape of the levels. */
export function levelsShape([x]: InputTypes, pool: PoolAttributes | undefined): Shape {
  return pool === undefined ? x!.shape : poolShape(x!, pool);
}

export function packNormalize([x, xScale]: InputTypes, attributes: NormalizeAttributes): NormalizeParams {
  const { epsilon = 0, kind, pool } = attributes;
  const channels = channelsOf(x!.shape);
  const rows = sizeOf(x!.shape) / x!.shape[0]! / channels;
  const column = { size: 1, stride: 1, padTop: 0, padLeft: 0, outHeight: rows, outWidth: 1 };
  const scaled = scaledOf(x!, xScale);
  const image =
    pool === undefined ? poolParamsOf([x!.shape[0]!, rows, 1, channels], column) : poolParamsOf(x!.shape, pool);
  return {
    ...image,
    isPooled: pool === undefined ? 0 : 1,
    epsilon: Math.fround(epsilon),
    kind: activationKinds[kind],
    period: periodOf(channels),
    tasksPerSample: Math.max(1, Math.min(image.outHeight, Math.round((rows * channels) / elementsPerTask))),
    xKind: scaled.kind,
    xStep: scaled.step,
    xScaleCount: scaled.scaleCount,
  };
}

/** What the ops compute on the way, all in float32. */
export interface Normalized {
  /** The real numbers of x. */
  readonly real: TypedArray;
  /** Of the windows' maxima, or of every element. */
  readonly z: TypedArray;
  /** Where in its window each maximum was; absent without windows. */
  readonly index?: Uint8Array;
}

export type NormalizeBuffers = Readonly<Record<string, TypedArray>>;

/** The part that all ops begin with: everything up to the activation. */
export function normalize(
  { x, xScale, mean, variance, gamma, beta }: NormalizeBuffers,
  p: NormalizeParams,
): Normalized {
  const scaled = { kind: p.xKind, step: p.xStep, scaleCount: p.xScaleCount };
  const real = realNumbers(x!, xScale, scaled, p.batch);
  const rows = { rows: p.batch * p.height * p.width, channels: p.channels };
  let z: TypedArray = real;
  if (mean) {
    z = new Float32Array(real.length);
    batchNormalize.reference(
      { x: real, mean, variance: variance!, gamma: gamma!, beta: beta!, y: z },
      { ...rows, epsilon: p.epsilon },
    );
  } else if (beta) {
    z = new Float32Array(real.length);
    addBias.reference({ x: real, bias: beta, y: z }, rows);
  }
  if (!p.isPooled) return { real, z };
  const windows = p.batch * p.outHeight * p.outWidth * p.channels;
  const [maxima, index] = [new Float32Array(windows), new Uint8Array(windows)];
  maxPoolWindows(p, z, (out, best, at) => {
    maxima[out] = best;
    index[out] = at;
  });
  return { real, z: maxima, index };
}

/** Floats of five numbers per channel, repeated up to the period (channels.h). */
export const channelBytes = (p: { readonly period: number }): number => 5 * p.period * Float32Array.BYTES_PER_ELEMENT;

export const normalizeQuantize = defineOp({
  name: 'normalize-quantize',
  inputs: ['x', 'xScale?', 'mean?', 'variance?', 'gamma?', 'beta?'],
  outputs: ['levels'],
  infer([x, xScale, mean, variance, gamma, beta]: InputTypes, { bits, pool }: NormalizeQuantizeAttributes) {
    requireNormalizable([x, xScale], [mean, variance, gamma, beta], pool);
    const encoding = { kind: 'levels', max: maxLevel(bits), step: 1 / maxLevel(bits) } as const;
    return [quantized(levelsShape([x], pool), encoding)];
  },
  params: { ...normalizeParams, levels: 'i32' },
  pack: (types, attributes) => ({ ...packNormalize(types, attributes), levels: maxLevel(attributes.bits) }),
  scratchBytes: channelBytes,
  reference(buffers, p) {
    const { z } = normalize(buffers, p);
    const h = new Float32Array(z.length);
    activate.reference({ x: z, y: h }, { count: z.length, kind: p.kind });
    quantizeUnit.reference({ x: h, levels: buffers.levels! }, { count: z.length, levels: p.levels });
  },
});
