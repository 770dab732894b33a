/**
 * An operation, declared once for all its readers: the graph (slots, shape rule), the reference backend, and, through
 * `params`, the C++ kernels, whose parameter structs and dispatch table are generated from this declaration.
 *
 * `reference` is the specification: plain loops over typed arrays. It reads nothing but the buffers and params that a
 * compiled kernel reads, so the two are interchangeable.
 */
import type { Operand, TensorType, TypedArray } from './tensor.js';

/** i32 and f32 are one 32-bit word; an operand is six (isReal, multiplier, offset[4]). */
export type ParamKind = 'i32' | 'f32' | 'operand';
export type ParamSpec = Readonly<Record<string, ParamKind>>;
export type ParamValues<S extends ParamSpec> = { readonly [K in keyof S]: S[K] extends 'operand' ? Operand : number };

export type InputTypes = readonly (TensorType | undefined)[];

/** Buffers by slot name. Absent optional inputs are undefined. */
export type Buffers = Readonly<Record<string, TypedArray>>;

export interface Op<A = never, S extends ParamSpec = ParamSpec> {
  /** kebab-case; the C++ function is the same in Pascal case. */
  readonly name: string;
  /** Slot names in order; a trailing `?` marks an optional slot. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Input slots that the op writes to (optimizer state, running statistics). An op that mutates is never removed as unused. */
  readonly mutates?: readonly string[];
  /** The first output is the first input's memory under another type: nothing runs. */
  readonly isAlias?: true;
  /** Output types; throws a SubbitError that names what does not fit. */
  infer(inputs: InputTypes, attributes: A): TensorType[];
  readonly params: S;
  pack(inputs: InputTypes, attributes: A): ParamValues<S>;
  /** Bytes of scratch memory that the kernel wants for these params. @default none */
  scratchBytes?(params: ParamValues<S>): number;
  reference(buffers: Buffers, params: ParamValues<S>): void;
}

/** An op of any attributes, as the graph holds it. */
// biome-ignore lint/suspicious/noExplicitAny: attributes are checked where a node is added; a list of ops must hold them all.
export type AnyOp = Op<any, any>;

export function defineOp<A, const S extends ParamSpec>(op: Op<A, S>): Op<A, S> {
  return op;
}

export const slotName = (slot: string): string => slot.replace('?', '');
export const isOptional = (slot: string): boolean => slot.endsWith('?');

/** conv2d-filter-gradient -> Conv2dFilterGradient */
export function pascalName(name: string): string {
  return name.replace(/(^|-)([a-z0-9])/g, (_, __, letter: string) => letter.toUpperCase());
}
