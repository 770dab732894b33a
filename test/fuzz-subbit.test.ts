/**
 * Mutated `.subbit` files: bytes flipped, files cut and lengthened, header lengths, offsets and shapes changed, values of the graph
 * JSON replaced, removed, repeated; every other file with its hash made right again. Each gives one clear error, or a network that
 * runs, with the same integers on all kernels here. No crash, no hang, no allocation beyond the file's own order of size.
 *
 * FUZZ=10000 for the long run, FUZZ_SEED for other files, SUBBIT_BUILD=build/sanitize for kernels with sanitizers.
 */
import { afterAll, expect, test } from 'vitest';
import { createReference } from '../src/backends/reference.js';
import type { Backend } from '../src/core/backend.js';
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from '../src/formats/safetensors.js';
import {
  contentHash,
  type DecodedNetwork,
  decodeSubbit,
  encodeSubbit,
  predictBytes,
  verificationImages,
} from '../src/formats/subbit.js';
import { runtimeBackends } from '../src/runtime/backends.js';
import { DeployedModel } from '../src/runtime/model.js';
import { withVerification } from '../src/runtime/verification.js';
import { FormatError, SubbitError } from '../src/util/errors.js';
import { Philox } from '../src/util/philox.js';
import { codebookNetwork, exampleNetwork } from './deployed-example.js';

const numFiles = Number(process.env.FUZZ ?? 2000);
const seed = Number(process.env.FUZZ_SEED ?? 1);

/** A file and its parts. */
interface Original {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly tensors: Readonly<Record<string, StoredTensor>>;
  readonly metadata: Readonly<Record<string, string>>;
}

const originals: Original[] = [];
for (const network of [exampleNetwork(), codebookNetwork()]) {
  const bytes = encodeSubbit(await withVerification(network, createReference(), { count: 2 }));
  originals.push({ bytes, ...decodeSafetensors(bytes, 'original') });
}

const largestOriginal = Math.max(...originals.map(({ bytes }) => bytes.length));

/** What a loaded network may cost to be run here. */
const limits = { valueBytes: 2 ** 24, macs: 2 ** 26 };
const cheapMacs = 2 ** 21;

/** A value to put in place of another; among them what breaks ranges, types and 32-bit arithmetic. */
function anyValue(random: Philox, others: readonly unknown[]): unknown {
  const numbers = [
    0,
    -1,
    1,
    2,
    3,
    7,
    255,
    256,
    32767,
    32768,
    2 ** 31 - 1,
    2 ** 31,
    -(2 ** 31),
    2 ** 32,
    2 ** 53,
    1e308,
  ];
  switch (random.nextInt(6)) {
    case 0:
    case 1:
      return numbers[random.nextInt(numbers.length)];
    case 2:
      return [0.5, -0.1, 1e-320, '', 'x', '\u0000', '__proto__', null, true, {}, [], [[]]][random.nextInt(12)];
    case 3:
      return [numbers[random.nextInt(numbers.length)], 3, numbers[random.nextInt(numbers.length)]];
    default:
      return structuredClone(others[random.nextInt(others.length)]);
  }
}

/** Every place in a JSON value: the container and the key. */
function placesIn(value: unknown, found: { container: Record<string, unknown>; key: string }[] = []): typeof found {
  if (typeof value !== 'object' || value === null) return found;
  for (const [key, child] of Object.entries(value)) {
    found.push({ container: value as Record<string, unknown>, key });
    placesIn(child, found);
  }
  return found;
}

function mutateJson(text: string, random: Philox): string {
  const json: unknown = JSON.parse(text);
  const places = placesIn(json);
  const values = places.map(({ container, key }) => container[key]);
  for (let n = 1 + random.nextInt(2); n > 0; n--) {
    const { container, key } = places[random.nextInt(places.length)]!;
    const action = random.nextInt(8);
    const value = container[key];
    if (action === 0 && Array.isArray(container)) container.splice(Number(key), 1);
    else if (action === 0) delete container[key];
    else if (action === 1 && Array.isArray(container)) container.push(value);
    else if (action <= 3 && typeof value === 'number') container[key] = value + random.nextInt(5) - 2;
    else container[key] = anyValue(random, values);
  }
  return JSON.stringify(json);
}

function flipBytes(bytes: Uint8Array, random: Philox): Uint8Array {
  const flipped = bytes.slice();
  for (let n = 1 + random.nextInt(4); n > 0; n--) flipped[random.nextInt(flipped.length)]! ^= 1 + random.nextInt(255);
  return flipped;
}

/** The file with another header text. */
function withHeader(original: Uint8Array<ArrayBuffer>, change: (header: string) => string): Uint8Array {
  const headerBytes = new DataView(original.buffer).getUint32(0, true);
  const header = new TextEncoder().encode(change(new TextDecoder().decode(original.subarray(8, 8 + headerBytes))));
  const file = new Uint8Array(8 + header.length + original.length - 8 - headerBytes);
  new DataView(file.buffer).setUint32(0, header.length, true);
  file.set(header, 8);
  file.set(original.subarray(8 + headerBytes), 8 + header.length);
  return file;
}

const mutations: readonly ((original: Original, random: Philox) => Uint8Array)[] = [
  function flip({ bytes }, random) {
    return flipBytes(bytes, random);
  },
  function cutOrLengthen({ bytes }, random) {
    if (random.nextInt(2) === 0) return bytes.slice(0, random.nextInt(bytes.length));
    const longer = new Uint8Array(bytes.length + 1 + random.nextInt(100));
    longer.set(bytes);
    return longer;
  },
  function changeLength({ bytes }, random) {
    const file = bytes.slice();
    const view = new DataView(file.buffer);
    if (random.nextInt(2) === 0) view.setUint32(random.nextInt(2) * 4, random.word(random.nextInt(1000)), true);
    else view.setUint32(0, view.getUint32(0, true) + random.nextInt(17) - 8, true);
    return file;
  },
  function changeOffsetsAndShapes({ bytes }, random) {
    return withHeader(bytes, (header) => mutateJson(header, random));
  },
  function changeGraph({ tensors, metadata }, random) {
    const graph = mutateJson(metadata.graph!, random);
    return encodeSafetensors(tensors, { ...metadata, graph });
  },
  function changeGraphText({ tensors, metadata }, random) {
    const characters = [...metadata.graph!];
    characters[random.nextInt(characters.length)] = '0123456789-.e"{}[],: \n\u0007'[random.nextInt(24)]!;
    return encodeSafetensors(tensors, { ...metadata, graph: characters.join('') });
  },
  function changeContents({ tensors, metadata }, random) {
    const names = Object.keys(tensors);
    const name = names[random.nextInt(names.length)]!;
    const { data, ...type } = tensors[name]!;
    const raw = flipBytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), random);
    const changed = new (data.constructor as Int32ArrayConstructor)(raw.buffer as ArrayBuffer);
    return encodeSafetensors({ ...tensors, [name]: { ...type, data: changed } }, metadata);
  },
  function swapTensors({ tensors, metadata }, random) {
    const names = Object.keys(tensors);
    const [a, b] = [names[random.nextInt(names.length)]!, names[random.nextInt(names.length)]!];
    const swapped: Record<string, StoredTensor> = {
      ...tensors,
      [a]: tensors[b]!,
      [b]: tensors[a]!,
    };
    if (random.nextInt(4) === 0) delete swapped[a];
    return encodeSafetensors(swapped, metadata);
  },
];

/** The file with a hash that fits, as far as it can be read. */
function withRightHash(file: Uint8Array): Uint8Array {
  try {
    const { tensors, metadata } = decodeSafetensors(file, 'mutated');
    return encodeSafetensors(tensors, { ...metadata, sha256: contentHash(metadata.graph ?? '', tensors) });
  } catch {
    return file;
  }
}

const reference = createReference();
const backends: Backend[] = [reference];
for (const name of ['native', 'wasm', 'webgpu'] as const) {
  const isas = await runtimeBackends[name].isas();
  if (isas.length === 0) console.warn(`SKIPPED: mutated files on ${name}, which is not here`);
  for (const isa of isas) backends.push(await runtimeBackends[name].create({ isa, threads: 1 }));
}
afterAll(() => {
  for (const backend of backends) backend.dispose();
});

async function run(decoded: DecodedNetwork): Promise<void> {
  const images = verificationImages(decoded.network.input, 3, 1);
  const results: Int32Array[] = [];
  for (const backend of backends) {
    const model = new DeployedModel(backend, decoded);
    results.push(await model.run(images));
    model.dispose();
  }
  for (const result of results) expect(result).toEqual(results[0]);
}

/** The network, or undefined when the file was refused as it should be. */
function decodeOrRefuse(file: Uint8Array, context: string): DecodedNetwork | undefined {
  const { arrayBuffers } = process.memoryUsage();
  const started = performance.now();
  let decoded: DecodedNetwork | undefined;
  try {
    decoded = decodeSubbit(file, 'mutated.subbit', limits);
  } catch (error) {
    if (!(error instanceof SubbitError)) throw new Error(`${context}: ${(error as Error).stack}`);
    if (!(error instanceof FormatError)) expect(error.message, context).toContain('update subbit');
    expect(error.message, context).toMatch(/^'mutated\.subbit'[^\n]*$/);
    expect(error.message.length, context).toBeLessThan(700);
  }
  expect(performance.now() - started, `${context}: milliseconds`).toBeLessThan(2000);
  const taken = process.memoryUsage().arrayBuffers - arrayBuffers;
  expect(taken, `${context}: bytes`).toBeLessThan(20 * largestOriginal + 2 ** 16);
  return decoded;
}

test(`${numFiles} mutated files are refused in one line or run everywhere`, { timeout: 3_600_000 }, async () => {
  let numLoaded = 0;
  let numRun = 0;
  for (let i = 0; i < numFiles; i++) {
    const random = new Philox(seed, 'fuzz', i);
    const mutate = mutations[Math.floor(i / 2) % mutations.length]!;
    const mutated = mutate(originals[random.nextInt(originals.length)]!, random);
    const file = i % 2 === 0 ? mutated : withRightHash(mutated);
    const context = `file ${i} (${mutate.name}), seed ${seed}`;
    const decoded = decodeOrRefuse(file, context);
    if (decoded === undefined) continue;
    numLoaded++;
    expect(encodeSubbit(decoded.network).length, context).toBe(predictBytes(decoded.network));
    if (decoded.macs > cheapMacs) continue;
    numRun++;
    await run(decoded);
  }
  console.error(
    `${numFiles} mutated files: ${numLoaded} loaded, ${numRun} of them ran on ${backends.map(({ name, isa }) => `${name} (${isa})`).join(', ')}`,
  );
  expect(numLoaded).toBeGreaterThan(numFiles / 50);
  expect(numLoaded).toBeLessThan(numFiles / 2);
});
