/** The protocol with the PyTorch peer, spoken by a stand-in for Python. (bench/peers/test_dorefa.py tests the peer's numbers.) */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Peer } from './peer.js';

const folder = mkdtempSync(join(tmpdir(), 'subbit-peer-'));
const python = join(folder, 'python');
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(() => {
  writeFileSync(
    python,
    `#!${process.execPath}
const say = (answer) => console.log(JSON.stringify(answer));
if (process.argv.includes('1-2-5')) { console.error('Traceback\\nRuntimeError: no torch'); process.exit(1); }
say({ ready: true, torch: process.argv.slice(3).join(' '), memoryFormat: 'channels_last', mode: 'compiled' });
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'quit') process.exit(0);
  say(line === 'memory' ? { peakMemoryBytes: 7 } : { milliseconds: Array(Number(line.split(' ')[1])).fill(2.5) });
});
`,
  );
  chmodSync(python, 0o755);
});

const options = { python, preset: 'dorefa-svhn', width: 'C', bits: '1-2-4', batch: 8, threads: 2 };

test('a peer says which variant it chose, runs steps and tells its memory', async () => {
  const { peer, ...variant } = await Peer.start(options);
  expect(variant).toEqual({
    torch: '--model dorefa-svhn --bits 1-2-4 --batch 8 --threads 2 --width C',
    memoryFormat: 'channels_last',
    mode: 'compiled',
  });
  expect(await peer.run(3)).toEqual([2.5, 2.5, 2.5]);
  expect(await peer.peakMemoryBytes()).toBe(7);
  peer.stop();
});

test("a peer that fails gives Python's last line", async () => {
  await expect(Peer.start({ ...options, bits: '1-2-5' })).rejects.toThrow('RuntimeError: no torch');
});

test('a Python that is not there is named', async () => {
  const missing = join(folder, 'missing');
  await expect(Peer.start({ ...options, python: missing })).rejects.toThrow(`cannot start the Python at '${missing}'`);
});
