/** subbit doctor: what is here, what is missing, and how to get it. */
import { availableParallelism, totalmem } from 'node:os';
import { backends } from '../../backends/index.js';
import { nativeFile } from '../../backends/native.js';
import type { BackendEntry } from '../../backends/open.js';
import { type AdapterReport, describeWebGpu } from '../../backends/webgpu/webgpu-node.js';
import { datasetKinds } from '../../data/index.js';
import { findPublished } from '../../data/obtain.js';
import { dataPlaces } from '../../data/places.js';
import { cpuName } from '../bench/machine.js';
import type { CliCommand } from '../command.js';
import { compilerVersion, processorIsas } from '../native-build.js';
import { createOutput, formatBytes } from '../output.js';
import { optionalPackages, ownVersion, packageVersion } from '../packages.js';

export const doctorCommand: CliCommand = {
  register(program) {
    program
      .command('doctor')
      .description('versions, instruction sets, backends and optional packages here, and how to get what is missing')
      .option('--json', 'print one JSON object')
      .action(doctor);
  },
};

interface BackendReport {
  readonly name: string;
  readonly isas: readonly string[];
  /** The addon that the native backend loads. */
  readonly file?: string;
  /** The GPU of the webgpu backend: bytes of the largest tensor, invocations of a group and bytes that these share. */
  readonly adapter?: AdapterReport;
  /** Why it does not work, and the remedy. */
  readonly problem?: string;
}

interface Examination {
  readonly subbit: string;
  readonly node: string;
  readonly platform: string;
  readonly machine: {
    readonly cpu: string;
    readonly threads: number;
    readonly memoryBytes: number;
    /** That kernels are written for and the processor has. */
    readonly isas: readonly string[];
  };
  readonly compiler: string | null;
  readonly backends: readonly BackendReport[];
  readonly packages: readonly {
    readonly name: string;
    readonly version: string | null;
    readonly purpose: string;
    readonly install: string;
  }[];
  readonly data: { readonly places: readonly string[]; readonly present: readonly string[] };
}

async function doctor({ json = false }: { json?: boolean }): Promise<void> {
  const found = await examine();
  createOutput(json).result(found, () => describe(found));
  const working = found.backends.filter(({ name, problem }) => name !== 'reference' && problem === undefined);
  if (working.length === 0) process.exitCode = 1;
}

async function examine(): Promise<Examination> {
  const isas = await processorIsas();
  const compiler = await compilerVersion();
  const kinds = await datasetKinds();
  return {
    subbit: ownVersion(),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    machine: { cpu: cpuName(), threads: availableParallelism(), memoryBytes: totalmem(), isas },
    compiler: compiler ?? null,
    backends: await Promise.all(
      Object.entries(backends).map(([name, entry]) => examineBackend(name, entry, compiler !== undefined)),
    ),
    packages: optionalPackages.map(({ name, purpose, install }) => ({
      ...{ name, version: packageVersion(name) ?? null, purpose, install },
    })),
    data: {
      places: dataPlaces(),
      present: kinds.filter((kind) => findPublished(kind) !== undefined).map(({ name }) => name),
    },
  };
}

/** Opens the backend, because a file that is there may still not load. */
async function examineBackend(name: string, entry: BackendEntry, hasCompiler: boolean): Promise<BackendReport> {
  try {
    const isas = await entry.isas();
    if (isas.length === 0) return { name, isas, problem: absenceOf(name, hasCompiler) };
    (await entry.create({ threads: 1 })).dispose();
    const file = name === 'native' ? nativeFile() : undefined;
    const adapter = name === 'webgpu' ? await describeWebGpu() : undefined;
    return { name, isas, ...(file && { file }), ...(adapter && { adapter }) };
  } catch (error) {
    return { name, isas: [], problem: (error as Error).message };
  }
}

/** What a backend lacks, and the remedy. */
function absenceOf(name: string, hasCompiler: boolean): string {
  if (name === 'webgpu') {
    return packageVersion('webgpu') === undefined
      ? 'needs the package webgpu; run: npm install webgpu'
      : 'no GPU driver was found; install one for Vulkan, Metal or Direct3D 12';
  }
  if (name === 'wasm') return 'not built; run: npm run build';
  return `not built; run: ${hasCompiler ? '' : 'install g++ or clang++, then '}npx subbit build-native`;
}

function describeBackend({ isas, adapter }: BackendReport): string {
  if (adapter === undefined) return isas.join(', ');
  const { name, limits } = adapter;
  return `${isas.join(', ')} on ${name}: tensors up to ${formatBytes(limits.memoryBytes)}, groups of ${limits.lanes} that share ${formatBytes(limits.groupBytes)}`;
}

function describe({ subbit, node, platform, machine, compiler, backends, packages, data }: Examination): string {
  const { cpu, threads, memoryBytes, isas } = machine;
  return [
    `subbit ${subbit}, Node ${node}, ${platform}`,
    `${cpu}, ${threads} threads, ${formatBytes(memoryBytes)} of memory; instruction sets: ${isas.join(', ')}`,
    `C++ compiler: ${compiler ?? 'none (only native kernels need one)'}`,
    '',
    'backends',
    ...listed(backends.map((backend) => [backend.name, backend.problem ?? describeBackend(backend)])),
    'optional packages',
    ...listed(
      packages.map(({ name, version, purpose, install }) => [
        name,
        `${version ?? `not installed; run: ${install}`} (${purpose})`,
      ]),
    ),
    'data sets',
    ...listed([
      ['here', data.present.join(', ')],
      ['places', data.places.join(', ')],
    ]),
  ].join('\n');
}

function listed(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
}
