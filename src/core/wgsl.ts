/**
 * What a kernel in WGSL is: for a call of its op a list of passes, each a piece of WGSL that many invocations run. The backend
 * (src/backends/webgpu) puts the bindings around it. WGSL has bytes in words of four, so what it generates for each slot is functions:
 *
 *     get_x(i: u32)          the i-th element: f32, i32 (of i32 and i16), or u32 (of u8)
 *     set_y(i: u32, v)       of f32 and i32; bytes and halves are written as words
 *     word_x(w: u32) -> u32, set_word_y(w: u32, v: u32)       any slot's memory as words, the last of which may be partly padding
 *     real_x(i: u32, c: u32) -> f32, integer_x(i: u32, c: u32) -> i32
 *                            where the op has a param of kind `operand` named as the slot: what the element of channel c means
 *     const has_x: bool      whether an optional slot is there (its functions are, and give 0)
 *     p.name                 the op's params
 *
 * A kernel that wants scratch memory has it as a slot `scratch` of f32.
 *
 * Float arithmetic on a GPU is not what it is on a processor: drivers may fuse a * b + c, divide with an error of 2.5 units, flush denormal
 * numbers and leave out NaNs. So integers are exact and floats are held to a bound (src/ops/webgpu.test.ts).
 */
import type { AnyOp, Op, ParamSpec, ParamValues } from './op.js';
import type { TensorType } from './tensor.js';

export interface WgslPass {
  /**
   * Module-scope WGSL with `fn run(i: u32)`; with `lanes` it is `fn run(group: u32, lane: u32)`, and the module may have variables of
   * the workgroup and barriers.
   */
  readonly code: string;
  /** Invocations, or with `lanes` groups of them. */
  readonly count: number;
  /** Invocations of a group, at most `limits.lanes`. */
  readonly lanes?: number;
  /** What the code reads as `p.NAME`, u32, beside the op's params: numbers that would make another text of it if they stood in it. */
  readonly values?: Readonly<Record<string, number>>;
}

export interface WgslLimits {
  /** Most invocations of a group: 256 or more, in browsers that run on old interfaces 128. */
  readonly lanes: number;
  /** Of memory that a group shares: 16384 or more. */
  readonly groupBytes: number;
}

/** What a kernel is made for. */
export interface WgslCall<S extends ParamSpec = ParamSpec> {
  readonly params: ParamValues<S>;
  /** By slot; absent ones are undefined. */
  readonly types: Readonly<Record<string, TensorType | undefined>>;
  readonly limits: WgslLimits;
  /** Whether the language has dot4U8Packed and dot4I8Packed. */
  readonly hasPackedDot: boolean;
}

export interface WgslKernel<S extends ParamSpec = ParamSpec> {
  passes(call: WgslCall<S>): readonly WgslPass[];
  /** @default none */
  scratchBytes?(call: WgslCall<S>): number;
}

// biome-ignore lint/suspicious/noExplicitAny: a list of kernels holds those of all params.
export type AnyWgslKernel = WgslKernel<any>;
export type WgslKernels = ReadonlyMap<AnyOp, AnyWgslKernel>;

/** An entry of a list of kernels. */
export function defineWgsl<A, S extends ParamSpec>(
  op: Op<A, S>,
  kernel: WgslKernel<S> | WgslKernel<S>['passes'],
): readonly [AnyOp, AnyWgslKernel] {
  return [op as AnyOp, typeof kernel === 'function' ? { passes: kernel } : kernel];
}
