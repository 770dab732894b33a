import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { SubbitError } from '../util/errors.js';
import type { DatasetKind } from './dataset.js';
import type { Download } from './download.js';
import { findPublished, obtain } from './obtain.js';
import { tarFile } from './tar-example.js';

const content = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, i) => (i * i) % 251));
const archive = gzipSync(
  tarFile([
    { name: 'bits/', type: '5' },
    { name: 'bits/a.bin', data: content },
  ]),
);
const files: Readonly<Record<string, Buffer>> = { '/a.bin': content, '/bits.tar.gz': archive };

/** What the server does with the next requests; with none left it serves files, in parts when asked. */
type Answer = (request: IncomingMessage, response: ServerResponse) => void;
let answers: Answer[] = [];
let ranges: (string | undefined)[] = [];
const server = createServer((request, response) => {
  ranges.push(request.headers.range);
  (answers.shift() ?? serve)(request, response);
});
let address = '';
const root = mkdtempSync(join(tmpdir(), 'subbit-obtain-'));
let place = '';

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  answers = [];
  ranges = [];
  place = mkdtempSync(join(root, 'place-'));
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => {
  server.close();
  rmSync(root, { recursive: true });
});

function serve({ url, headers: { range } }: IncomingMessage, response: ServerResponse): void {
  const file = files[url!];
  if (file === undefined) return void response.writeHead(404, 'Not Found').end();
  const first = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  if (first >= file.length) return void response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end();
  const part = file.subarray(first);
  const headers = {
    'content-length': part.length,
    'content-range': `bytes ${first}-${file.length - 1}/${file.length}`,
  };
  response.writeHead(range === undefined ? 200 : 206, headers).end(part);
}

/** Sends the first half and breaks the connection. */
const breakOff: Answer = ({ url }, response) => {
  const file = files[url!]!;
  response.writeHead(200, { 'content-length': file.length });
  response.write(file.subarray(0, file.length / 2), () => setTimeout(() => response.destroy(), 20));
};

const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('hex');

function kindOf(...downloads: Download[]): DatasetKind {
  const locate = (path: string): string | undefined =>
    [path, join(path, 'bits')].find((folder) => existsSync(join(folder, 'a.bin')));
  const published = {
    numClasses: 2,
    shape: [1, 1, 1],
    splits: { train: 1, test: 1 },
    source: '',
    folders: ['bits'],
    downloads,
  } as const;
  return { name: 'bits', description: '', files: 'a.bin', published, locate, load: () => expect.unreachable() };
}
const plain = (): Download => ({ url: `${address}/a.bin`, md5: md5(content), bytes: content.length });
const packed = (): Download => ({
  url: `${address}/bits.tar.gz`,
  md5: md5(archive),
  bytes: archive.length,
  unpackedBytes: content.length,
});

describe('a set that is not here', () => {
  test('is downloaded with progress, and found after that', async () => {
    const told: string[] = [];
    const onProgress = (stage: string, done: number, total: number): void =>
      void told.push(`${stage} ${done}/${total}`);
    const kind = kindOf(plain());
    const path = await obtain(kind, { place, onProgress, onNotice: (line) => told.push(line) });
    expect(path).toBe(join(place, 'bits'));
    expect(readFileSync(join(path, 'a.bin'))).toEqual(content);
    expect(told[0]).toMatch(/^data set 'bits' is not on this machine: downloading 1 MB to '.*bits'$/);
    expect(told.at(-1)).toBe('downloading a.bin, MB 1/1');
    expect(await obtain(kind, { place })).toBe(path);
    expect(ranges).toHaveLength(1);
    expect(readdirSync(path)).toEqual(['a.bin']);
  });

  test('is unpacked, and the archive removed', async () => {
    const path = await obtain(kindOf(packed()), { place });
    expect(path).toBe(join(place, 'bits', 'bits'));
    expect(readFileSync(join(path, 'a.bin'))).toEqual(content);
    expect(readdirSync(join(place, 'bits'))).toEqual(['bits']);
  });

  test('goes to $SUBBIT_DATA, and is not downloaded when that is not wanted', async () => {
    vi.stubEnv('SUBBIT_DATA', place);
    await expect(obtain(kindOf(plain()), { download: false })).rejects.toThrow(/put a.bin into .*bits or /);
    expect(await obtain(kindOf(plain()))).toBe(join(place, 'bits'));
    expect(findPublished(kindOf(plain()))).toBe(join(place, 'bits'));
  });
});

describe('an interrupted download', () => {
  test('says so, keeps what it has, and goes on', async () => {
    answers = [breakOff];
    const failing = obtain(kindOf(plain()), { place });
    await expect(failing).rejects.toThrow(SubbitError);
    await expect(failing).rejects.toThrow(
      /cannot download 'http.*a.bin': it ended after \d+ of 200000 bytes.*; try again, or fetch it by hand and put it into '.*bits'/,
    );
    expect(findPublished(kindOf(plain()), [place])).toBeUndefined();
    const path = await obtain(kindOf(plain()), { place });
    expect(readFileSync(join(path, 'a.bin'))).toEqual(content);
    expect(ranges[0]).toBeUndefined();
    expect(ranges[1]).toMatch(/^bytes=\d+-$/);
  });

  test('begins anew at a server that sends no parts', async () => {
    answers = [breakOff, ({ url }, response) => response.writeHead(200).end(files[url!])];
    await obtain(kindOf(plain()), { place }).catch(() => {});
    const path = await obtain(kindOf(plain()), { place });
    expect(readFileSync(join(path, 'a.bin'))).toEqual(content);
  });

  test('that ended just before it was renamed is only checked', async () => {
    mkdirSync(join(place, 'bits'));
    writeFileSync(join(place, 'bits', 'a.bin.part'), content);
    const path = await obtain(kindOf(plain()), { place });
    expect(readFileSync(join(path, 'a.bin'))).toEqual(content);
  });
});

describe('what does not come right is refused:', () => {
  test('another checksum, and the next try begins anew', async () => {
    const wrong = { ...plain(), md5: '0'.repeat(32) };
    await expect(obtain(kindOf(wrong), { place })).rejects.toThrow(/its md5 is [0-9a-f]{32}, not 0{32} as published/);
    expect(readdirSync(join(place, 'bits'))).toEqual([]);
  });

  test('404', async () => {
    const absent = { ...plain(), url: `${address}/b.bin` };
    await expect(obtain(kindOf(absent), { place })).rejects.toThrow(
      /b.bin': the server answers 404 Not Found; try again/,
    );
  });

  test('no server', async () => {
    const absent = { ...plain(), url: 'http://127.0.0.1:1/a.bin' };
    await expect(obtain(kindOf(absent), { place })).rejects.toThrow(/fetch failed|bad port/);
  });

  test('more than twice the announced bytes', async () => {
    const small = { ...plain(), bytes: 50_000 };
    await expect(obtain(kindOf(small), { place })).rejects.toThrow(/longer than 100000 bytes/);
  });

  test('a file that was put there by hand and is another', async () => {
    mkdirSync(join(place, 'bits'));
    writeFileSync(join(place, 'bits', 'bits.tar.gz'), 'something');
    await expect(obtain(kindOf(packed()), { place })).rejects.toThrow(/is not as published: its md5 is .*remove it/);
  });
});

test('what only an option needs is added when it is asked for', async () => {
  const kind = kindOf(packed(), { ...plain(), url: `${address}/a.bin`, choice: 'extra' });
  mkdirSync(join(place, 'bits'));
  writeFileSync(join(place, 'bits', 'a.bin'), content);
  await obtain(kind, { place });
  expect(ranges).toHaveLength(0);
  const other = kindOf({ ...packed(), choice: 'extra', md5: md5(archive) });
  await obtain(other, { place, choices: { extra: '' } });
  expect(ranges).toHaveLength(1);
});
