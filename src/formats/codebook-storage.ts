/**
 * How a file stores binary 3x3 filters (Sparks, papers 2.2, 2.5): as plain bits, nine per filter, or as a codebook and, per filter, the
 * index of its codeword there, packed at ceil(log2 n) bits or entropy-coded (index-coding.ts).
 *
 * The writer finds a codebook for each filter tensor, one for several where their codewords are the same or some of the same,
 * and takes the form that makes the file smallest. The codewords are those that occur: what a training chose and did not use needs
 * no index. Filters of more than half of all codewords, whose indices have nine bits anyhow, share the codebook of all: coding them
 * still takes a tenth off a trained network.
 */
import {
  codewordAt,
  codewordTaps,
  distinctCodewords,
  indexBits,
  isBinary3x3,
  numCodewords,
  writeCodeword,
} from '../ops/codewords.js';
import { packBits, packedBytes, unpackBits } from './bit-packing.js';
import type { NetworkConstant } from './deployed-network.js';
import { decodeIndices, encodeIndices } from './index-coding.js';
import { leastCodedBytes, type StoredIndices } from './network-json.js';

/** 'packed': indices are not coded; 'plain': no codebooks. @default 'smallest' */
export const filterForms = ['smallest', 'packed', 'plain'] as const;
export type FilterForm = (typeof filterForms)[number];

/** A filter tensor's indices as a file has them. */
export interface IndexTensor {
  readonly stored: StoredIndices;
  readonly data: Uint8Array;
}

export interface CodebookStorage {
  /** Ids in rising order. */
  readonly codebooks: readonly (readonly number[])[];
  /** By the constant's name; those that are not here are plain. */
  readonly filters: ReadonlyMap<string, IndexTensor>;
}

/** About what the header and the graph say of a codebook, of a filter that has indices, and of coded ones. */
const codebookTextBytes = 75;
const indexTextBytes = 16;
const codedTextBytes = 21;

const allCodewords: readonly number[] = Array.from({ length: numCodewords }, (_, id) => id);

type Constants = Readonly<Record<string, NetworkConstant>>;

export function planCodebooks(constants: Constants, form: FilterForm = 'smallest'): CodebookStorage {
  const codebooks: (readonly number[])[] = [];
  const filters = new Map<string, IndexTensor>();
  if (form === 'plain') return { codebooks, filters };
  for (const [codebook, names] of sharedCodebooks(constants)) {
    const chosen: [string, Uint8Array, boolean][] = [];
    let saved = -(bytesOfCodebook(codebook.length) + codebookTextBytes);
    for (const name of names) {
      const { data } = constants[name]!;
      const { bytes, isCoded } = indexBytes(data, codebook, form === 'smallest');
      const gain = packedBytes(data.length, 1) - bytes.length - indexTextBytes - (isCoded ? codedTextBytes : 0);
      if (gain <= 0) continue;
      chosen.push([name, bytes, isCoded]);
      saved += gain;
    }
    if (saved <= 0) continue;
    for (const [name, data, isCoded] of chosen) {
      const stored = { codebook: codebooks.length, ...(isCoded ? { codedBytes: data.length } : {}) };
      filters.set(name, { stored, data });
    }
    codebooks.push(codebook);
  }
  return { codebooks, filters };
}

/** Codebooks, the largest first, and the filters that have no other codewords and would not have shorter indices for their own. */
function sharedCodebooks(constants: Constants): Map<readonly number[], string[]> {
  const own = Object.entries(constants).flatMap(([name, { type, data }]) => {
    if (!isBinary3x3(type)) return [];
    const ids = [...distinctCodewords(data, data.length / codewordTaps)].sort((a, b) => a - b);
    if (ids.length === 1) return [];
    return [{ name, ids: indexBits(ids.length) === codewordTaps ? allCodewords : ids }];
  });
  const found = new Map<readonly number[], string[]>();
  for (const { name, ids } of own.sort((a, b) => b.ids.length - a.ids.length)) {
    const shared = [...found.keys()].find(
      (codebook) => indexBits(codebook.length) === indexBits(ids.length) && ids.every((id) => codebook.includes(id)),
    );
    if (shared === undefined) found.set(ids, [name]);
    else found.get(shared)!.push(name);
  }
  return found;
}

/** The indices of a filter tensor's codewords, coded where that is allowed and shorter. */
function indexBytes(
  levels: ArrayLike<number>,
  codebook: readonly number[],
  mayCode: boolean,
): { readonly bytes: Uint8Array; readonly isCoded: boolean } {
  const count = levels.length / codewordTaps;
  const positions = new Map(codebook.map((id, position) => [id, position]));
  const indices = Uint16Array.from({ length: count }, (_, i) => positions.get(codewordAt(levels, count, i))!);
  const packed = packBits(indices, indexBits(codebook.length));
  const coded = mayCode ? encodeIndices(indices, codebook.length) : packed;
  const isCoded = coded.length + codedTextBytes < packed.length && coded.length >= leastCodedBytes(count);
  return { bytes: isCoded ? coded : packed, isCoded };
}

export function bytesOfCodebook(codewords: number): number {
  return packedBytes(codewords, codewordTaps);
}

export function packCodebook(ids: readonly number[]): Uint8Array<ArrayBuffer> {
  return packBits(ids, codewordTaps);
}

/** The ids; undefined where they do not rise or a bit after the last one is set. */
export function unpackCodebook(packed: Uint8Array, codewords: number): Uint16Array | undefined {
  const ids = unpackBits(packed, new Uint16Array(codewords), codewordTaps);
  return ids?.every((id, i) => i === 0 || id > ids[i - 1]!) ? ids : undefined;
}

/** The levels [3, 3, C, K] of `filters` = C * K filters; undefined where the indices are not such ones. */
export function unpackFilters(
  data: Uint8Array,
  filters: number,
  codebook: Uint16Array,
  isCoded: boolean,
): Uint8Array<ArrayBuffer> | undefined {
  const indices = new Uint16Array(filters);
  if (isCoded ? !decodeIndices(data, indices, codebook.length) : !unpackBits(data, indices, indexBits(codebook.length)))
    return undefined;
  const levels = new Uint8Array(codewordTaps * filters);
  for (let i = 0; i < filters; i++) {
    const index = indices[i]!;
    if (index >= codebook.length) return undefined;
    writeCodeword(levels, filters, i, codebook[index]!);
  }
  return levels;
}
