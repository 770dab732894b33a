/**
 * How many multiply-accumulates a core can do, for benchmarks to compare kernels with: the instructions of a product's inner
 * loop, on operands from the first-level cache, in a tile of registers as a kernel would hold it, and nothing else.
 *
 *     fp32    fused multiply-add, or multiplication and addition where the instruction set has no fused one
 *     int8    u8 x s8 -> i32: vpdpbusd, NEON's dot products, vpmaddubsw, or products of bytes widened to 16 bits
 *     bit     1 bit x 1 bit: exclusive or, population count, addition
 *
 * The unit of work is the same for all instruction sets: one iteration is 48 operations on 64 bytes. All products are 1 and the
 * sums are added up at the end, so the result is the number of multiply-accumulates that were done, exactly.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { real } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';

/** In the order of their numbers in the kernel. */
export const ceilingKinds = ['fp32', 'int8', 'bit'] as const;

export type CeilingKind = (typeof ceilingKinds)[number];

/** Multiply-accumulates of one iteration. */
export const macsPerIteration: Readonly<Record<CeilingKind, number>> = { fp32: 768, int8: 3072, bit: 24576 };

/** No lane of the narrowest registers passes 2^24, up to which floats count exactly. */
const maxIterations = 2 ** 19;

export interface MeasureCeilingAttributes {
  readonly kind: CeilingKind;
  /** 1 .. 2^19 */
  readonly iterations: number;
}

export const measureCeiling = defineOp({
  name: 'measure-ceiling',
  inputs: [],
  outputs: ['macs'],
  infer(_: InputTypes, { iterations }: MeasureCeilingAttributes) {
    if (!(Number.isInteger(iterations) && iterations >= 1 && iterations <= maxIterations))
      throw new SubbitError(`iterations must be an integer in 1..${maxIterations}, not ${iterations}`);
    return [real([1])];
  },
  params: { kind: 'i32', iterations: 'i32' },
  pack: (_, { kind, iterations }) => ({ kind: ceilingKinds.indexOf(kind), iterations }),
  reference({ macs }, { kind, iterations }) {
    macs![0] = macsPerIteration[ceilingKinds[kind]!] * iterations;
  },
});
