/**
 * Writes ONNX models (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): just the messages that a graph of nodes with
 * stored weights needs, in Protocol Buffers' wire format. A message is a row of fields, each a tag (number * 8 + wire type)
 * and its contents:
 *
 *     wire type 0    varint: seven bits per byte, the lowest first; negative numbers as 64-bit two's complement
 *     wire type 2    a varint with the number of bytes, and the bytes: text, raw data, or another message
 *     wire type 5    four bytes: float
 *
 * The writer's bytes depend on nothing but its arguments. Weights are stored as raw_data, which is little-endian, as all
 * machines are that run Node or a browser; they are copied once, when the model is put together. Protocol Buffers libraries
 * end at 2 GB per message, and so does this writer.
 */
import { SubbitError } from '../util/errors.js';

/** ONNX's numbers of the element types, and the array that holds the elements: of the packed ones, one in each byte. */
const elementTypes = {
  float32: { code: 1, array: Float32Array, bits: 32 },
  uint8: { code: 2, array: Uint8Array, bits: 8 },
  int8: { code: 3, array: Int8Array, bits: 8 },
  int16: { code: 5, array: Int16Array, bits: 16 },
  int32: { code: 6, array: Int32Array, bits: 32 },
  int64: { code: 7, array: BigInt64Array, bits: 64 },
  uint4: { code: 21, array: Uint8Array, bits: 4 },
  int4: { code: 22, array: Int8Array, bits: 4 },
  uint2: { code: 25, array: Uint8Array, bits: 2 },
  int2: { code: 26, array: Int8Array, bits: 2 },
} as const;

export type OnnxElementType = keyof typeof elementTypes;
export type OnnxArray = Float32Array | Uint8Array | Int8Array | Int16Array | Int32Array | BigInt64Array;

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
  | { readonly tensor: OnnxTensor }
  /** In a function's body: the function's own attribute of that name, an integer. */
  | { readonly intOf: string };

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

const maxBytes = 2 ** 31 - 1;

/** The bytes of a model file. Throws a SubbitError for a tensor whose data does not have its shape's size. */
export function encodeOnnx(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const file = new Message().int(1, model.irVersion ?? 8).text(2, 'subbit');
  file.message(7, encodeGraph(model));
  const opset = model.opset ?? 17;
  for (const [domain, version] of Object.entries({ '': opset, ...model.domains }))
    file.message(8, new Message().text(1, domain).int(2, version));
  for (const [key, value] of Object.entries(model.metadata ?? {}))
    file.message(14, new Message().text(1, key).text(2, value));
  for (const each of model.functions ?? []) file.message(25, encodeFunction(each, opset));
  if (file.bytes > maxBytes) throw new SubbitError(`the ONNX model '${model.name}' has ${file.bytes} bytes, over 2 GB`);
  return file.toBytes();
}

function encodeGraph({ name, inputs, outputs, initializers, nodes }: OnnxModel): Message {
  const graph = new Message();
  for (const node of nodes) graph.message(1, encodeNode(node));
  graph.text(2, name);
  for (const [tensorName, tensor] of Object.entries(initializers)) graph.message(5, encodeTensor(tensorName, tensor));
  for (const value of inputs) graph.message(11, encodeValue(value));
  for (const value of outputs) graph.message(12, encodeValue(value));
  return graph;
}

function encodeFunction({ domain, name, inputs, outputs, attributes, nodes }: OnnxFunction, opset: number): Message {
  const message = new Message().text(1, name);
  for (const input of inputs) message.text(4, input);
  for (const output of outputs) message.text(5, output);
  for (const attribute of attributes) message.text(6, attribute);
  for (const node of nodes) message.message(7, encodeNode(node));
  return message.message(9, new Message().text(1, '').int(2, opset)).text(10, domain);
}

function encodeNode({ op, domain, name, inputs, outputs, attributes = {} }: OnnxNode): Message {
  const node = new Message();
  for (const input of inputs) node.text(1, input);
  for (const output of outputs) node.text(2, output);
  if (name !== undefined) node.text(3, name);
  node.text(4, op);
  for (const [attributeName, attribute] of Object.entries(attributes))
    node.message(5, encodeAttribute(attributeName, attribute));
  if (domain !== undefined) node.text(7, domain);
  return node;
}

/** Field 20 says which of the fields for values holds the value. */
function encodeAttribute(name: string, attribute: OnnxAttribute): Message {
  const message = new Message().text(1, name);
  if ('float' in attribute) return message.float(2, attribute.float).int(20, 1);
  if ('int' in attribute) return message.int(3, attribute.int).int(20, 2);
  if ('text' in attribute) return message.text(4, attribute.text).int(20, 3);
  if ('tensor' in attribute) return message.message(5, encodeTensor('', attribute.tensor)).int(20, 4);
  if ('intOf' in attribute) return message.int(20, 2).text(21, attribute.intOf);
  for (const value of attribute.ints) message.int(8, value);
  return message.int(20, 7);
}

function encodeTensor(name: string, { shape, data, type = typeOf(data) }: OnnxTensor): Message {
  const elements = shape.reduce((product, extent) => product * extent, 1);
  if (elements !== data.length) {
    throw new SubbitError(
      `the ONNX tensor '${name}' of shape [${shape}] needs ${elements} elements, not ${data.length}`,
    );
  }
  const message = new Message();
  for (const extent of shape) message.int(1, extent);
  const { code, bits } = elementTypes[type];
  message.int(2, code).text(8, name);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return message.raw(9, bits < 8 ? packedElements(bytes, bits) : bytes);
}

function typeOf(data: OnnxArray): OnnxElementType {
  const types = Object.entries(elementTypes) as [OnnxElementType, (typeof elementTypes)[OnnxElementType]][];
  return types.find(([, { array, bits }]) => bits >= 8 && data instanceof array)![0];
}

/** The low `bits` of each byte, the first element lowest. */
function packedElements(elements: Uint8Array, bits: number): Uint8Array {
  const perByte = 8 / bits;
  const packed = new Uint8Array(Math.ceil(elements.length / perByte));
  for (const [i, element] of elements.entries())
    packed[Math.floor(i / perByte)]! |= (element & (2 ** bits - 1)) << (bits * (i % perByte));
  return packed;
}

function encodeValue({ name, type, shape }: OnnxValue): Message {
  const dimensions = new Message();
  for (const extent of shape) {
    dimensions.message(1, typeof extent === 'string' ? new Message().text(2, extent) : new Message().int(1, extent));
  }
  const tensorType = new Message().int(1, elementTypes[type].code).message(2, dimensions);
  return new Message().text(1, name).message(2, new Message().message(1, tensorType));
}

/** Fields in the order of the calls. Contents stay where they are until `toBytes`. */
class Message {
  bytes = 0;
  readonly #pieces: Uint8Array[] = [];

  int(field: number, value: number): this {
    return this.#push(varint(field * 8)).#push(varint(value));
  }

  float(field: number, value: number): this {
    return this.#push(varint(field * 8 + 5)).#push(new Uint8Array(Float32Array.of(value).buffer));
  }

  raw(field: number, contents: Uint8Array): this {
    return this.#push(varint(field * 8 + 2))
      .#push(varint(contents.length))
      .#push(contents);
  }

  text(field: number, value: string): this {
    return this.raw(field, new TextEncoder().encode(value));
  }

  message(field: number, inner: Message): this {
    this.#push(varint(field * 8 + 2)).#push(varint(inner.bytes));
    for (const piece of inner.#pieces) this.#push(piece);
    return this;
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.bytes);
    let offset = 0;
    for (const piece of this.#pieces) {
      all.set(piece, offset);
      offset += piece.length;
    }
    return all;
  }

  #push(piece: Uint8Array): this {
    this.#pieces.push(piece);
    this.bytes += piece.length;
    return this;
  }
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
