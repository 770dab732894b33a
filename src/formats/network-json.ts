/**
 * A deployed network's table as JSON: everything but the contents of its tensors. It is the `graph` of a `.subbit` file's
 * metadata (docs/format.md lists the keys). Reading checks the form: every key that must be there and no other, every type
 * and range. What the parts mean together is checked by check-network.ts.
 */
import type { DType, Encoding, Shape, TensorType } from '../core/tensor.js';
import { isBinary3x3, numCodewords } from '../ops/codewords.js';
import type { FormatError } from '../util/errors.js';
import { packedBytes } from './bit-packing.js';
import {
  type DeployedNetwork,
  imagesName,
  type NetworkInput,
  type NetworkNode,
  preprocessing,
} from './deployed-network.js';
import { isCount, isObject, repeatedKey, show } from './safetensors.js';

/** A filter tensor that stands in the file as indices into a codebook. */
export interface StoredIndices {
  /** Which codebook. */
  readonly codebook: number;
  /** Bytes of entropy-coded indices; absent where they are packed. */
  readonly codedBytes?: number;
}

export interface TableConstant {
  readonly type: TensorType;
  /** Of binary 3x3 filters. */
  readonly stored?: StoredIndices;
}

/** A network as a file stores it, without the contents of its tensors. */
export interface NetworkTable extends Omit<DeployedNetwork, 'constants' | 'verification'> {
  readonly constants: Readonly<Record<string, TableConstant>>;
  /** How many codewords each codebook has. */
  readonly codebooks: readonly number[];
  readonly verification?: { readonly seed: number; readonly count: number };
}

/** Makes the error for a broken rule; it names the file. */
export type Refuse = (rule: string) => FormatError;

/** Where a file has the tensors that are no constants. */
const reservedPrefixes = ['verification/', 'codebook/'];
const maxNameLength = 200;
const maxImageSide = 8192;
const maxClasses = 2 ** 20;
/** Planning memory takes time that grows with the square of this. */
const maxNodes = 10_000;
const maxVerificationImages = 1024;

export function networkToJson(network: NetworkTable): string {
  const { input, classes, nodes, constants, codebooks, output, origin, verification } = network;
  const { height, width, channels, zeroPoints, step } = input;
  return JSON.stringify({
    input: { height, width, channels, zeroPoints, step },
    preprocessing: network.preprocessing,
    classes,
    ...(codebooks.length === 0 ? {} : { codebooks }),
    constants: Object.entries(constants).map(([name, constant]) => constantToJson(name, constant)),
    nodes: nodes.map(({ name, op, inputs, attributes }) => ({ name, op, inputs, attributes })),
    output,
    origin,
    ...(verification === undefined ? {} : { verification: { seed: verification.seed, count: verification.count } }),
  });
}

function constantToJson(name: string, { type: { dtype, shape, encoding }, stored }: TableConstant): object {
  if (encoding === undefined) return { name, dtype, shape };
  const { kind, max, step, zeroPoints } = encoding;
  const ownEncoding = { kind, max, step, ...(zeroPoints === undefined ? {} : { zeroPoints }) };
  return { name, dtype, shape, encoding: ownEncoding, ...stored };
}

/** The table that the text holds. Throws what `refuse` makes of the first rule that it breaks. */
export function networkFromJson(text: string, refuse: Refuse): NetworkTable {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw refuse('its graph is not valid JSON');
  }
  const repeated = repeatedKey(text);
  if (repeated !== undefined) throw refuse(`its graph has the key ${show(repeated)} twice`);
  const required = ['input', 'preprocessing', 'classes', 'constants', 'nodes', 'output', 'origin'];
  const graph = keysOf(json, 'the graph', required, ['codebooks', 'verification'], refuse);
  const codebooks = readCodebooks(graph.codebooks ?? [], refuse);
  const classes = listOf(graph.classes, 'the classes', refuse).map((each) => text200(each, 'a class', refuse));
  if (classes.length < 1 || classes.length > maxClasses)
    throw refuse(`it has ${classes.length} classes, not 1..${maxClasses}`);
  const nodes = listOf(graph.nodes, 'the nodes', refuse).map((node) => readNode(node, refuse));
  if (nodes.length > maxNodes) throw refuse(`it has ${nodes.length} nodes; ${maxNodes} are the most`);
  return {
    input: readInput(graph.input, refuse),
    preprocessing: readPreprocessing(graph.preprocessing, refuse),
    classes,
    codebooks,
    constants: readConstants(graph.constants, codebooks, refuse),
    nodes,
    output: text200(graph.output, 'the output', refuse),
    origin: readOrigin(graph.origin, refuse),
    ...(graph.verification === undefined ? {} : { verification: readVerification(graph.verification, refuse) }),
  };
}

function readInput(value: unknown, refuse: Refuse): NetworkInput {
  const input = keysOf(value, 'the input', ['height', 'width', 'channels', 'zeroPoints', 'step'], [], refuse);
  return {
    height: integerOf(input.height, "the input's height", [1, maxImageSide], refuse),
    width: integerOf(input.width, "the input's width", [1, maxImageSide], refuse),
    channels: integerOf(input.channels, "the input's channels", [1, 4], refuse),
    zeroPoints: integersOf(input.zeroPoints, "the input's zero points", [0, 255], refuse),
    step: stepOf(input.step, 'the input', refuse),
  };
}

function readPreprocessing(value: unknown, refuse: Refuse): DeployedNetwork['preprocessing'] {
  const methods = keysOf(value, 'the preprocessing', Object.keys(preprocessing), [], refuse);
  for (const [key, known] of Object.entries(preprocessing)) {
    if (methods[key] !== known)
      throw refuse(`its preprocessing has the ${key} method ${show(methods[key])}; this subbit knows '${known}'`);
  }
  return preprocessing;
}

/** How many codewords each has. */
function readCodebooks(value: unknown, refuse: Refuse): readonly number[] {
  return listOf(value, 'the codebooks', refuse).map((each, i) =>
    integerOf(each, `the number of codewords of codebook ${i}`, [2, numCodewords], refuse),
  );
}

function readConstants(value: unknown, codebooks: readonly number[], refuse: Refuse): NetworkTable['constants'] {
  const unused = new Set(codebooks.keys());
  const constants = listOf(value, 'the constants', refuse).map((each): [string, TableConstant] => {
    const optional = ['encoding', 'codebook', 'codedBytes'];
    const { name, ...type } = keysOf(each, 'a constant', ['name', 'dtype', 'shape'], optional, refuse);
    const checkedName = text200(name, "a constant's name", refuse);
    if (
      checkedName === imagesName ||
      checkedName === '__metadata__' ||
      reservedPrefixes.some((prefix) => checkedName.startsWith(prefix))
    )
      throw refuse(`a constant cannot have the name ${show(checkedName)}`);
    const what = `constant ${show(checkedName)}`;
    const readAs = readType(type, what, refuse);
    if (type.codebook === undefined && type.codedBytes === undefined) return [checkedName, { type: readAs }];
    const stored = readStored(type, readAs, { what, codebooks: codebooks.length }, refuse);
    unused.delete(stored.codebook);
    return [checkedName, { type: readAs, stored }];
  });
  for (const codebook of unused) throw refuse(`codebook ${codebook} is used nowhere`);
  if (new Set(constants.map(([name]) => name)).size < constants.length)
    throw refuse('it has two constants of one name');
  return Object.fromEntries(constants);
}

function readStored(
  { codebook, codedBytes }: Record<string, unknown>,
  type: TensorType,
  { what, codebooks }: { readonly what: string; readonly codebooks: number },
  refuse: Refuse,
): StoredIndices {
  if (!isBinary3x3(type)) throw refuse(`${what} has a codebook, which only binary 3x3 filters have`);
  const index = integerOf(codebook, `the codebook of ${what}`, [0, codebooks - 1], refuse);
  if (codedBytes === undefined) return { codebook: index };
  const filters = type.shape[2]! * type.shape[3]!;
  const range = [leastCodedBytes(filters), Number.MAX_SAFE_INTEGER] as const;
  return { codebook: index, codedBytes: integerOf(codedBytes, `the coded bytes of ${what}`, range, refuse) };
}

/** A bit per filter, so that what is unpacked takes at most 72 times the memory of the file. */
export function leastCodedBytes(filters: number): number {
  return packedBytes(filters, 1);
}

function readType({ dtype, shape, encoding }: Record<string, unknown>, what: string, refuse: Refuse): TensorType {
  if (dtype !== 'u8' && dtype !== 'i16' && dtype !== 'i32')
    throw refuse(`${what} has the type ${show(dtype)}, not u8, i16 or i32`);
  const extents = integersOf(shape, `the shape of ${what}`, [1, Number.MAX_SAFE_INTEGER], refuse);
  if (encoding === undefined) {
    if (dtype !== 'i32') throw refuse(`${what} of type ${dtype} has no encoding`);
    return { dtype, shape: extents };
  }
  return { dtype, shape: extents, encoding: readEncoding(encoding, dtype, extents, what, refuse) };
}

/** The largest value of `max` by type. */
const largestMax: Readonly<Record<DType, number>> = { u8: 255, i16: 2 ** 15 - 1, i32: 2 ** 31 - 1, f32: 0 };

function readEncoding(value: unknown, dtype: DType, shape: Shape, what: string, refuse: Refuse): Encoding {
  const encoding = keysOf(value, `the encoding of ${what}`, ['kind', 'max', 'step'], ['zeroPoints'], refuse);
  const { kind, zeroPoints } = encoding;
  const kinds = dtype === 'u8' ? ['levels', 'bipolar'] : ['integer'];
  if (!kinds.includes(kind as string))
    throw refuse(`${what} of type ${dtype} has the encoding ${show(kind)}, not ${kinds.join(' or ')}`);
  const max = integerOf(encoding.max, `the largest level of ${what}`, [1, largestMax[dtype]], refuse);
  const step = stepOf(encoding.step, what, refuse);
  if (zeroPoints === undefined) return { kind: kind as Encoding['kind'], max, step };
  if (kind !== 'levels') throw refuse(`${what} has zero points, which only levels have`);
  const points = integersOf(zeroPoints, `the zero points of ${what}`, [0, max], refuse);
  requireZeroPoints(points, shape.at(-1) ?? 0, what, refuse);
  return { kind, max, step, zeroPoints: points };
}

/** One for all channels, or one per channel of at most four. */
export function requireZeroPoints(points: readonly number[], channels: number, what: string, refuse: Refuse): void {
  if (points.length === 1 || (points.length === channels && channels <= 4)) return;
  throw refuse(
    `${what} has ${points.length} zero points for ${channels} channels, not one or one each (of up to four)`,
  );
}

function readNode(value: unknown, refuse: Refuse): NetworkNode {
  const node = keysOf(value, 'a node', ['name', 'op', 'inputs', 'attributes'], [], refuse);
  const name = text200(node.name, "a node's name", refuse);
  const inputs = listOf(node.inputs, `the inputs of node ${show(name)}`, refuse);
  if (!isObject(node.attributes)) throw refuse(`node ${show(name)} has the attributes ${show(node.attributes)}`);
  return {
    name,
    op: text200(node.op, `the op of node ${show(name)}`, refuse),
    inputs: inputs.map((input) => text200(input, `an input of node ${show(name)}`, refuse)),
    // Checked against the op by check-network.ts, before anything reads them.
    attributes: node.attributes as NetworkNode['attributes'],
  };
}

function readOrigin(value: unknown, refuse: Refuse): Record<string, string> {
  if (!isObject(value)) throw refuse(`its origin is ${show(value)}, not an object`);
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      text200(key, 'a key of the origin', refuse),
      text200(each, `the origin's ${show(key)}`, refuse),
    ]),
  );
}

function readVerification(value: unknown, refuse: Refuse): { seed: number; count: number } {
  const verification = keysOf(value, 'the verification', ['seed', 'count'], [], refuse);
  return {
    seed: integerOf(verification.seed, 'the seed of the verification', [0, 2 ** 32 - 1], refuse),
    count: integerOf(verification.count, 'the count of the verification', [1, maxVerificationImages], refuse),
  };
}

/** An object with all the required keys and none but the optional ones beside them. */
function keysOf(
  value: unknown,
  what: string,
  required: readonly string[],
  optional: readonly string[],
  refuse: Refuse,
): Record<string, unknown> {
  if (!isObject(value)) throw refuse(`${what} is ${show(value)}, not an object`);
  for (const key of required) if (!Object.hasOwn(value, key)) throw refuse(`${what} has no '${key}'`);
  for (const key of Object.keys(value)) {
    if (!required.includes(key) && !optional.includes(key)) throw refuse(`${what} has the unknown key ${show(key)}`);
  }
  return value;
}

function listOf(value: unknown, what: string, refuse: Refuse): readonly unknown[] {
  if (!Array.isArray(value)) throw refuse(`${what} are ${show(value)}, not a list`);
  return value;
}

function integerOf(value: unknown, what: string, [low, high]: readonly [number, number], refuse: Refuse): number {
  if (!Number.isSafeInteger(value) || (value as number) < low || (value as number) > high)
    throw refuse(`${what} is ${show(value)}, not an integer in ${low}..${high}`);
  return value as number;
}

function integersOf(value: unknown, what: string, range: readonly [number, number], refuse: Refuse): readonly number[] {
  const list = Array.isArray(value) && value.length >= 1 && value.length <= 8 ? value : undefined;
  if (!list?.every((each) => isCount(each) && each >= range[0] && each <= range[1]))
    throw refuse(`${what} are ${show(value)}, not 1 to 8 integers in ${range[0]}..${range[1]}`);
  return list as number[];
}

function stepOf(value: unknown, what: string, refuse: Refuse): number {
  if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value))
    throw refuse(`${what} has the step ${show(value)}, not a number > 0`);
  return value;
}

/** Text that may go to a terminal and through UTF-8: no control characters, no half surrogates. */
function text200(value: unknown, what: string, refuse: Refuse): string {
  if (typeof value !== 'string' || value.length > maxNameLength || /[\p{Cc}\p{Cs}]/u.test(value))
    throw refuse(
      `${what} is ${show(value)}, not a text of up to ${maxNameLength} characters without control characters`,
    );
  return value;
}
