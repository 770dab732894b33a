/** subbit verify MODEL: the same integers on every backend, instruction set and number of threads of this machine. */
import { availableParallelism } from 'node:os';
import type { BackendName } from '../../backends/open.js';
import type { Backend } from '../../core/backend.js';
import { type DecodedNetwork, verificationImages } from '../../formats/subbit.js';
import { runtimeBackends } from '../../runtime/backends.js';
import { DeployedModel, type Difference, firstDifferenceOf } from '../../runtime/model.js';
import { tunedChooser } from '../../runtime/tuning.js';
import { UsageError } from '../../util/errors.js';
import { type CliCommand, integer } from '../command.js';
import { addDataOptions, type DataOptions, loadData } from '../load-data.js';
import { readModel } from '../models.js';
import { createOutput, type Output } from '../output.js';

interface VerifyOptions extends DataOptions {
  readonly images: number;
  readonly json?: boolean;
}

export const verifyCommand: CliCommand = {
  register(program) {
    const parser = program
      .command('verify')
      .description('whether every backend, instruction set and number of threads here gives the same integers')
      .argument('<model>', 'a .subbit file')
      .option('--images <n>', 'how many of them', integer('--images', 1), 256)
      .option('--json', 'print one JSON object');
    addDataOptions(parser, 'also on test images of this data set').action(verify);
  },
};

/** Images, and the integers that they must give. */
interface Vectors {
  readonly images: Uint8Array;
  readonly expected: Int32Array;
}

interface Verdict {
  readonly name: string;
  readonly isa: string;
  readonly threads: number;
  readonly identical: boolean;
  readonly firstDifference: Difference | null;
}

const batch = 8;

/** Why a backend is not here. */
const absences = {
  native: 'it is not built; run: npx subbit build-native',
  wasm: 'it is not built; run: npm run build',
  webgpu: 'it needs the package webgpu (npm install webgpu) and a GPU driver',
} as const;

async function verify(path: string, options: VerifyOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  const decoded = readModel(path);
  const images = options.data === undefined ? undefined : await testImages(decoded, options.data, options, output);
  const stored = storedVectors(decoded);
  if (stored === undefined && images === undefined)
    throw new UsageError(`'${path}' holds no verification vectors; give --data NAME|PATH`);

  // The reference is the specification: it must give the file's own integers, and its integers for the data are the expected ones.
  const reference = await runtimeBackends.reference.create();
  output.note('computing on the reference (typescript)');
  const verdicts = [await verdictOf(reference, decoded, stored === undefined ? [] : [stored])];
  const vectors = stored === undefined ? [] : [stored];
  if (images !== undefined) vectors.push({ images, expected: await integersOf(reference, decoded, images) });
  reference.dispose();

  const skipped: { name: string; why: string }[] = [];
  for (const name of ['native', 'wasm', 'webgpu'] as const) {
    const isas = await runtimeBackends[name].isas();
    if (isas.length === 0) skipped.push({ name, why: absences[name] });
    for (const isa of isas) verdicts.push(...(await verdictsOf(name, isa, decoded, vectors, output.note)));
  }
  const identical = verdicts.every((verdict) => verdict.identical);
  const numVectors = vectors.reduce((sum, { expected }) => sum + expected.length / decoded.network.classes.length, 0);
  output.result({ identical, vectors: numVectors, backends: verdicts, skipped }, () =>
    [
      ...verdicts.map(describeVerdict),
      ...skipped.map(({ name, why }) => `${name}: skipped, ${why}`),
      identical ? `identical integers on ${numVectors} images` : 'NOT identical',
    ].join('\n'),
  );
  if (!identical) process.exitCode = 1;
}

async function verdictsOf(
  name: BackendName,
  isa: string,
  decoded: DecodedNetwork,
  vectors: readonly Vectors[],
  note: (line: string) => void,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  // A GPU's are not ours to count.
  for (const threads of name === 'webgpu' ? [1] : [1, Math.max(2, availableParallelism())]) {
    note(`computing on ${name} (${isa}, ${threads} threads)`);
    const backend = await runtimeBackends[name].create({ isa, threads });
    verdicts.push(await verdictOf(backend, decoded, vectors));
    backend.dispose();
  }
  return verdicts;
}

async function verdictOf(backend: Backend, decoded: DecodedNetwork, vectors: readonly Vectors[]): Promise<Verdict> {
  const { name, isa, threads } = backend;
  let firstDifference: Difference | undefined;
  for (const { images, expected } of vectors) {
    const actual = await integersOf(backend, decoded, images);
    firstDifference ??= firstDifferenceOf(expected, actual, decoded.network.classes.length);
  }
  const identical = firstDifference === undefined;
  return { name, isa, threads, identical, firstDifference: firstDifference ?? null };
}

async function integersOf(backend: Backend, decoded: DecodedNetwork, images: Uint8Array): Promise<Int32Array> {
  const model = new DeployedModel(backend, decoded, { batch, kernelOf: tunedChooser(backend) });
  try {
    return await model.run(images);
  } finally {
    model.dispose();
  }
}

function storedVectors({ network }: DecodedNetwork): Vectors | undefined {
  const { input, verification } = network;
  if (verification === undefined) return undefined;
  const { seed, count, expected } = verification;
  return { images: verificationImages(input, seed, count), expected };
}

async function testImages(
  { network }: DecodedNetwork,
  data: string,
  options: VerifyOptions,
  output: Output,
): Promise<Uint8Array> {
  const { test } = await loadData(data, network.input, output, options);
  const imageBytes = test.images.length / test.count;
  return test.images.subarray(0, Math.min(options.images, test.count) * imageBytes);
}

function describeVerdict({ name, isa, threads, identical, firstDifference }: Verdict): string {
  const who = `${name} (${isa}, ${threads === 1 ? '1 thread' : `${threads} threads`})`;
  if (identical || firstDifference === null) return `${who}: identical`;
  const { image, class: label, expected, actual } = firstDifference;
  return `${who}: image ${image}, class ${label} is ${actual}, not ${expected}`;
}
