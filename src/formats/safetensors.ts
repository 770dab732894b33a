/**
 * The safetensors format (https://github.com/huggingface/safetensors): named tensors in one file that is safe to read.
 *
 *     bytes 0 .. 7        N, the length of the header, little-endian
 *     bytes 8 .. 8+N-1    the header, JSON in UTF-8, padded with spaces:
 *                         {"__metadata__": {"key": "text"}, "NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
 *     from 8+N on         the data; offsets count from here, and the tensors cover it without holes or overlaps
 *
 * The writer's bytes depend on nothing but its arguments: tensors lie by falling element size, then by name (UTF-16 order), so
 * with the data starting at a multiple of 8 every tensor is aligned. The reader trusts nothing. Beyond what the reference
 * implementation refuses, it refuses repeated keys, white space before the header's "{" and element types that it does not
 * know; it takes integers in any notation of JSON (2.0, 2e0). On 60,000 mutated files the two differed in nothing else.
 *
 * Typed arrays are used as they lie in memory, so the machine must be little-endian, as all that run Node or a browser are.
 */
import type { Shape, TypedArray } from '../core/tensor.js';
import { FormatError, SubbitError } from '../util/errors.js';

/** Bytes per element, and the array that holds the elements; types that subbit does not compute with stay raw bytes. */
const storedTypes = {
  F32: { bytes: 4, array: Float32Array },
  U8: { bytes: 1, array: Uint8Array },
  I32: { bytes: 4, array: Int32Array },
  F64: { bytes: 8, array: Uint8Array },
  F16: { bytes: 2, array: Uint8Array },
  BF16: { bytes: 2, array: Uint8Array },
  I64: { bytes: 8, array: Uint8Array },
  U64: { bytes: 8, array: Uint8Array },
  U32: { bytes: 4, array: Uint8Array },
  I16: { bytes: 2, array: Int16Array },
  U16: { bytes: 2, array: Uint8Array },
  I8: { bytes: 1, array: Uint8Array },
  BOOL: { bytes: 1, array: Uint8Array },
} as const;

export type StoredType = keyof typeof storedTypes;

export interface TensorToStore {
  /** Needed only for raw bytes. @default what `data` is: F32, U8, I16 or I32 */
  readonly dtype?: StoredType;
  readonly shape: Shape;
  readonly data: TypedArray;
}

export interface StoredTensor extends TensorToStore {
  readonly dtype: StoredType;
}

export interface SafetensorsFile {
  readonly tensors: Record<string, StoredTensor>;
  /** Empty when the file has none. */
  readonly metadata: Record<string, string>;
}

const METADATA = '__metadata__';
const LENGTH_BYTES = 8;
const MAX_HEADER_BYTES = 100_000_000;

/** The bytes of a safetensors file. Throws a SubbitError for a tensor whose data is not what its type and shape say. */
export function encodeSafetensors(
  tensors: Readonly<Record<string, TensorToStore>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const sorted = Object.entries(tensors)
    .map(([name, tensor]) => checkedToStore(name, tensor))
    .sort(byPlace);
  const { header, headerBytes, dataBytes } = layOut(sorted, metadata);
  const file = new Uint8Array(LENGTH_BYTES + headerBytes + dataBytes);
  new DataView(file.buffer).setUint32(0, headerBytes, true);
  file.set(header, LENGTH_BYTES);
  file.fill(0x20, LENGTH_BYTES + header.length, LENGTH_BYTES + headerBytes);
  let position = LENGTH_BYTES + headerBytes;
  for (const { data } of sorted) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return file;
}

/** What a tensor takes in a file, without its contents. */
export interface TensorTable {
  readonly dtype: StoredType;
  readonly shape: Shape;
}

/** The bytes of a tensor's data. */
export function tensorBytes({ dtype, shape }: TensorTable): number {
  return bytesOf(shape, dtype)!;
}

/** The bytes of the file that `encodeSafetensors` makes of tensors with these types and shapes. */
export function safetensorsBytes(
  tensors: Readonly<Record<string, TensorTable>>,
  metadata: Readonly<Record<string, string>> = {},
): number {
  const sorted = Object.entries(tensors)
    .map(([name, tensor]) => ({ name, ...tensor }))
    .sort(byPlace);
  const { headerBytes, dataBytes } = layOut(sorted, metadata);
  return LENGTH_BYTES + headerBytes + dataBytes;
}

type NamedTable = TensorTable & { readonly name: string };

function byPlace(a: NamedTable, b: NamedTable): number {
  return storedTypes[b.dtype].bytes - storedTypes[a.dtype].bytes || (a.name < b.name ? -1 : 1);
}

/** The header's text, and how many bytes it (padded) and the data take. */
function layOut(
  sorted: readonly NamedTable[],
  metadata: Readonly<Record<string, string>>,
): { header: Uint8Array; headerBytes: number; dataBytes: number } {
  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [[METADATA, metadata]] : [];
  let dataBytes = 0;
  for (const { name, dtype, shape } of sorted) {
    const bytes = bytesOf(shape, dtype)!;
    entries.push([name, { dtype, shape, data_offsets: [dataBytes, dataBytes + bytes] }]);
    dataBytes += bytes;
  }
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const headerBytes = Math.ceil(header.length / 8) * 8;
  if (headerBytes > MAX_HEADER_BYTES) {
    throw new SubbitError(`a safetensors header of ${headerBytes} bytes is over the limit of ${MAX_HEADER_BYTES}`);
  }
  return { header, headerBytes, dataBytes };
}

function checkedToStore(name: string, tensor: TensorToStore): StoredTensor & { readonly name: string } {
  const { shape, data } = tensor;
  const dtype = tensor.dtype ?? storedTypeOf(data);
  if (name === METADATA) throw new SubbitError(`a tensor cannot have the name '${METADATA}'`);
  const bytes = bytesOf(shape, dtype);
  if (!(data instanceof storedTypes[dtype].array) || data.byteLength !== bytes) {
    throw new SubbitError(
      `tensor '${name}' of type ${dtype} and shape [${shape.join(', ')}] cannot be stored from a ${data.constructor.name} of ${data.byteLength} bytes`,
    );
  }
  return { name, dtype, shape, data };
}

function storedTypeOf(data: TypedArray): StoredType {
  if (data instanceof Float32Array) return 'F32';
  if (data instanceof Int32Array) return 'I32';
  return data instanceof Int16Array ? 'I16' : 'U8';
}

/**
 * The tensors and metadata of a file. Arrays are views of `bytes` where the alignment allows, copies elsewhere. Throws a
 * FormatError that names the file (`fileName`, for messages only), the tensor, the value and the rule it breaks.
 */
export function decodeSafetensors(bytes: Uint8Array, fileName: string): SafetensorsFile {
  const { header, dataStart } = readHeader(bytes, fileName);
  const metadata = checkMetadata(header[METADATA], fileName);
  const entries = Object.entries(header)
    .filter(([name]) => name !== METADATA)
    .map(([name, entry]) => checkEntry(name, entry, fileName));
  checkCoverage(entries, bytes.length - dataStart, fileName);

  const tensors = entries.map(({ name, dtype, shape, begin, end }): [string, StoredTensor] => [
    name,
    storedTensor({ dtype, shape }, bytes.subarray(dataStart + begin, dataStart + end))!,
  ]);
  // fromEntries defines own properties, so that a tensor named '__proto__' is a tensor and nothing else.
  return { tensors: Object.fromEntries(tensors), metadata };
}

/** A tensor whose elements lie in `raw`: a view where the alignment allows; undefined when it has not as many bytes as the tensor. */
export function storedTensor({ dtype, shape }: TensorTable, raw: Uint8Array): StoredTensor | undefined {
  if (bytesOf(shape, dtype) !== raw.length) return undefined;
  const ArrayType = storedTypes[dtype].array;
  const aligned = raw.byteOffset % ArrayType.BYTES_PER_ELEMENT === 0 ? raw : new Uint8Array(raw);
  const length = aligned.length / ArrayType.BYTES_PER_ELEMENT;
  return { dtype, shape, data: new ArrayType(aligned.buffer as ArrayBuffer, aligned.byteOffset, length) };
}

interface Entry {
  readonly name: string;
  readonly dtype: StoredType;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

function readHeader(bytes: Uint8Array, fileName: string): { header: Record<string, unknown>; dataStart: number } {
  const refuse = (rule: string) => new FormatError(`'${fileName}' is not a safetensors file: ${rule}`);
  if (bytes.length < LENGTH_BYTES)
    throw refuse(`it has ${bytes.length} bytes, fewer than the 8 of the header's length`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES)
    throw refuse(`its header has ${length} bytes, more than the limit of ${MAX_HEADER_BYTES}`);
  const dataStart = LENGTH_BYTES + Number(length);
  if (dataStart > bytes.length) {
    throw refuse(`its header has ${length} bytes, but only ${bytes.length - LENGTH_BYTES} follow (truncated?)`);
  }

  let json: string;
  try {
    // A byte order mark must stay visible, so that it is refused below.
    json = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(LENGTH_BYTES, dataStart));
  } catch {
    throw refuse('its header is not valid UTF-8');
  }
  if (!json.startsWith('{')) throw refuse(`its header starts with ${show(json.slice(0, 1))}, not with "{"`);
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(json);
  } catch {
    throw refuse('its header is not valid JSON');
  }
  const repeated = repeatedKey(json);
  if (repeated !== undefined) throw refuse(`its header has the key ${show(repeated)} twice`);
  return { header, dataStart };
}

/** A key that occurs twice in one object of `json` (JSON.parse keeps the last without a word), which must be valid JSON. */
export function repeatedKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (let i = 0; i < json.length; i++) {
    if (json[i] === '{') open.push(new Set());
    else if (json[i] === '}') open.pop();
    if (json[i] !== '"') continue;
    const start = i;
    for (i++; json[i] !== '"'; i++) if (json[i] === '\\') i++;
    let next = i + 1;
    while (' \t\r\n'.includes(json[next] ?? '.')) next++;
    if (json[next] !== ':') continue;
    const key: string = JSON.parse(json.slice(start, i + 1));
    if (open.at(-1)!.has(key)) return key;
    open.at(-1)!.add(key);
  }
  return undefined;
}

function checkMetadata(metadata: unknown, fileName: string): Record<string, string> {
  if (metadata === undefined) return {};
  if (!isObject(metadata)) throw new FormatError(`'${fileName}': ${METADATA} is ${show(metadata)}, not an object`);
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') {
      throw new FormatError(
        `'${fileName}': ${METADATA} has ${show(value)} under ${show(key)}; only strings are allowed`,
      );
    }
  }
  return metadata as Record<string, string>;
}

function checkEntry(name: string, entry: unknown, fileName: string): Entry {
  const refuse = (rule: string) => new FormatError(`'${fileName}': tensor ${show(name)} ${rule}`);
  if (!isObject(entry)) throw refuse(`is described by ${show(entry)}, not by an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(storedTypes, dtype)) {
    throw refuse(`has the type ${show(dtype)}; known types: ${Object.keys(storedTypes).join(', ')}`);
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw refuse(`has the shape ${show(shape)}, not a list of integers >= 0`);
  }
  const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? (offsets as unknown[]) : [];
  if (!isCount(begin) || !isCount(end) || begin > end) {
    throw refuse(`has the data_offsets ${show(offsets)}, not two integers 0 <= begin <= end`);
  }
  const bytes = bytesOf(shape, dtype as StoredType);
  if (bytes === undefined) throw refuse(`has the shape ${show(shape)}, whose size in bytes is over 2^53`);
  if (bytes !== end - begin) {
    throw refuse(
      `of type ${dtype} and shape ${show(shape)} needs ${bytes} bytes, but its data_offsets span ${end - begin}`,
    );
  }
  return { name, dtype: dtype as StoredType, shape, begin, end };
}

/** Sorts `entries` by offset and holds them to the rule that they cover the data exactly. */
function checkCoverage(entries: Entry[], dataBytes: number, fileName: string): void {
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== covered) {
      const fault = begin < covered ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw new FormatError(`'${fileName}': tensor ${show(name)} begins at ${begin}, not at ${covered}: it ${fault}`);
    }
    if (end > dataBytes) {
      const rule = `ends at ${end}, but the file has only ${dataBytes} bytes of data (truncated?)`;
      throw new FormatError(`'${fileName}': tensor ${show(name)} ${rule}`);
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    throw new FormatError(`'${fileName}': the tensors end at ${covered}, but the file has ${dataBytes} bytes of data`);
  }
}

/** undefined when the number of bytes, or of elements on the way to it, cannot be counted exactly. */
function bytesOf(shape: Shape, dtype: StoredType): number | undefined {
  let bytes: number = storedTypes[dtype].bytes;
  for (const extent of shape) {
    bytes *= extent;
    if (bytes > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return bytes;
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value from a file as one short line. */
export function show(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? 'nothing';
  } catch {
    // JSON.parse reads any depth, JSON.stringify runs out of stack.
    return 'a deeply nested value';
  }
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
