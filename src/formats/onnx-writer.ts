/**
 * Writes ONNX models: the messages that a graph of nodes with stored weights needs (onnx-model.ts), in Protocol Buffers' wire format. The
 * bytes depend on nothing but the arguments. Weights are stored as raw_data, which is little-endian, as all machines are that run Node or a
 * browser. Protocol Buffers libraries end at 2 GB per message, and so does this writer.
 */
import { PbfWriter } from 'pbf';
import { SubbitError } from '../util/errors.js';
import {
  elementTypes,
  type OnnxArray,
  type OnnxAttribute,
  type OnnxElementType,
  type OnnxFunction,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
} from './onnx-model.js';

const maxBytes = 2 ** 31 - 1;

/** The bytes of a model file. Throws a SubbitError for a tensor whose data does not have its shape's size. */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  const bytes = Object.values(model.initializers).reduce((sum, { data }) => sum + data.byteLength, 0);
  if (bytes > maxBytes) throw new SubbitError(`the ONNX model '${model.name}' has ${bytes} bytes, over 2 GB`);
  const file = new PbfWriter();
  const opset = model.opset ?? 17;
  file.writeVarintField(1, model.irVersion ?? 8);
  file.writeStringField(2, 'subbit');
  file.writeMessage(7, writeGraph, model);
  for (const version of Object.entries({ '': opset, ...model.domains })) file.writeMessage(8, writeVersion, version);
  for (const entry of Object.entries(model.metadata ?? {})) file.writeMessage(14, writeEntry, entry);
  for (const each of model.functions ?? []) file.writeMessage(25, writeFunction, { ...each, opset });
  return file.finish();
}

function writeVersion([domain, version]: readonly [string, number], to: PbfWriter): void {
  to.writeStringField(1, domain);
  to.writeVarintField(2, version);
}

function writeEntry([key, value]: readonly [string, string], to: PbfWriter): void {
  to.writeStringField(1, key);
  to.writeStringField(2, value);
}

function writeGraph({ name, inputs, outputs, initializers, nodes }: OnnxModel, to: PbfWriter): void {
  for (const node of nodes) to.writeMessage(1, writeNode, node);
  to.writeStringField(2, name);
  for (const entry of Object.entries(initializers)) to.writeMessage(5, writeTensor, entry);
  for (const value of inputs) to.writeMessage(11, writeValue, value);
  for (const value of outputs) to.writeMessage(12, writeValue, value);
}

function writeFunction(each: OnnxFunction & { readonly opset: number }, to: PbfWriter): void {
  to.writeStringField(1, each.name);
  for (const input of each.inputs) to.writeStringField(4, input);
  for (const output of each.outputs) to.writeStringField(5, output);
  for (const attribute of each.attributes) to.writeStringField(6, attribute);
  for (const node of each.nodes) to.writeMessage(7, writeNode, node);
  to.writeMessage(9, writeVersion, ['', each.opset] as const);
  to.writeStringField(10, each.domain);
}

function writeNode({ op, domain, name, inputs, outputs, attributes = {} }: OnnxNode, to: PbfWriter): void {
  for (const input of inputs) to.writeStringField(1, input);
  for (const output of outputs) to.writeStringField(2, output);
  if (name !== undefined) to.writeStringField(3, name);
  to.writeStringField(4, op);
  for (const entry of Object.entries(attributes)) to.writeMessage(5, writeAttribute, entry);
  if (domain !== undefined) to.writeStringField(7, domain);
}

/** Field 20 says which of the fields for values holds the value. */
function writeAttribute([name, attribute]: readonly [string, OnnxAttribute], to: PbfWriter): void {
  to.writeStringField(1, name);
  if ('float' in attribute) {
    to.writeFloatField(2, attribute.float);
    to.writeVarintField(20, 1);
  } else if ('int' in attribute) {
    to.writeVarintField(3, attribute.int);
    to.writeVarintField(20, 2);
  } else if ('text' in attribute) {
    to.writeStringField(4, attribute.text);
    to.writeVarintField(20, 3);
  } else if ('tensor' in attribute) {
    to.writeMessage(5, writeTensor, ['', attribute.tensor] as const);
    to.writeVarintField(20, 4);
  } else if ('floats' in attribute) {
    for (const value of attribute.floats) to.writeFloatField(7, value);
    to.writeVarintField(20, 6);
  } else if ('ints' in attribute) {
    for (const value of attribute.ints) to.writeVarintField(8, value);
    to.writeVarintField(20, 7);
  } else if ('texts' in attribute) {
    for (const value of attribute.texts) to.writeStringField(9, value);
    to.writeVarintField(20, 8);
  } else if ('intOf' in attribute) {
    to.writeVarintField(20, 2);
    to.writeStringField(21, attribute.intOf);
  } else {
    throw new SubbitError(`an attribute that is ${attribute.other} cannot be written`);
  }
}

function writeTensor([name, tensor]: readonly [string, OnnxTensor], to: PbfWriter): void {
  const { shape, data, type = typeOf(data) } = tensor;
  const elements = shape.reduce((product, extent) => product * extent, 1);
  if (elements !== data.length) {
    throw new SubbitError(
      `the ONNX tensor '${name}' of shape [${shape}] needs ${elements} elements, not ${data.length}`,
    );
  }
  for (const extent of shape) to.writeVarintField(1, extent);
  const { code, bits } = elementTypes[type];
  to.writeVarintField(2, code);
  to.writeStringField(8, name);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  to.writeBytesField(9, bits < 8 ? packedElements(bytes, bits) : bytes);
}

function typeOf(data: OnnxArray): OnnxElementType {
  if (data instanceof Uint8Array) return 'uint8';
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

function writeValue({ name, type, shape }: OnnxValue, to: PbfWriter): void {
  to.writeStringField(1, name);
  to.writeMessage(2, writeType, { type, shape });
}

function writeType(value: Omit<OnnxValue, 'name'>, to: PbfWriter): void {
  to.writeMessage(1, writeTensorType, value);
}

function writeTensorType({ type, shape }: Omit<OnnxValue, 'name'>, to: PbfWriter): void {
  to.writeVarintField(1, elementTypes[type].code);
  to.writeMessage(2, writeShape, shape);
}

function writeShape(shape: OnnxValue['shape'], to: PbfWriter): void {
  for (const extent of shape) to.writeMessage(1, writeExtent, extent);
}

function writeExtent(extent: number | string, to: PbfWriter): void {
  if (typeof extent === 'string') to.writeStringField(2, extent);
  else to.writeVarintField(1, extent);
}
