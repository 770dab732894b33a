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

/** ONNX's numbers of the element types, and the array that holds the elements. */
const elementTypes = {
  float32: { code: 1, array: Float32Array },
  uint8: { code: 2, array: Uint8Array },
  int8: { code: 3, array: Int8Array },
  int32: { code: 6, array: Int32Array },
  int64: { code: 7, array: BigInt64Array },
} as const;

export type OnnxElementType = keyof typeof elementTypes;
export type OnnxArray = Float32Array | Uint8Array | Int8Array | Int32Array | BigInt64Array;

/** A graph's input or output. */
export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxElementType;
  /** A text is a named size that the caller of the model chooses. */
  readonly shape: readonly (number | string)[];
}

/** A tensor that is stored in the model; the type of its elements is that of the array. */
export interface OnnxTensor {
  readonly shape: readonly number[];
  readonly data: OnnxArray;
}

export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly tensor: OnnxTensor };

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
}

const maxBytes = 2 ** 31 - 1;

/** The bytes of a model file. Throws a SubbitError for a tensor whose data does not have its shape's size. */
export function encodeOnnx(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const file = new Message().int(1, model.irVersion ?? 8).text(2, 'subbit');
  file.message(7, encodeGraph(model));
  for (const [domain, version] of Object.entries({ '': model.opset ?? 17, ...model.domains }))
    file.message(8, new Message().text(1, domain).int(2, version));
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
  if ('tensor' in attribute) return message.message(5, encodeTensor('', attribute.tensor)).int(20, 4);
  for (const value of attribute.ints) message.int(8, value);
  return message.int(20, 7);
}

function encodeTensor(name: string, { shape, data }: OnnxTensor): Message {
  const elements = shape.reduce((product, extent) => product * extent, 1);
  if (elements !== data.length) {
    throw new SubbitError(
      `the ONNX tensor '${name}' of shape [${shape}] needs ${elements} elements, not ${data.length}`,
    );
  }
  const message = new Message();
  for (const extent of shape) message.int(1, extent);
  message.int(2, codeOf(data)).text(8, name);
  return message.raw(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function codeOf(data: OnnxArray): number {
  return Object.values(elementTypes).find(({ array }) => data instanceof array)!.code;
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
