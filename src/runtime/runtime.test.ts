import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { exampleClasses, exampleNetwork } from '../../test/deployed-example.js';
import { builtFile } from '../backends/built-file.js';
import { createReference } from '../backends/reference.js';
import { newImageSet } from '../data/dataset.js';
import { prepare } from '../data/prepare.js';
import { encodeSubbit, verificationImages } from '../formats/subbit.js';
import { FormatError, UsageError } from '../util/errors.js';
import { Philox } from '../util/philox.js';
import { runtimeBackends } from './backends.js';
import { load as loadInBrowser } from './browser.js';
import { load } from './index.js';
import { withVerification } from './verification.js';

const required = (process.env.REQUIRE_BACKENDS ?? '').split(',');
const network = await withVerification(exampleNetwork(), createReference(), { seed: 5, count: 4 });
const bytes = encodeSubbit(network);
const imageBytes = 11 * 9 * 3;
const images = verificationImages(network.input, 11, 7);

const folder = mkdtempSync(join(tmpdir(), 'subbit-runtime-'));
const file = join(folder, 'example.subbit');
let server: Server;
let address: string;
beforeAll(async () => {
  writeFileSync(file, bytes);
  server = createServer((request, response) => {
    // A built file is also found in dist by its last name, so other folders are refused here.
    const kernels = /^\/[^/]+$/.test(request.url!) ? builtFile(`wasm${request.url}`) : undefined;
    const contents = request.url === '/example.subbit' ? bytes : kernels && readFileSync(kernels);
    response.statusCode = contents === undefined ? 404 : 200;
    response.end(contents ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const onReference = { backend: 'reference' };

describe('load', () => {
  test('takes bytes, a path, a file address and a web address', async () => {
    const within = new Uint8Array(bytes.length + 5).fill(9);
    within.set(bytes, 5);
    const sources = [bytes, within.subarray(5), bytes.buffer, file, pathToFileURL(file), `${address}/example.subbit`];
    for (const source of sources) {
      const model = await load(source, onReference);
      expect(model).toMatchObject({
        input: { height: 11, width: 9, channels: 3, zeroPoints: [125, 123, 114], step: 1 / 64 },
        classes: exampleClasses,
        origin: { preset: 'example' },
        backend: { name: 'reference', isa: 'typescript', threads: 1 },
      });
      expect(await model.verify()).toEqual({ identical: true, vectors: 4 });
      model.dispose();
    }
  });

  test('names what it cannot read', async () => {
    await expect(load(join(folder, 'none.subbit'), onReference)).rejects.toThrow(
      /cannot read '.*none\.subbit': ENOENT/,
    );
    await expect(load(`${address}/none`, onReference)).rejects.toThrow(/cannot fetch '.*none': 404/);
    await expect(load(bytes.subarray(0, 100), onReference)).rejects.toThrow(
      /'the given bytes' is not a safetensors file/,
    );
    await expect(load(bytes.subarray(0, 100), onReference)).rejects.toThrow(FormatError);
  });

  test('refuses options that do not fit', async () => {
    await expect(load(bytes, { ...onReference, batch: 0 })).rejects.toThrow(UsageError);
    await expect(load(bytes, { ...onReference, batch: 2 ** 24 })).rejects.toThrow('too large');
    await expect(load(bytes, { backend: 'natve' })).rejects.toThrow("did you mean 'native'");
    const limits = { valueBytes: 1000, macs: 1e9 };
    await expect(load(bytes, { ...onReference, limits })).rejects.toThrow('the limit is 1000');
  });
});

describe('a model', () => {
  test('runs any number of images, whatever its batch', async () => {
    const one = await load(bytes, onReference);
    const expected = await one.run(images);
    expect(expected.length).toBe(7 * 5);
    expect(one.step).toBeCloseTo(2 ** -8 / 15, 10);
    for (const batch of [2, 7, 20]) {
      const model = await load(bytes, { ...onReference, batch });
      expect(await model.run(images)).toEqual(expected);
      expect(await model.run(images.subarray(0, 3 * imageBytes))).toEqual(expected.subarray(0, 15));
      expect((await model.run(images.subarray(0, 0))).length).toBe(0);
      const out = new Int32Array(35).fill(-1);
      expect(await model.run(images, out)).toBe(out);
      expect(out).toEqual(expected);
      model.dispose();
    }
    one.dispose();
  });

  test('refuses bytes that are no images, and a result of another size', async () => {
    const model = await load(bytes, onReference);
    await expect(model.run(images.subarray(1))).rejects.toThrow('2078 bytes are not a number of 11x9x3 images');
    await expect(model.run(images, new Int32Array(34))).rejects.toThrow('35 integers, and the array has 34');
    model.dispose();
  });

  test('classifies with probabilities that sum to 1', async () => {
    const model = await load(bytes, onReference);
    const integers = await model.run(images);
    const found = await model.classify(images, { top: 5 });
    expect(found.length).toBe(7);
    for (const [i, { label, class: name, probability, top }] of found.entries()) {
      const row = [...integers.subarray(5 * i, 5 * i + 5)];
      expect(label).toBe(row.indexOf(Math.max(...row)));
      expect(name).toBe(exampleClasses[label]);
      expect(top[0]).toEqual({ label, class: name, probability });
      expect(top.reduce((sum, each) => sum + each.probability, 0)).toBeCloseTo(1, 12);
      const logits = row.map((value) => Math.exp(value * model.step));
      expect(probability).toBeCloseTo(logits[label]! / logits.reduce((sum, value) => sum + value, 0), 12);
      expect(top.map((each) => each.probability)).toEqual(top.map((each) => each.probability).sort((a, b) => b - a));
    }
    expect((await model.classify(images))[0]!.top.length).toBe(1);
    model.dispose();
  });

  test('calls that overlap do not mix', async () => {
    const model = await load(bytes, onReference);
    const size = images.length / 7;
    const each = Array.from({ length: 7 }, (_, i) => images.subarray(i * size, (i + 1) * size));
    const together = await Promise.all(each.map((image) => model.run(image)));
    const all = [...(await model.run(images))];
    expect(together.flatMap((integers) => [...integers])).toEqual(all);
    model.dispose();
  });

  test('prepares an image as training does', async () => {
    const model = await load(bytes, onReference);
    const random = new Philox(1, 'prepare');
    for (const channels of [1, 3]) {
      const set = newImageSet(1, { height: 20, width: 31, channels });
      for (let i = 0; i < set.images.length; i++) set.images[i] = random.nextInt(256);
      const prepared = model.prepare(set.images, set);
      expect(prepared).toEqual(Uint8Array.from(prepare(set, model.input).images));
      // The same with alpha, all of it opaque: what a canvas gives.
      const pixels = Array.from({ length: 620 }, (_, i) => [
        ...set.images.subarray(i * channels, (i + 1) * channels),
        255,
      ]);
      const opaque = Uint8ClampedArray.from(pixels.flat());
      expect(model.prepare(opaque, { ...set, channels: channels + 1 })).toEqual(prepared);
    }
    const clear = model.prepare(new Uint8Array(4 * 6), { height: 2, width: 3, channels: 4 });
    expect(clear.every((byte) => byte === 255)).toBe(true);
    expect(() => model.prepare(new Uint8Array(5), { height: 2, width: 3, channels: 1 })).toThrow(
      '5 bytes are no 2x3x1',
    );
    expect(() => model.prepare(new Uint8Array(5), { height: 1, width: 1, channels: 5 })).toThrow(UsageError);
    const same = model.prepare(images.subarray(0, imageBytes), model.input);
    expect(same).toEqual(images.slice(0, imageBytes));
    model.dispose();
  });

  test('sees when it computes something else than its file says', async () => {
    const { seed, count, expected } = network.verification!;
    const wrong = expected.map((value, i) => (i === 7 ? value + 1 : value));
    const model = await load(encodeSubbit({ ...network, verification: { seed, count, expected: wrong } }), onReference);
    const firstDifference = { image: 1, class: 2, expected: wrong[7], actual: expected[7] };
    expect(await model.verify()).toEqual({ identical: false, vectors: 4, firstDifference });
    model.dispose();
    const { verification: _, ...without } = network;
    const unverified = await load(encodeSubbit(without), onReference);
    expect(await unverified.verify()).toEqual({ identical: true, vectors: 0 });
    unverified.dispose();
  });
});

describe('in a browser', () => {
  const isBuilt = ['runtime-single.wasm', 'runtime.wasm'].every((name) => builtFile(`wasm/${name}`) !== undefined);

  test.skipIf(!isBuilt)('fetches model and kernels, says that it has one thread, and computes the same', async () => {
    const reference = await load(bytes, onReference);
    const notices: string[] = [];
    const options = {
      kernels: `${address}/`,
      isa: 'simd128',
      threads: 4,
      onNotice: (line: string) => notices.push(line),
    };
    // A batch that makes the memory, which is not shared, grow past what it begins with.
    for (const batch of [1, 600]) {
      const model = await loadInBrowser(`${address}/example.subbit`, { ...options, batch });
      expect(model.backend).toMatchObject({ name: 'wasm', isa: 'simd128', threads: 1 });
      expect(await model.verify()).toEqual({ identical: true, vectors: 4 });
      const larger = await loadInBrowser(bytes, { ...options, batch: 3 });
      expect(await model.run(images)).toEqual(await reference.run(images));
      expect(await larger.run(images)).toEqual(await reference.run(images));
      model.dispose();
      larger.dispose();
    }
    expect(notices[0]).toMatch(/not cross-origin isolated/);
    reference.dispose();
  });

  test.skipIf(!isBuilt)('finds the kernels at a path of the page', async () => {
    vi.stubGlobal('location', new URL(`${address}/pages/index.html`));
    try {
      for (const kernels of ['/', '../', new URL(`${address}/`)]) {
        const model = await loadInBrowser(bytes, { kernels, isa: 'simd128', threads: 1 });
        expect(await model.verify()).toEqual({ identical: true, vectors: 4 });
        model.dispose();
      }
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test('names what it cannot fetch, and backends that there are', async () => {
    const model = await loadInBrowser(bytes, onReference);
    expect((await model.verify()).identical).toBe(true);
    model.dispose();
    const options = { threads: 1, isa: 'simd128', kernels: `${address}/elsewhere/` };
    await expect(loadInBrowser(bytes, options)).rejects.toThrow(/cannot fetch '.*elsewhere\/runtime-single.wasm': 404/);
    await expect(loadInBrowser(`${address}/none`)).rejects.toThrow(FormatError);
    await expect(loadInBrowser(bytes, { backend: 'native' })).rejects.toThrow("unknown backend 'native'");
  });
});

for (const name of ['native', 'wasm', 'webgpu'] as const) {
  const isas = await runtimeBackends[name].isas();
  if (isas.length === 0 && required.includes(name)) throw new Error(`the ${name} backend is required and not built`);
  if (isas.length === 0) console.warn(`SKIPPED: the runtime on ${name}, which is not here`);

  describe.skipIf(isas.length === 0)(name, () => {
    test.each(isas)('%s computes what the reference computes', async (isa) => {
      const reference = await load(bytes, onReference);
      // A GPU's threads are not ours to count.
      for (const threads of name === 'webgpu' ? [1] : [1, 3])
        for (const batch of [1, 3]) {
          const model = await load(bytes, { backend: name, isa, threads, batch });
          expect(await model.verify()).toEqual({ identical: true, vectors: 4 });
          expect(await model.run(images)).toEqual(await reference.run(images));
          model.dispose();
        }
      reference.dispose();
    });
  });
}
