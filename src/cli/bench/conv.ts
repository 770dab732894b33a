/**
 * subbit bench conv: convolution layers from byte levels to byte levels (packing, product, thresholds), at chosen bits, with
 * ONNX Runtime's layers of the same shape beside them and the machine's ceilings, all measured in turn in one run.
 */
import type { Command as Parser } from 'commander';
import { openBackend } from '../../backends/index.js';
import { Plan, Variables } from '../../backends/plan.js';
import type { Backend } from '../../core/backend.js';
import { codewordTaps } from '../../ops/codewords.js';
import { families } from '../../ops/packed-conv2d/families.js';
import type { KernelName } from '../../ops/packed-conv2d/kernel-choice.js';
import { convolutionParts } from '../../ops/packed-conv2d/packed-conv2d.js';
import { selectKernels } from '../../passes/select-kernels.js';
import { tunedChooser } from '../../runtime/tuning.js';
import { UsageError } from '../../util/errors.js';
import { lookUp } from '../../util/nearest.js';
import { addBackendOptions, type BackendOptions, integer } from '../command.js';
import { createOutput, createProgress, formatTable } from '../output.js';
import { type Ceilings, measureCeilings } from './ceilings.js';
import { layersGraph, randomLevels } from './conv-layer.js';
import { type ConvShape, convShapes, macsOf, parseConvShapes } from './conv-shapes.js';
import { cpuName } from './machine.js';
import { addPeerOptions, inPrecisions, openPeers, type PeerOptions, type Peers, spinsAfter } from './ort-peers.js';
import { buildPeerModel } from './peer-model.js';
import { layersPerModel, networkOfLayer } from './peer-network.js';
import { runPlan } from './run-plan.js';
import { type Timed, type Timing, timeInterleaved } from './timing.js';

interface BenchConvOptions extends BackendOptions, PeerOptions {
  readonly shapes: string;
  readonly bits: string;
  readonly codewords?: number;
  readonly kernel?: string;
  readonly repetitions: number;
  readonly json?: boolean;
}

export function registerBenchConv(bench: Parser): void {
  const parser = bench
    .command('conv')
    .description('convolution layers, bytes in to bytes out, with ONNX Runtime beside them')
    .option('--shapes <list>', `sets (${Object.keys(convShapes).join(', ')}) or CHANNELS@PIXELS`, 'resnet18')
    .option(
      '--bits <list>',
      'bits W-A of weights and activations, 1 to 8, separated by commas',
      '1-1,1-2,1-4,2-2,4-4,8-8',
    )
    .option(
      '--codewords <n>',
      'draw the filters from this many patterns, 1 to 512 (1-bit 3x3 filters)',
      integer('--codewords', 1),
    )
    .option('--kernel <name>', `kernel family instead of the fastest: ${Object.keys(kernels).join(', ')}`)
    .option('--repetitions <n>', 'repetitions whose median counts', integer('--repetitions', 3), 15)
    .option('--json', 'print one JSON object');
  addBackendOptions(addPeerOptions(parser)).action(benchConv);
}

const kernels = { ...families, plain: undefined };

interface PeerTime {
  readonly microseconds: number;
  readonly spread: { readonly min: number; readonly max: number };
  /** Peer time / our time. */
  readonly ratio: number;
}

interface LayerResult {
  readonly shape: string;
  readonly bits: string;
  /** Patterns that the filters were drawn from; null for any. */
  readonly codewords: number | null;
  readonly kernel: string;
  readonly backend: string;
  readonly microseconds: number;
  readonly spread: { readonly min: number; readonly max: number };
  readonly gmacs: number;
  /** Microseconds of packing (or building tables), products, and thresholds; absent on the reference and on a GPU. */
  readonly parts?: { readonly pack: number; readonly product: number; readonly epilogue: number };
  readonly peers: Readonly<Record<string, PeerTime>>;
}

async function benchConv(options: BenchConvOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  const shapes = parseConvShapes(options.shapes);
  const bits = options.bits.split(',').map(parseLayerBits);
  const { kernel, codewords } = options;
  if (codewords !== undefined) requireCodewords(codewords, shapes, bits);
  if (kernel !== undefined) lookUp(kernels, kernel, 'kernel');
  const backend = await openBackend({ ...options, onNotice: output.note });
  const peers = await openPeers(options, backend.threads);
  const ceilings = await measureCeilings(backend);
  const progress = createProgress();
  progress.start('timing', shapes.length * options.repetitions);
  const results: LayerResult[] = [];
  for (const [i, shape] of shapes.entries()) {
    const onRound = (done: number): void => progress.update(i * options.repetitions + done, shape.name);
    results.push(
      ...(await timeShape(backend, shape, bits, peers, kernel as KernelName | undefined, codewords, {
        ...options,
        onRound,
      })),
    );
  }
  progress.stop();
  const machine = { cpu: cpuName(), isa: backend.isa, threads: backend.threads };
  backend.dispose();
  const result = { machine, ceilings, peers: peers.versions, results, means: meansOf(results) };
  output.result(result, () => formatResult(result));
}

interface LayerBits {
  readonly weightBits: number;
  readonly activationBits: number;
}

/** "1-2" */
export function parseLayerBits(text: string): LayerBits {
  const match = /^([1-8])-([1-8])$/.exec(text);
  if (match === null) throw new UsageError(`--bits takes W-A with 1 to 8 bits each, like 1-2, not '${text}'`);
  return { weightBits: Number(match[1]), activationBits: Number(match[2]) };
}

function requireCodewords(codewords: number, shapes: readonly ConvShape[], bits: readonly LayerBits[]): void {
  if (codewords > 2 ** codewordTaps) throw new UsageError(`--codewords takes 1 to 512, not ${codewords}`);
  const wide = bits.find(({ weightBits }) => weightBits > 1);
  if (wide) throw new UsageError(`--codewords is for weights of 1 bit, not ${wide.weightBits}`);
  const other = shapes.find(({ size }) => size !== 3);
  if (other) throw new UsageError(`--codewords is for 3x3 filters, which ${other.name} has not`);
}

async function timeShape(
  backend: Backend,
  shape: ConvShape,
  bits: readonly LayerBits[],
  peers: Peers,
  kernel: KernelName | undefined,
  codewords: number | undefined,
  timing: { readonly repetitions: number; readonly onRound: (done: number) => void },
): Promise<LayerResult[]> {
  const variables = new Variables(backend);
  const isReference = backend.name === 'reference';
  // The C++ kernels leave parts out when told to.
  const hasParts = !isReference && backend.name !== 'webgpu';
  const kernelOf = kernel ? () => kernel : tunedChooser(backend);
  const planOf = ({ weightBits, activationBits }: LayerBits, parts?: number): Plan => {
    // As many layers as the peers' models have, so that all find their weights in the same cache.
    const graph = layersGraph({ shape, weightBits, activationBits, codewords, count: layersPerModel });
    const options = { isa: backend.isa, kernelOf, ...(parts === undefined ? {} : { parts }) };
    const plan = new Plan(isReference ? graph : selectKernels(graph, options), variables);
    const x = plan.tensor('x');
    x.set(randomLevels(x.length, activationBits));
    return plan;
  };
  const plans = bits.map((each) => planOf(each));
  const { pack, product, epilogue } = convolutionParts;
  const unpacked = hasParts ? bits.map((each) => planOf(each, product + epilogue)) : [];
  const unfinished = hasParts ? bits.map((each) => planOf(each, pack + product)) : [];
  const timed: Record<string, Timed> = {};
  for (const [name, some] of Object.entries({ ours: plans, unpacked, unfinished }))
    for (const [i, plan] of some.entries()) timed[`${name}${i}`] = () => runPlan(plan, `y${layersPerModel - 1}`);
  const runners = await peers.prepare(
    inPrecisions((precision) => buildPeerModel(networkOfLayer(shape), { batch: 1, precision })),
  );
  for (const { name, runner } of runners) timed[name] = () => runner.run();
  const times: Record<string, Timing> = await timeInterleaved(timed, {
    ...timing,
    leavesSpinning: spinsAfter(backend.threads),
  });
  for (const { runner } of runners) await runner.dispose();
  const results = bits.map(({ weightBits, activationBits }, i): LayerResult => {
    const { median, min, max } = times[`ours${i}`]!;
    const scale = 1000 / layersPerModel;
    const microseconds = scale * median;
    const peerTimes = runners.map(({ name }): [string, PeerTime] => {
      const peer = times[name]!;
      const spread = { min: scale * peer.min, max: scale * peer.max };
      return [name, { microseconds: scale * peer.median, spread, ratio: (scale * peer.median) / microseconds }];
    });
    // What is missing when a part is left out.
    const without = (name: string): number => Math.max(0, microseconds - scale * times[`${name}${i}`]!.median);
    const [pack, epilogue] = hasParts ? [without('unpacked'), without('unfinished')] : [0, 0];
    const parts = { pack, product: Math.max(0, microseconds - pack - epilogue), epilogue };
    return {
      shape: shape.name,
      bits: `${weightBits}-${activationBits}`,
      codewords: codewords ?? null,
      kernel: plans[i]!.nodes[0]!.op.name,
      backend: backend.name,
      microseconds,
      spread: { min: scale * min, max: scale * max },
      gmacs: macsOf(shape) / microseconds / 1000,
      ...(hasParts ? { parts } : {}),
      peers: Object.fromEntries(peerTimes),
    };
  });
  for (const plan of [...plans, ...unpacked, ...unfinished]) plan.dispose();
  return results;
}

interface BitsMean {
  readonly bits: string;
  readonly gmacs: number;
  /** By peer: peer time / our time. */
  readonly ratios: Readonly<Record<string, number>>;
}

/** Geometric means over the shapes, by bits. */
function meansOf(results: readonly LayerResult[]): BitsMean[] {
  const mean = (values: readonly number[]): number =>
    Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
  return [...new Set(results.map(({ bits }) => bits))].map((bits) => {
    const layers = results.filter((result) => result.bits === bits);
    const names = Object.keys(layers[0]!.peers);
    return {
      bits,
      gmacs: mean(layers.map(({ gmacs }) => gmacs)),
      ratios: Object.fromEntries(names.map((name) => [name, mean(layers.map(({ peers }) => peers[name]!.ratio))])),
    };
  });
}

function formatResult(result: {
  readonly machine: { readonly cpu: string; readonly isa: string; readonly threads: number };
  readonly ceilings: Ceilings | null;
  readonly results: readonly LayerResult[];
  readonly means: readonly BitsMean[];
}): string {
  const { machine, ceilings, results, means } = result;
  const peerNames = Object.keys(results[0]?.peers ?? {});
  const ratio = (value: number): string => `${value.toFixed(2)}x`;
  const rows = results.map(({ shape, bits, kernel, microseconds, gmacs, parts, peers }) => [
    shape,
    bits,
    kernel,
    microseconds.toFixed(1),
    gmacs.toFixed(0),
    parts ? [parts.pack, parts.product, parts.epilogue].map((time) => time.toFixed(0)).join(' + ') : '',
    ...peerNames.map((name) => ratio(peers[name]!.ratio)),
  ]);
  const meanRows = means.map(({ bits, gmacs, ratios }) => [
    'geometric mean',
    bits,
    '',
    '',
    gmacs.toFixed(0),
    '',
    ...peerNames.map((name) => ratio(ratios[name]!)),
  ]);
  const lines = [`${machine.cpu}, ${machine.isa}, ${machine.threads} threads`];
  if (ceilings) {
    lines.push(
      `ceilings of one thread, GMAC/s: float32 ${ceilings.fp32Gmacs.toFixed(0)}, int8 ${ceilings.int8Gmacs.toFixed(0)}, 1 bit ${ceilings.bitGmacs.toFixed(0)}`,
    );
  }
  return [
    ...lines,
    formatTable(
      ['layer', 'W-A', 'kernel', 'us', 'GMAC/s', 'pack + product + epilogue', ...peerNames],
      [...rows, ...meanRows],
    ),
  ].join('\n');
}
