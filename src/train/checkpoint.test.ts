import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors } from '../formats/safetensors.js';
import { FormatError, SubbitError } from '../util/errors.js';
import {
  bestFile,
  type Checkpoint,
  checkpointFolder,
  decodeCheckpoint,
  encodeCheckpoint,
  findNewest,
  lastFile,
  loadCheckpoint,
  saveCheckpoint,
} from './checkpoint.js';

let run: string;
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'subbit-checkpoint-'));
});
afterEach(() => rmSync(run, { recursive: true, force: true }));

function checkpointAt(step: number): Checkpoint {
  return {
    step,
    epoch: 2,
    batch: 17,
    seed: 4_000_000_000,
    tensors: {
      'conv1/filters': { shape: [2, 3], data: Float32Array.of(0.1, -0, Number.NaN, 1e-40, step, 6) },
      'conv1/mask': { shape: [3], data: Uint8Array.of(1, 2, 255) },
      'steps/count': { shape: [], data: Int32Array.of(-step) },
    },
    network: { preset: 'small', bits: '1-2-4', layers: [{ name: 'conv1' }] },
    history: { bestAccuracy: 0.1 + 0.2, bestEpoch: 1, lossSum: 1 / 3 },
  };
}

const stepFile = (step: number): string =>
  join(checkpointFolder(run), `step-${String(step).padStart(10, '0')}.safetensors`);
const files = (): string[] => readdirSync(checkpointFolder(run)).sort();

function flipBit(file: string, byteFromEnd = 1): void {
  const bytes = readFileSync(file);
  bytes[bytes.length - byteFromEnd]! ^= 4;
  // In place, as a failing disk does: names that share the file share the damage.
  writeFileSync(file, bytes);
}

describe('encodeCheckpoint, decodeCheckpoint', () => {
  it('returns what was saved, bit for bit', () => {
    const { tensors, ...state } = checkpointAt(123);
    const { tensors: loaded, ...loadedState } = decodeCheckpoint(encodeCheckpoint({ tensors, ...state }), 'x');
    expect(loadedState).toEqual(state);
    expect(Object.keys(loaded).sort()).toEqual(Object.keys(tensors).sort());
    for (const [name, { shape, data }] of Object.entries(tensors)) {
      expect(loaded[name]!.shape).toEqual(shape);
      expect(loaded[name]!.data).toEqual(data);
    }
  });

  it('has the same bytes for the same checkpoint, whatever the order of its tensors', () => {
    const checkpoint = checkpointAt(1);
    const reversed = { ...checkpoint, tensors: Object.fromEntries(Object.entries(checkpoint.tensors).reverse()) };
    expect(encodeCheckpoint(reversed)).toEqual(encodeCheckpoint(checkpoint));
  });

  it('refuses to save what JSON would change', () => {
    const checkpoint = { ...checkpointAt(1), history: { bestAccuracy: 0, bestEpoch: 0, lossSum: Number.NaN } };
    expect(() => encodeCheckpoint(checkpoint)).toThrow("a checkpoint cannot hold NaN ('lossSum')");
    expect(() => encodeCheckpoint({ ...checkpointAt(1), step: 0.5 })).toThrow("the checkpoint's step is 0.5");
  });

  it('notices every flipped bit', () => {
    const bytes = encodeCheckpoint(checkpointAt(1));
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(7), (at, bit) => {
        const damaged = bytes.slice();
        damaged[at]! ^= 1 << bit;
        // The padding of the header may hold any white space; everything else is covered by the format or the hash.
        if (bytes[at] === 0x20 && [0x0a, 0x0d, 0x09].includes(damaged[at]!)) return;
        expect(() => decodeCheckpoint(damaged, 'x')).toThrow(SubbitError);
      }),
      { numRuns: 2000 },
    );
  });

  const stored = () => decodeSafetensors(encodeCheckpoint(checkpointAt(1)), 'x');
  const withMetadata = (changes: Record<string, string>) =>
    encodeSafetensors(stored().tensors, { ...stored().metadata, ...changes });

  it('refuses a checkpoint of a newer version, saying what to do', () => {
    expect(() => decodeCheckpoint(withMetadata({ version: '2' }), 'x')).toThrow(
      "'x' is a checkpoint of version 2, and this subbit reads up to 1: update subbit",
    );
  });

  it.each<[string, () => Uint8Array, string]>([
    ['another safetensors file', () => encodeSafetensors({}), "'x' is a safetensors file, but not a subbit checkpoint"],
    ['a strange version', () => withMetadata({ version: '1.5' }), 'the checkpoint version is "1.5", not a number'],
    ['a changed state', () => withMetadata({ state: stored().metadata.state!.replace('17', '18') }), 'do not match'],
    ['a changed hash', () => withMetadata({ sha256: '0'.repeat(64) }), 'do not match their sha256'],
    [
      'a tensor under another name',
      () => {
        const { 'conv1/mask': mask, ...others } = stored().tensors;
        return encodeSafetensors({ ...others, 'conv2/mask': mask! }, stored().metadata);
      },
      'do not match their sha256',
    ],
    [
      'a tensor of another shape',
      () => {
        const filters = { ...stored().tensors['conv1/filters']!, shape: [3, 2] };
        return encodeSafetensors({ ...stored().tensors, 'conv1/filters': filters }, stored().metadata);
      },
      'do not match their sha256',
    ],
  ])('refuses %s', (_, bytes, rule) => {
    expect(() => decodeCheckpoint(bytes(), 'x')).toThrow(FormatError);
    expect(() => decodeCheckpoint(bytes(), 'x')).toThrow(rule);
  });

  it.each([
    ['step', (value: string) => `{"step":${value}}`],
    ['bestAccuracy', (value: string) => `{"step":1,"epoch":1,"batch":1,"seed":1,"history":{"bestAccuracy":${value}}}`],
    [
      'bestEpoch',
      (value: string) => `{"step":1,"epoch":1,"batch":1,"seed":1,"history":{"bestAccuracy":0,"bestEpoch":${value}}}`,
    ],
  ])('refuses a %s that is nested more deeply than it can be shown', (key, stateOf) => {
    const state = stateOf(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    const sha256 = createHash('sha256').update(state).digest('hex');
    const bytes = encodeSafetensors({}, { format: 'subbit checkpoint', version: '1', state, sha256 });
    expect(() => decodeCheckpoint(bytes, 'x')).toThrow(FormatError);
    expect(() => decodeCheckpoint(bytes, 'x')).toThrow(new RegExp(`${key} (is )?a deeply nested value`));
  });

  it('names a file that is not there', () => {
    expect(() => loadCheckpoint(join(run, 'none'))).toThrow(/cannot read '.*none': ENOENT/);
  });
});

describe('saveCheckpoint', () => {
  it('keeps the newest two, last and best', () => {
    saveCheckpoint(run, checkpointAt(0));
    saveCheckpoint(run, checkpointAt(10), { isBest: true });
    saveCheckpoint(run, checkpointAt(20));
    expect(saveCheckpoint(run, checkpointAt(30))).toBe(stepFile(30));
    const expected = ['best', 'last', 'step-0000000020', 'step-0000000030'];
    expect(files()).toEqual(expected.map((name) => `${name}.safetensors`));
    expect(loadCheckpoint(bestFile(run)).step).toBe(10);
    expect(loadCheckpoint(lastFile(run)).step).toBe(30);
  });

  it('stores the bytes once', () => {
    const file = saveCheckpoint(run, checkpointAt(10), { isBest: true });
    const inodes = [file, bestFile(run), lastFile(run)].map((name) => statSync(name).ino);
    expect(new Set(inodes).size).toBe(1);
  });

  it('keeps as many as it is told', () => {
    for (const step of [1, 2, 3, 4]) saveCheckpoint(run, checkpointAt(step), { keep: 3 });
    expect(files()).toHaveLength(1 + 3);
    saveCheckpoint(run, checkpointAt(5), { keep: 1 });
    expect(files()).toEqual(['last.safetensors', 'step-0000000005.safetensors']);
    expect(() => saveCheckpoint(run, checkpointAt(6), { keep: 0 })).toThrow('an integer >= 1, not 0');
  });

  it('removes files of steps that the run has gone back from, and no others', () => {
    saveCheckpoint(run, checkpointAt(30));
    writeFileSync(join(checkpointFolder(run), 'step-7.safetensors'), 'not ours');
    saveCheckpoint(run, checkpointAt(20));
    expect(files()).toEqual(['last.safetensors', 'step-0000000020.safetensors', 'step-7.safetensors']);
  });
});

describe('findNewest', () => {
  it('finds nothing in a run without checkpoints', () => {
    expect(findNewest(run)).toEqual({ skipped: [] });
  });

  it('finds the newest', () => {
    for (const step of [9, 10]) saveCheckpoint(run, checkpointAt(step));
    const { found, skipped } = findNewest(run);
    expect({ file: found?.file, step: found?.checkpoint.step, skipped }).toEqual({
      file: stepFile(10),
      step: 10,
      skipped: [],
    });
  });

  it('skips damaged files and says so', () => {
    for (const step of [1, 2, 3]) saveCheckpoint(run, checkpointAt(step), { keep: 3 });
    flipBit(stepFile(3));
    writeFileSync(stepFile(2), readFileSync(stepFile(2)).subarray(0, 100));
    const { found, skipped } = findNewest(run);
    expect(found?.file).toBe(stepFile(1));
    expect(skipped.map(({ file }) => file)).toEqual([stepFile(3), stepFile(2), lastFile(run)]);
    expect(skipped[0]!.why).toBe(`'${stepFile(3)}': the contents do not match their sha256 (damaged)`);
    expect(skipped[1]!.why).toContain(`'${stepFile(2)}'`);
  });

  it('takes a best that is newer than the newest undamaged step', () => {
    saveCheckpoint(run, checkpointAt(1));
    saveCheckpoint(run, checkpointAt(2), { isBest: true });
    const best = readFileSync(bestFile(run));
    flipBit(stepFile(2));
    rmSync(bestFile(run));
    writeFileSync(bestFile(run), best);
    expect(findNewest(run).found?.file).toBe(bestFile(run));
  });

  it('falls back to last, then to best', () => {
    saveCheckpoint(run, checkpointAt(2), { isBest: true });
    rmSync(stepFile(2));
    expect(findNewest(run).found?.file).toBe(lastFile(run));
    rmSync(lastFile(run));
    expect(findNewest(run).found?.file).toBe(bestFile(run));
  });

  it('ignores what a crash left unfinished', () => {
    const file = saveCheckpoint(run, checkpointAt(1));
    writeFileSync(join(checkpointFolder(run), '.step-0000000002.safetensors.99-0a1b2c3d.subbit-tmp'), 'half');
    expect(findNewest(run)).toMatchObject({ found: { file }, skipped: [] });
  });

  it('reports that nothing is left', () => {
    saveCheckpoint(run, checkpointAt(1));
    flipBit(stepFile(1));
    const { found, skipped } = findNewest(run);
    expect(found).toBeUndefined();
    expect(skipped).toHaveLength(2);
  });

  it('does not go back behind a checkpoint of a newer version', () => {
    saveCheckpoint(run, checkpointAt(1));
    const { tensors, metadata } = decodeSafetensors(encodeCheckpoint(checkpointAt(2)), 'x');
    writeFileSync(stepFile(2), encodeSafetensors(tensors, { ...metadata, version: '2' }));
    expect(() => findNewest(run)).toThrow('update subbit');
  });
});
