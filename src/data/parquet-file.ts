/**
 * Columns of a parquet file, row group by row group, read by hyparquet after the checks that keep a damaged or hostile file from
 * costing memory or time: what is in thrift is walked first (thrift-check.ts), and the lengths and counts of every page header are
 * compared with the file's size, its row counts and each other before anything is allocated or decoded from them
 * (https://parquet.apache.org/docs/file-format).
 */
import { type FileHandle, open } from 'node:fs/promises';
import * as zlib from 'node:zlib';
import type { AsyncBuffer, Compressors, FileMetaData, RowGroup } from 'hyparquet';
import { FormatError, SubbitError } from '../util/errors.js';
import { readExactly } from './places.js';
import { checkThrift } from './thrift-check.js';

/** Deflate's; a page that claims to expand further is no page of pictures. */
const maxExpansion = 1032;
/** Bytes of the columns that are read, per row group: what is held at a time. */
const mostGroupBytes = 2 ** 30;
/** Rows that a file of any size may have, as when all show the same few pictures; a larger one may have as many more as bytes. */
const usualRows = 2 ** 16;
/** PLAIN, PLAIN_DICTIONARY, RLE, DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY, RLE_DICTIONARY; the others may expand without bound. */
const encodings: ReadonlySet<unknown> = new Set([0, 2, 3, 5, 6, 8]);
const [dataPage, dictionaryPage, dataPageV2] = [0, 2, 3] as const;

/** A decoded thrift struct: fields by number. */
type Thrift = Readonly<Record<string, unknown>>;

const inflateWith =
  (inflate: (input: Uint8Array, options: { maxOutputLength: number }) => Uint8Array) =>
  (input: Uint8Array, bytes: number): Uint8Array =>
    inflate(input, { maxOutputLength: Math.max(1, bytes) });

/** Snappy is hyparquet's own; Node has zstd from version 22.15 on. */
function compressors(): Compressors {
  const zstd = (zlib as { zstdDecompressSync?: (input: Uint8Array, options: object) => Uint8Array }).zstdDecompressSync;
  return {
    GZIP: inflateWith(zlib.gunzipSync),
    BROTLI: inflateWith(zlib.brotliDecompressSync),
    ...(zstd && { ZSTD: inflateWith(zstd) }),
  };
}

/** Rows as objects by column. */
export type ParquetRows = readonly Readonly<Record<string, unknown>>[];

export class ParquetFile {
  readonly path: string;
  readonly numRows: number;
  /** The names of the top-level columns. */
  readonly columns: readonly string[];
  /** Text by key that a writer left. */
  readonly notes: ReadonlyMap<string, string>;
  readonly #handle: FileHandle;
  readonly #buffer: AsyncBuffer;
  readonly #metadata: FileMetaData;

  private constructor(path: string, handle: FileHandle, buffer: AsyncBuffer, metadata: FileMetaData) {
    this.path = path;
    this.#handle = handle;
    this.#buffer = buffer;
    this.#metadata = metadata;
    this.columns = topLevelColumns(metadata);
    this.notes = new Map((metadata.key_value_metadata ?? []).map(({ key, value }) => [key, value ?? '']));
    this.numRows = 0;
    for (const { num_rows } of metadata.row_groups) {
      const rows = Number(num_rows);
      if (!(Number.isSafeInteger(rows) && rows >= 0)) throw new Error(`a row group promises ${num_rows} rows`);
      this.numRows += rows;
    }
    if (this.numRows > usualRows + buffer.byteLength)
      throw new Error(`it promises ${this.numRows} pictures, which ${buffer.byteLength} bytes cannot hold`);
  }

  /** Opens a file and reads what it says about itself. `close` it. Throws FormatError. */
  static async open(path: string): Promise<ParquetFile> {
    let handle: FileHandle;
    try {
      handle = await open(path, 'r');
    } catch (error) {
      throw new SubbitError(`cannot read '${path}': ${(error as Error).message}`);
    }
    try {
      const { size } = await handle.stat();
      const buffer = bufferOf(handle, path, size);
      // The last 8 bytes: the length of the footer, and 'PAR1'.
      const end = Buffer.from(await buffer.slice(Math.max(0, size - 8), size));
      if (size < 12 || end.toString('latin1', 4) !== 'PAR1')
        throw new Error(`its end is missing behind byte ${size}; get it again`);
      const length = end.readUInt32LE();
      if (length > size - 12) throw new Error(`it promises ${length} bytes of footer in a file of ${size}`);
      const footer = await buffer.slice(size - 8 - length, size);
      checkThrift(new Uint8Array(footer, 0, length), 0);
      const { parquetMetadata } = await import('hyparquet');
      return new ParquetFile(path, handle, buffer, parquetMetadata(footer, { geoparquet: false }));
    } catch (error) {
      await handle.close();
      throw damaged(path, error);
    }
  }

  /** The rows of one row group after the other, with the place of the first. */
  async *groups(columns: readonly string[]): AsyncGenerator<{ first: number; rows: ParquetRows }, void, undefined> {
    const { parquetReadObjects } = await import('hyparquet');
    let first = 0;
    for (const group of this.#metadata.row_groups) {
      const count = Number(group.num_rows);
      if (count === 0) continue;
      let rows: ParquetRows;
      try {
        await this.#checkGroup(group, columns);
        rows = await parquetReadObjects({
          ...{ file: this.#buffer, metadata: this.#metadata, columns: [...columns] },
          ...{ rowStart: first, rowEnd: first + count, utf8: false, compressors: compressors() },
        });
      } catch (error) {
        throw damaged(this.path, error);
      }
      yield { first, rows };
      first += count;
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** Walks the pages of the columns that are about to be read. Throws an Error that says what is wrong. */
  async #checkGroup(group: RowGroup, columns: readonly string[]): Promise<void> {
    const { deserializeTCompactProtocol } = await import('hyparquet/src/thrift.js');
    let bytes = 0;
    for (const { meta_data: chunk } of group.columns) {
      if (chunk === undefined) throw new Error('a column has no description');
      const column = chunk.path_in_schema[0]!;
      if (!columns.includes(column)) continue;
      this.#checkColumn(chunk.path_in_schema, chunk.codec);
      const start = Number(chunk.dictionary_page_offset || chunk.data_page_offset);
      const content = await this.#buffer.slice(start, start + Number(chunk.total_compressed_size));
      const contentBytes = new Uint8Array(content);
      const reader = { view: new DataView(content), offset: 0 };
      let values = 0;
      while (reader.offset < content.byteLength) {
        checkThrift(contentBytes, reader.offset);
        const page = pageOf(deserializeTCompactProtocol(reader), Number(group.num_rows), column);
        reader.offset += page.compressedBytes;
        if (reader.offset > content.byteLength) throw new Error(`a page of column '${column}' ends behind its column`);
        bytes += page.bytes;
        values += page.values;
      }
      if (values !== Number(group.num_rows))
        throw new Error(`column '${column}' has ${values} values in a group of ${group.num_rows} rows`);
    }
    if (bytes > mostGroupBytes) throw new Error(`a row group has ${bytes} bytes; write it with fewer rows per group`);
  }

  #checkColumn(path: readonly string[], codec: string): void {
    if (!['UNCOMPRESSED', 'SNAPPY', ...Object.keys(compressors())].includes(codec))
      throw new Error(`column '${path[0]}' is compressed with ${codec}, which is not read here; write it with snappy`);
    // Names are unique among siblings alone, but a repeated one anywhere is reason enough.
    const isList = this.#metadata.schema.some(
      ({ name, repetition_type }) => repetition_type === 'REPEATED' && path.includes(name),
    );
    if (isList) throw new Error(`column '${path[0]}' holds lists`);
  }
}

function topLevelColumns({ schema }: FileMetaData): string[] {
  const names: string[] = [];
  let at = 1;
  const skip = (): void => {
    const element = schema[at++];
    if (element === undefined) throw new Error('its schema ends early');
    for (let child = 0; child < (element.num_children ?? 0); child++) skip();
  };
  while (at < schema.length) {
    names.push(schema[at]!.name);
    skip();
  }
  return names;
}

/** What a page header says, checked: bytes here and decoded, and values if it is a page of data. */
function pageOf(
  header: Thrift,
  rows: number,
  column: string,
): { compressedBytes: number; bytes: number; values: number } {
  const wrong = (what: string, value: unknown): Error =>
    new Error(`a page of column '${column}' says ${what} ${value}`);
  const count = (value: unknown, most: number, what: string): number => {
    if (!(Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most)) throw wrong(what, value);
    return value as number;
  };
  const compressedBytes = count(header.field_3, mostGroupBytes, 'compressed bytes');
  const most = Math.min(mostGroupBytes, compressedBytes * maxExpansion + 64);
  const bytes = count(header.field_2, most, 'bytes');
  const sort = header.field_1;
  const body = header[{ [dataPage]: 'field_5', [dictionaryPage]: 'field_7', [dataPageV2]: 'field_8' }[sort as 0] ?? ''];
  if (body === undefined) throw wrong('type', sort);
  const { field_1, field_2, field_4, field_5, field_6 } = body as Thrift;
  const encoding = sort === dataPageV2 ? field_4 : field_2;
  if (!encodings.has(encoding))
    throw new Error(`a page of column '${column}' has encoding ${encoding}, which is not read here; write it plain`);
  if (sort === dictionaryPage) {
    count(field_1, bytes, 'values');
    return { compressedBytes, bytes, values: 0 };
  }
  const values = count(field_1, rows, 'values');
  if (sort === dataPageV2) {
    count(field_2, values, 'nulls');
    count((body as Thrift).field_3, rows, 'rows');
    const levels = count(field_5, bytes, 'bytes of levels') + count(field_6, bytes, 'bytes of levels');
    if (levels > Math.min(bytes, compressedBytes)) throw wrong('bytes of levels', levels);
  }
  return { compressedBytes, bytes, values };
}

/** A file as hyparquet reads one; a range beyond its end is an error. */
function bufferOf(handle: FileHandle, path: string, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      if (!(Number.isSafeInteger(start) && start >= 0 && start <= end && end <= byteLength))
        throw new Error(`it points to bytes ${start} to ${end} of ${byteLength}`);
      const bytes = new Uint8Array(end - start);
      await readExactly(handle, path, bytes, start);
      return bytes.buffer;
    },
  };
}

function damaged(path: string, error: unknown): SubbitError {
  if (error instanceof SubbitError) return error;
  const message = error instanceof Error ? error.message.split('\n')[0] : String(error);
  // What hyparquet stumbles over rather than reports.
  const isStumble = error instanceof TypeError || error instanceof RangeError;
  return new FormatError(`cannot read '${path}': ${isStumble ? `it is damaged (${message})` : message}`, {
    cause: error,
  });
}
