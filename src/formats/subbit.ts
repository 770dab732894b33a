/**
 * The `.subbit` format: a deployed network in one safetensors file, described byte by byte in docs/format.md.
 *
 *     metadata    format 'subbit', version, graph (network-json.ts), sha256
 *     tensors     the constants; levels packed at their bits (bit-packing.ts), or indices into a codebook in their place
 *                 (codebook-storage.ts), integers in 16 or 32 bits
 *                 codebook/0, .., the codebooks
 *                 verification/expected, the logits of the verification images
 *
 * The bytes depend on nothing but the network. The reader trusts nothing: what it returns has passed every rule of
 * check-network.ts, and whatever breaks one is a FormatError of one line that names the file, the thing, the value and the rule.
 * The hash tells a damaged file from a foreign one; it guards against accidents, not against intent.
 */
import { sizeOf, type TensorType, type TypedArray } from '../core/tensor.js';
import { codewordTaps, indexBits } from '../ops/codewords.js';
import { FormatError, SubbitError } from '../util/errors.js';
import { sha256 } from '../util/sha256.js';
import { packBits, packedBits, packedBytes, unpackBits } from './bit-packing.js';
import { type CheckedNetwork, checkNetwork, defaultLimits, type NetworkLimits } from './check-network.js';
import {
  bytesOfCodebook,
  type CodebookStorage,
  type FilterForm,
  packCodebook,
  planCodebooks,
  unpackCodebook,
  unpackFilters,
} from './codebook-storage.js';
import type { DeployedNetwork, NetworkConstant, Verification } from './deployed-network.js';
import { type NetworkTable, networkFromJson, networkToJson, type Refuse, type TableConstant } from './network-json.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  type StoredTensor,
  safetensorsBytes,
  show,
  type TensorTable,
  tensorBytes,
} from './safetensors.js';

export { type CheckedNetwork, defaultLimits, type NetworkLimits } from './check-network.js';
export { bytesOfCodebook, type FilterForm, filterForms } from './codebook-storage.js';
export {
  type DeployedNetwork,
  fromGraph,
  imagesName,
  logitsName,
  type NetworkConstant,
  type NetworkInput,
  type NetworkNode,
  type Preprocessing,
  preprocessing,
  toGraph,
  type Verification,
} from './deployed-network.js';
export type { NetworkTable } from './network-json.js';
export { verificationImages } from './verification.js';

const FORMAT = 'subbit';
const VERSION = 2;
const EXPECTED = 'verification/expected';
const HASH_DIGITS = 64;

/**
 * The bytes of a `.subbit` file; `filters` says how binary 3x3 filters may be stored. Throws a FormatError for a network that the
 * reader would refuse.
 */
export function encodeSubbit(network: DeployedNetwork, filters: FilterForm = 'smallest'): Uint8Array<ArrayBuffer> {
  checked(network);
  const storage = planCodebooks(network.constants, filters);
  const table = tableOf(network, storage);
  const graph = networkToJson(table);
  const contents = new Map<string, TypedArray>(
    Object.entries(network.constants).map(([name, constant]) => [
      name,
      storage.filters.get(name)?.data ?? packed(constant),
    ]),
  );
  for (const [i, ids] of storage.codebooks.entries()) contents.set(codebookName(i), packCodebook(ids));
  if (network.verification !== undefined) contents.set(EXPECTED, network.verification.expected);
  const tensors = Object.fromEntries(
    Object.entries(tensorTable(table)).map(([name, stored]): [string, StoredTensor] => [
      name,
      { ...stored, data: contents.get(name)! },
    ]),
  );
  return encodeSafetensors(tensors, metadataOf(graph, contentHash(graph, tensors)));
}

/** A network from memory, checked as one from a file. Throws a FormatError. */
export function checked(network: DeployedNetwork, limits: NetworkLimits = defaultLimits): DecodedNetwork {
  const refuse: Refuse = (rule) => new FormatError(`the network is not one to deploy: ${rule}`);
  networkFromJson(networkToJson({ ...network, codebooks: [] }), refuse);
  return { network, ...checkNetwork(network, limits, refuse) };
}

/** The bytes of the file that `encodeSubbit` makes of a network, without making it. */
export function predictBytes(network: DeployedNetwork, filters: FilterForm = 'smallest'): number {
  return bytesOfTable(tableOf(network, planCodebooks(network.constants, filters)));
}

/** The bytes of a file with this table. */
export function bytesOfTable(table: NetworkTable): number {
  return safetensorsBytes(tensorTable(table), metadataOf(networkToJson(table), '0'.repeat(HASH_DIGITS)));
}

function tableOf(network: DeployedNetwork, { codebooks, filters }: CodebookStorage): NetworkTable {
  const constants = Object.entries(network.constants).map(([name, { type }]): [string, TableConstant] => {
    const stored = filters.get(name)?.stored;
    return [name, stored === undefined ? { type } : { type, stored }];
  });
  return { ...network, constants: Object.fromEntries(constants), codebooks: codebooks.map(({ length }) => length) };
}

const codebookName = (index: number): string => `codebook/${index}`;

function metadataOf(graph: string, hash: string): Record<string, string> {
  return { format: FORMAT, version: String(VERSION), graph, sha256: hash };
}

/** What stands in the file, by name. */
function tensorTable({ constants, codebooks, verification, classes }: NetworkTable): Record<string, TensorTable> {
  const tables = Object.entries(constants).map(([name, constant]): [string, TensorTable] => [
    name,
    tensorOf(constant, codebooks),
  ]);
  for (const [i, codewords] of codebooks.entries())
    tables.push([codebookName(i), { dtype: 'U8', shape: [bytesOfCodebook(codewords)] }]);
  if (verification !== undefined)
    tables.push([EXPECTED, { dtype: 'I32', shape: [verification.count, classes.length] }]);
  return Object.fromEntries(tables);
}

/** Bytes of a constant in the data of a file with this table, the codebook left out. */
export function bytesOfConstant(constant: TableConstant, { codebooks }: NetworkTable): number {
  return tensorBytes(tensorOf(constant, codebooks));
}

/** How a constant stands in a file. */
function tensorOf({ type, stored }: TableConstant, codebooks: readonly number[]): TensorTable {
  const { dtype, shape, encoding } = type;
  if (stored !== undefined) {
    const packedIndices = packedBytes(sizeOf(shape) / codewordTaps, indexBits(codebooks[stored.codebook]!));
    return { dtype: 'U8', shape: [stored.codedBytes ?? packedIndices] };
  }
  if (dtype === 'f32') throw new SubbitError('a deployed network has no float tensors');
  if (dtype !== 'u8') return { dtype: isShort(dtype, encoding) ? 'I16' : 'I32', shape };
  return { dtype: 'U8', shape: [packedBytes(sizeOf(shape), packedBits(encoding!))] };
}

/** Whether integers stand in the file in 16 bits: also those of i32 constants that are bounded so (most thresholds). */
function isShort(dtype: TensorType['dtype'], encoding: TensorType['encoding']): boolean {
  return dtype === 'i16' || (encoding !== undefined && encoding.max < 2 ** 15);
}

function packed({ type, data }: NetworkConstant): TypedArray {
  if (type.dtype === 'u8') return packBits(data, packedBits(type.encoding!));
  return isShort(type.dtype, type.encoding) ? Int16Array.from(data) : data;
}

/** Of the graph's text and every tensor, by name, with its type and shape. */
export function contentHash(graph: string, tensors: Readonly<Record<string, StoredTensor>>): string {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [encoder.encode(graph)];
  for (const name of Object.keys(tensors).sort()) {
    const { dtype, shape, data } = tensors[name]!;
    parts.push(encoder.encode(`\n${name}\n${dtype} ${shape.join(' ')}\n`));
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return sha256(parts);
}

export interface DecodedNetwork extends CheckedNetwork {
  readonly network: DeployedNetwork;
}

export interface DecodedFile extends DecodedNetwork {
  /** How the file stores the network. */
  readonly table: NetworkTable;
}

/**
 * The network of a file. Takes memory of the order of `bytes` (levels are unpacked to one byte each, nine of an index, which has a
 * bit at least). Throws a FormatError for what is damaged or no `.subbit` file, and a plain SubbitError for a file of a newer subbit.
 * `fileName` is for messages.
 */
export function decodeSubbit(bytes: Uint8Array, fileName: string, limits: NetworkLimits = defaultLimits): DecodedFile {
  const { tensors, metadata } = decodeSafetensors(bytes, fileName);
  const refuse: Refuse = (rule) => new FormatError(`'${fileName}': ${rule}`);
  const { format, version, graph, sha256: hash, ...others } = metadata;
  if (format !== FORMAT) throw refuse('it is a safetensors file, but no .subbit file');
  requireVersion(version, fileName, refuse);
  if (graph === undefined || hash === undefined || contentHash(graph, tensors) !== hash)
    throw refuse('the contents do not match their sha256 (damaged)');
  const [other] = Object.keys(others);
  if (other !== undefined) throw refuse(`its metadata has the unknown key ${show(other)}`);
  const table = networkFromJson(graph, refuse);
  requireTensors(tensorTable(table), tensors, refuse);
  const codebooks = table.codebooks.map((codewords, i) => readCodebook(codewords, i, tensors, refuse));
  const constants = Object.entries(table.constants).map(([name, { type, stored }]): [string, NetworkConstant] => {
    const data =
      stored === undefined
        ? unpacked(name, type, tensors[name]!, refuse)
        : unpackFilters(
            tensors[name]!.data as Uint8Array,
            sizeOf(type.shape) / codewordTaps,
            codebooks[stored.codebook]!,
            stored.codedBytes !== undefined,
          );
    if (data === undefined)
      throw refuse(`tensor ${show(name)} is no list of indices into codebook ${stored!.codebook}`);
    return [name, { type, data }];
  });
  const { verification, codebooks: _, ...rest } = table;
  const network: DeployedNetwork = {
    ...rest,
    constants: Object.fromEntries(constants),
    ...(verification === undefined ? {} : { verification: withExpected(verification, tensors[EXPECTED]!) }),
  };
  return { network, table, ...checkNetwork(network, limits, refuse) };
}

function readCodebook(
  codewords: number,
  index: number,
  tensors: Readonly<Record<string, StoredTensor>>,
  refuse: Refuse,
): Uint16Array {
  const name = codebookName(index);
  const ids = unpackCodebook(tensors[name]!.data as Uint8Array, codewords);
  if (ids === undefined) throw refuse(`tensor ${show(name)} is no list of ${codewords} rising codewords`);
  return ids;
}

function requireVersion(version: string | undefined, fileName: string, refuse: Refuse): void {
  if (version === undefined || !/^[1-9]\d{0,8}$/.test(version))
    throw refuse(`its version is ${show(version)}, not a number`);
  if (Number(version) > VERSION) {
    throw new SubbitError(
      `'${fileName}' is a .subbit file of version ${version}, and this subbit reads up to ${VERSION}: update subbit`,
    );
  }
}

/** The file's tensors are those of the graph, with their types and shapes. */
function requireTensors(
  table: Readonly<Record<string, TensorTable>>,
  tensors: Readonly<Record<string, StoredTensor>>,
  refuse: Refuse,
): void {
  const text = ({ dtype, shape }: TensorTable): string => `${dtype} [${shape.join(', ')}]`;
  for (const [name, expected] of Object.entries(table)) {
    if (!Object.hasOwn(tensors, name)) throw refuse(`it has no tensor ${show(name)}`);
    if (text(tensors[name]!) !== text(expected))
      throw refuse(`tensor ${show(name)} is ${text(tensors[name]!)}, and the graph wants ${text(expected)}`);
  }
  for (const name of Object.keys(tensors))
    if (!Object.hasOwn(table, name)) throw refuse(`tensor ${show(name)} is unknown to the graph`);
}

function unpacked(name: string, type: TensorType, { data }: StoredTensor, refuse: Refuse): TypedArray {
  if (type.dtype === 'i16') return data;
  if (type.dtype === 'i32') return data instanceof Int32Array ? data : Int32Array.from(data);
  const levels = unpackBits(data as Uint8Array, new Uint8Array(sizeOf(type.shape)), packedBits(type.encoding!));
  if (levels === undefined) throw refuse(`tensor ${show(name)} has bits set behind its last level`);
  return levels;
}

function withExpected({ seed, count }: { seed: number; count: number }, { data }: StoredTensor): Verification {
  return { seed, count, expected: data as Int32Array };
}
