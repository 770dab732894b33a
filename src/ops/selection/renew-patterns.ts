/**
 * Learned patterns, as SNN has them (papers 2.8; a comparison for selection): n real patterns whose signs are the codewords.
 *
 *     p     clamped to -3 .. 3
 *     id    a bit is the sign of p where |p| >= 1e-3 and stays as it was elsewhere
 *
 * Patterns whose signs another one before them has are replaced, signs and all, by codewords that none has, each of them as likely: without
 * that, patterns fall together. The random number of pattern j is the one at position j of (seed, stream, step).
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { Philox } from '../../util/philox.js';
import { isPositive } from '../codewords.js';
import { largestCodebook, requireIds } from './codebook.js';

export interface RenewPatternsAttributes {
  readonly seed: number;
  readonly stream: number;
}

/** kLargestPattern in renew-patterns.cc */
export const largestPattern = 3;
/** kSmallestPattern in renew-patterns.cc */
export const smallestPattern = Math.fround(1e-3);

/** patterns [n, length], ids i32 [n], step i32 [1] */
export const renewPatterns = defineOp({
  name: 'renew-patterns',
  inputs: ['patterns', 'ids', 'step'],
  outputs: [],
  mutates: ['patterns', 'ids'],
  infer([patterns, ids]: InputTypes, _: RenewPatternsAttributes) {
    const [count = 0, length = 0] = patterns!.shape;
    requireIds(ids!, Math.min(2 ** length, largestCodebook));
    if (patterns!.dtype !== 'f32' || patterns!.shape.length !== 2 || count !== sizeOf(ids!.shape)) {
      throw new SubbitError(`the patterns ${describe(patterns!)} are not those of ${describe(ids!)}`);
    }
    return [];
  },
  params: { codewords: 'i32', length: 'i32', seed: 'i32', stream: 'i32' },
  pack: ([patterns], { seed, stream }) => ({
    codewords: patterns!.shape[0]!,
    length: patterns!.shape[1]!,
    seed: seed | 0,
    stream: stream | 0,
  }),
  reference({ patterns, ids, step }, p) {
    const random = new Philox(p.seed, p.stream, step![0]!);
    const unused = new Set(Array.from({ length: 2 ** p.length }, (_, id) => id));
    const repeated: number[] = [];
    for (let j = 0; j < p.codewords; j++) {
      let id = 0;
      for (let t = 0; t < p.length; t++) {
        const at = j * p.length + t;
        const x = Math.max(-largestPattern, Math.min(largestPattern, patterns![at]!));
        const before = isPositive(ids![j]!, t, p.length);
        id = 2 * id + Number(Math.abs(x) >= smallestPattern ? x > 0 : before);
        patterns![at] = x;
      }
      ids![j] = id;
      if (!unused.delete(id)) repeated.push(j);
    }
    for (const j of repeated) {
      const id = [...unused][Math.floor(random.uniform(j) * unused.size)]!;
      unused.delete(id);
      ids![j] = id;
      for (let t = 0; t < p.length; t++) patterns![j * p.length + t] = isPositive(id, t, p.length) ? 1 : -1;
    }
  },
});
