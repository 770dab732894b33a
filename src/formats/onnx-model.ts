/**
 * ONNX models as plain data (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): a graph of nodes with stored weights, as onnx-writer.ts
 * writes and onnx-reader.ts reads it.
 */

/**
 * ONNX's numbers of the element types, and the array that holds the elements: of the packed ones, one in each byte. Half floats are read
 * as float32.
 */
export const elementTypes = {
  float32: { code: 1, array: Float32Array, bits: 32 },
  uint8: { code: 2, array: Uint8Array, bits: 8 },
  int8: { code: 3, array: Int8Array, bits: 8 },
  uint16: { code: 4, array: Uint16Array, bits: 16 },
  int16: { code: 5, array: Int16Array, bits: 16 },
  int32: { code: 6, array: Int32Array, bits: 32 },
  int64: { code: 7, array: BigInt64Array, bits: 64 },
  bool: { code: 9, array: Uint8Array, bits: 8 },
  float64: { code: 11, array: Float64Array, bits: 64 },
  uint32: { code: 12, array: Uint32Array, bits: 32 },
  uint4: { code: 21, array: Uint8Array, bits: 4 },
  int4: { code: 22, array: Int8Array, bits: 4 },
  uint2: { code: 25, array: Uint8Array, bits: 2 },
  int2: { code: 26, array: Int8Array, bits: 2 },
} as const;

export type OnnxElementType = keyof typeof elementTypes;
export type OnnxArray =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigInt64Array;

/** A graph's input or output. */
export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxElementType;
  /** A text is a named size that the caller of the model chooses. */
  readonly shape: readonly (number | string)[];
}

/** A tensor that is stored in the model. */
export interface OnnxTensor {
  readonly shape: readonly number[];
  readonly data: OnnxArray;
  /** @default that of the array, a whole number of bytes */
  readonly type?: OnnxElementType;
}

export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly text: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | { readonly texts: readonly string[] }
  | { readonly tensor: OnnxTensor }
  /** In a function's body: the function's own attribute of that name, an integer. */
  | { readonly intOf: string }
  /** Read only: what subbit knows no use for, a graph for example. */
  | { readonly other: string };

export interface OnnxNode {
  /** As ONNX spells it: 'Conv'. */
  readonly op: string;
  /** @default the standard operators */
  readonly domain?: string;
  readonly name?: string;
  /** '' leaves an optional input out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
}

/** An operator that the model brings along, as a graph of others. */
export interface OnnxFunction {
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly string[];
  readonly nodes: readonly OnnxNode[];
}

export interface OnnxModel {
  readonly name: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly initializers: Readonly<Record<string, OnnxTensor>>;
  /** In an order in which they can run. */
  readonly nodes: readonly OnnxNode[];
  /** Version of the standard operators. @default 17 */
  readonly opset?: number;
  /** Versions of further sets of operators, by domain. */
  readonly domains?: Readonly<Record<string, number>>;
  /** @default 8, of the same time as opset 17 */
  readonly irVersion?: number;
  readonly functions?: readonly OnnxFunction[];
  /** What else the file says, by name. */
  readonly metadata?: Readonly<Record<string, string>>;
}
