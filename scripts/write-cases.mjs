/**
 * Writes the test cases of the ops with the reference's results, for native/test-kernels.cc (which describes the format), a
 * file per op, into build/cases/runtime (the ops of the inference runtime) or build/cases/full (all):
 *
 *     node scripts/write-cases.mjs [--all]
 *
 * Files that were written from the same sources are left alone.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleTypescript, importText } from './bundle-typescript.mjs';
import { hashOf, replaceFile, root } from './kernel-sources.mjs';

const roles = { absent: 0, input: 1, output: 2, changed: 3, scratch: 4 };
const bounded = 8;
const elements = { f32: 0, u8: 1, i16: 2, i32: 3 };

/** Bytes one after another, each piece filled up to a multiple of eight. */
class Writer {
  #pieces = [];

  bytes(data) {
    this.#pieces.push(Buffer.from(data), Buffer.alloc(-data.length & 7));
  }

  array(typedArray) {
    this.bytes(new Uint8Array(typedArray.buffer, typedArray.byteOffset, typedArray.byteLength));
  }

  words(...values) {
    this.array(Uint32Array.from(values));
  }

  size(bytes) {
    this.array(BigUint64Array.of(BigInt(bytes)));
  }

  finish() {
    return Buffer.concat(this.#pieces);
  }
}

/** Params as words, as src/backends/cpu.ts writes them. */
function paramWords(op, params) {
  const words = [];
  for (const [name, kind] of Object.entries(op.params)) {
    const value = params[name];
    if (kind === 'operand') words.push(value.isReal ? 1 : 0, value.multiplier, ...value.offset);
    else if (kind === 'f32') words.push(new Int32Array(Float32Array.of(value).buffer)[0]);
    else words.push(value);
  }
  return Int32Array.from(words);
}

function writeBuffer(writer, { role, dtype, bytes, contents, expected, bounds }) {
  writer.words(roles[role] + (bounds ? bounded : 0), elements[dtype]);
  writer.size(bytes);
  for (const array of [contents, expected, bounds && Float64Array.from(bounds)]) if (array) writer.array(array);
}

function writeCase(writer, testCase, code, { runReference, resultSlots, slotName }) {
  const { op, attributes, parity } = testCase;
  const run = runReference(testCase);
  const params = op.pack(run.types, attributes);
  const results = resultSlots(op);
  const boundsOf = (slot) => (parity === 'exact' ? undefined : parity[slot]?.(run));
  const inputs = op.inputs.map(slotName).map((slot, i) => {
    const contents = run.inputs[i];
    if (contents === undefined) return { role: 'absent', dtype: 'u8', bytes: 0 };
    const { dtype } = run.types[i];
    const common = { dtype, bytes: contents.byteLength, contents };
    if (!results.includes(slot)) return { role: 'input', ...common };
    return { role: 'changed', ...common, expected: run.results[slot], bounds: boundsOf(slot) };
  });
  const outputs = op.infer(run.types, attributes).map(({ dtype }, i) => {
    const expected = run.results[op.outputs[i]];
    return { role: 'output', dtype, bytes: expected.byteLength, expected, bounds: boundsOf(op.outputs[i]) };
  });
  const scratchBytes = op.scratchBytes?.(params) ?? 0;
  const scratch = scratchBytes > 0 ? [{ role: 'scratch', dtype: 'u8', bytes: scratchBytes }] : [];
  const buffers = [...inputs, ...outputs, ...scratch];
  const name = Buffer.from(`${op.name}: ${testCase.name}`);
  const words = paramWords(op, params);
  writer.words(code, words.byteLength, buffers.length, name.length);
  writer.array(words);
  writer.bytes(name);
  for (const buffer of buffers) writeBuffer(writer, buffer);
}

/** Returns the paths of the files, for the ops of the runtime or all. */
export async function writeCases({ all = false } = {}) {
  const folder = join(root, 'build/cases', all ? 'full' : 'runtime');
  mkdirSync(folder, { recursive: true });
  const code = await bundleTypescript('case-declarations.ts');
  const stamp = hashOf([code, readFileSync(fileURLToPath(import.meta.url))]);
  const stampFile = join(folder, 'sources.txt');
  const paths = () =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.cases'))
      .map((name) => join(folder, name));
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return paths();

  for (const path of paths()) rmSync(path);
  const source = await importText(code);
  const ops = all ? source.ops : source.runtimeOps;
  for (const [i, op] of Object.values(ops).entries()) {
    const own = op.isAlias ? [] : source.cases.filter((each) => each.op === op);
    if (own.length === 0) continue;
    const writer = new Writer();
    writer.bytes(Buffer.from('SUBCASES'));
    writer.words(source.signatureOf(ops), own.length);
    for (const testCase of own) writeCase(writer, testCase, i, source);
    replaceFile(join(folder, `${op.name}.cases`), writer.finish());
  }
  replaceFile(stampFile, stamp);
  return paths();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeCases({ all: process.argv.includes('--all') });
