/**
 * RPReLU (ReActNet; papers 3.4): a leaky relu whose kink, slope and offset are learned per channel.
 *
 *     f(x) = x - gamma + zeta            where x > gamma
 *            beta (x - gamma) + zeta     elsewhere
 *
 *     dx = dy or beta dy        dGamma = -sum dx        dBeta = sum of (x - gamma) dy where x <= gamma        dZeta = sum dy
 *
 * Elementwise arithmetic is rounded to float32 in the order written; the sums go over all axes but the last, in chunks of rows in
 * a fixed order.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, real, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { channelsOf, requireReal, requireSameShape, rowsPerChunk } from '../elementwise/elementwise.js';

const params = { rows: 'i32', channels: 'i32' } as const;

const pack = ([x]: InputTypes) => ({ rows: sizeOf(x!.shape) / channelsOf(x!.shape), channels: channelsOf(x!.shape) });

function requirePerChannel([x, ...perChannel]: InputTypes): void {
  requireReal(x!);
  for (const type of perChannel) {
    if (type!.dtype !== 'f32' || type!.shape.join() !== String(channelsOf(x!.shape)))
      throw new SubbitError(`needs one number per channel (${channelsOf(x!.shape)}), not ${describe(type!)}`);
  }
}

export const rprelu = defineOp({
  name: 'rprelu',
  inputs: ['x', 'gamma', 'beta', 'zeta'],
  outputs: ['y'],
  infer(types: InputTypes, _: Record<string, never>) {
    requirePerChannel(types);
    return [types[0]!];
  },
  params,
  pack,
  reference({ x, gamma, beta, zeta, y }, p) {
    for (let i = 0; i < p.rows * p.channels; i++) {
      const c = i % p.channels;
      const distance = Math.fround(x![i]! - gamma![c]!);
      y![i] = (distance > 0 ? distance : Math.fround(beta![c]! * distance)) + zeta![c]!;
    }
  },
});

export const rpreluGradient = defineOp({
  name: 'rprelu-gradient',
  inputs: ['x', 'gamma', 'beta', 'dy'],
  outputs: ['dx', 'dGamma', 'dBeta', 'dZeta'],
  infer([x, gamma, beta, dy]: InputTypes, _: Record<string, never>) {
    requireSameShape([x, dy]);
    requirePerChannel([x, gamma, beta]);
    const perChannel = real([channelsOf(x!.shape)]);
    return [x!, perChannel, perChannel, perChannel];
  },
  params,
  pack,
  /** Three partial sums per chunk of rows. */
  scratchBytes: (p) => 3 * Math.ceil(p.rows / rowsPerChunk) * p.channels * Float64Array.BYTES_PER_ELEMENT,
  reference({ x, gamma, beta, dy, dx, dGamma, dBeta, dZeta }, p) {
    for (let c = 0; c < p.channels; c++) {
      let [passed, below, all] = [0, 0, 0];
      for (let row = 0; row < p.rows; row++) {
        const i = row * p.channels + c;
        const distance = Math.fround(x![i]! - gamma![c]!);
        const gradient = distance > 0 ? dy![i]! : Math.fround(beta![c]! * dy![i]!);
        dx![i] = gradient;
        passed += gradient;
        below += distance > 0 ? 0 : distance * dy![i]!;
        all += dy![i]!;
      }
      dGamma![c] = -passed;
      dBeta![c] = below;
      dZeta![c] = all;
    }
  },
});
