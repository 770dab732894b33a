import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isTemporaryName, linkFileAtomic, removeTemporaryFiles, writeFileAtomic } from './atomic-file.js';
import { SubbitError } from './errors.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'subbit-atomic-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('writeFileAtomic', () => {
  it('creates and replaces, and leaves nothing beside', () => {
    const path = join(folder, 'a.json');
    writeFileAtomic(path, 'one');
    writeFileAtomic(path, Uint8Array.of(1, 2, 255));
    expect([...readFileSync(path)]).toEqual([1, 2, 255]);
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  it('names the file when the folder is missing', () => {
    const path = join(folder, 'missing', 'a.json');
    expect(() => writeFileAtomic(path, 'x')).toThrow(SubbitError);
    expect(() => writeFileAtomic(path, 'x')).toThrow(/cannot write '.*missing.a\.json': ENOENT/);
  });

  it('leaves neither a change nor a temporary file when the last step fails', () => {
    const path = join(folder, 'taken');
    mkdirSync(path);
    expect(() => writeFileAtomic(path, 'x')).toThrow(SubbitError);
    expect(readdirSync(folder)).toEqual(['taken']);
  });
});

describe('linkFileAtomic', () => {
  it('gives a second name to the same bytes, also when it has that name already', () => {
    const first = join(folder, 'first');
    const second = join(folder, 'second');
    writeFileAtomic(first, 'new');
    writeFileAtomic(second, 'old');
    linkFileAtomic(first, second);
    linkFileAtomic(first, second);
    expect(readFileSync(second, 'utf8')).toBe('new');
    expect(statSync(second).ino).toBe(statSync(first).ino);
    expect(readdirSync(folder).sort()).toEqual(['first', 'second']);
  });

  it('keeps the second name when the first is replaced', () => {
    const first = join(folder, 'first');
    writeFileAtomic(first, 'one');
    linkFileAtomic(first, join(folder, 'second'));
    writeFileAtomic(first, 'two');
    expect(readFileSync(join(folder, 'second'), 'utf8')).toBe('one');
  });

  it('names the file when there is nothing to link to', () => {
    expect(() => linkFileAtomic(join(folder, 'none'), join(folder, 'second'))).toThrow(/cannot write '.*second'/);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('removeTemporaryFiles', () => {
  it('removes what a crashed writer left and nothing else', () => {
    const left = '.a.json.123-0a1b2c3d.subbit-tmp';
    expect(isTemporaryName(left)).toBe(true);
    for (const name of [left, 'a.json', '.hidden', 'notes.subbit-tmp']) writeFileSync(join(folder, name), '');
    removeTemporaryFiles(folder);
    expect(readdirSync(folder).sort()).toEqual(['.hidden', 'a.json', 'notes.subbit-tmp']);
  });
});
