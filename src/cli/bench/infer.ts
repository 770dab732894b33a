/**
 * subbit bench infer: a whole deployed network, with the time of each layer, and ONNX Runtime running the same graph in float32
 * and in 8-bit integers beside it. A preset is built with random weights; a `.subbit` file is taken as it is, with an ONNX file of the same network
 * (what it was imported from, or `export --format onnx`) for the peers.
 */
import type { Command as Parser } from 'commander';
import { openBackend } from '../../backends/index.js';
import { Plan, Variables } from '../../backends/plan.js';
import { arrayOf, type TypedArray } from '../../core/tensor.js';
import { deployNetwork } from '../../deploy/index.js';
import { checked, type DeployedNetwork, logitsName, toGraph } from '../../formats/subbit.js';
import { imageBytes } from '../../image/shape.js';
import { presets } from '../../nn/models/index.js';
import { buildGraph, defineNetwork, type NetworkDescription } from '../../nn/network.js';
import { selectKernels } from '../../passes/select-kernels.js';
import { DeployedModel } from '../../runtime/model.js';
import { tunedChooser } from '../../runtime/tuning.js';
import { UsageError } from '../../util/errors.js';
import { lookUp } from '../../util/nearest.js';
import { Philox } from '../../util/philox.js';
import { addBackendOptions, type BackendOptions, integer } from '../command.js';
import { isModelFile, readModel } from '../models.js';
import { createOutput, createProgress, formatBytes, formatTable } from '../output.js';
import { parseLayerBits } from './conv.js';
import { cpuName } from './machine.js';
import { readOnnxModel } from './onnx-model.js';
import { addPeerOptions, inPrecisions, type NamedModel, openPeers, type PeerOptions, spinsAfter } from './ort-peers.js';
import { buildPeerModel } from './peer-model.js';
import { networkOfGraph } from './peer-network.js';
import { runPlan } from './run-plan.js';
import { type Timed, timeInterleaved } from './timing.js';

interface BenchInferOptions extends BackendOptions, PeerOptions {
  readonly bits: string;
  readonly width?: string;
  readonly classes: number;
  readonly batch: number;
  readonly onnx?: string;
  readonly repetitions: number;
  readonly json?: boolean;
}

export function registerBenchInfer(bench: Parser): void {
  const parser = bench
    .command('infer')
    .description('a whole deployed network and its layers, with ONNX Runtime beside it')
    .argument('<model|preset>', `a .subbit file, or a preset with random weights (${Object.keys(presets).join(', ')})`)
    .option('--bits <W-A>', 'bits of weights and activations of a preset', '1-2')
    .option('--width <width>', 'width of the preset, where it has several')
    .option('--classes <n>', 'classes of a preset', integer('--classes', 2), 1000)
    .option('--batch <n>', 'images at a time', integer('--batch', 1), 1)
    .option('--onnx <file>', 'the same network for the peers to run (ort, unless --peers names others)')
    .option('--repetitions <n>', 'repetitions whose median counts', integer('--repetitions', 3), 15)
    .option('--json', 'print one JSON object');
  addBackendOptions(addPeerOptions(parser)).action(benchInfer);
}

interface Subject {
  readonly title: string;
  readonly network: DeployedNetwork;
  /** What a preset's network was before it was quantized, for peers. */
  readonly description?: NetworkDescription;
}

async function benchInfer(target: string, options: BenchInferOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  const { title, network, description } = subjectOf(target, options);
  const peerModels = peerModelsOf(options, description);
  const backend = await openBackend({ ...options, onNotice: output.note });
  const peers = await openPeers(options.onnx === undefined ? options : { peers: 'ort', ...options }, backend.threads);
  const residentBefore = process.memoryUsage().rss;
  const { batch } = options;
  const kernelOf = tunedChooser(backend);
  const model = new DeployedModel(backend, checked(network), { batch, kernelOf });
  const images = randomBytes(batch * imageBytes(network.input));
  const results = new Int32Array(batch * model.classes.length);
  await model.run(images, results);
  const peakMemoryBytes = Math.max(0, process.memoryUsage().rss - residentBefore);
  // The model's own plan, once more, for the times of its layers.
  const graph = toGraph(network, model.batch);
  const plan = new Plan(
    backend.name === 'reference' ? graph : selectKernels(graph, { isa: backend.isa, kernelOf }),
    new Variables(backend),
  );
  plan.tensor('images').set(images.subarray(0, plan.tensor('images').length));
  plan.run();
  const runners = await peers.prepare(peerModels);

  const progress = createProgress();
  progress.start('timing', options.repetitions);
  const timed: Record<string, Timed> = { ours: () => model.run(images, results) };
  for (const { name, runner } of runners) timed[name] = () => runner.run();
  const times = await timeInterleaved(timed, {
    repetitions: options.repetitions,
    leavesSpinning: spinsAfter(backend.threads),
    onRound: (done) => progress.update(done, title),
  });
  const layerTimes = await timeInterleaved(
    Object.fromEntries(plan.nodes.map((_, i) => [String(i), () => runPlan(plan, logitsName, i, i + 1)])),
    { repetitions: options.repetitions, repetitionMilliseconds: 1 },
  );
  progress.stop();
  for (const { runner } of runners) await runner.dispose();
  const { median, min, max } = times.ours!;
  const result = {
    machine: { cpu: cpuName(), isa: backend.isa, threads: backend.threads },
    model: title,
    batch,
    imagesAtOnce: model.batch,
    backend: backend.name,
    milliseconds: median,
    spread: { min, max },
    imagesPerSecond: (1000 * batch) / median,
    peakMemoryBytes,
    layers: plan.nodes.map(({ name, op }, i) => ({
      name,
      kernel: op.name,
      microseconds: 1000 * layerTimes[String(i)]!.median,
    })),
    peerVersions: peers.versions,
    peers: Object.fromEntries(
      runners.map(({ name }) => {
        const peer = times[name]!;
        const spread = { min: peer.min, max: peer.max };
        return [name, { milliseconds: peer.median, spread, ratio: peer.median / median }];
      }),
    ),
  };
  plan.dispose();
  model.dispose();
  backend.dispose();
  output.result(result, () => formatResult(result));
}

function randomBytes(count: number): Uint8Array {
  const random = new Philox(1, 'bench');
  return Uint8Array.from({ length: count }, () => random.nextInt(256));
}

function subjectOf(target: string, options: BenchInferOptions): Subject {
  if (isModelFile(target)) return { title: target, network: readModel(target).network };
  const preset = lookUp(presets, target, 'model or preset');
  parseLayerBits(options.bits);
  const { width } = options;
  const description: NetworkDescription = {
    preset: preset.name,
    ...(width === undefined ? {} : { width }),
    bits: `${options.bits}-32`,
    classes: Array.from({ length: options.classes }, (_, i) => String(i)),
    zeroPoints: [128],
    step: 1 / 64,
  };
  const definition = defineNetwork(description);
  const { graph } = buildGraph(definition, { batch: 1, training: false, seed: 1 });
  const contents = new Map<string, TypedArray>();
  for (const [name, { value, initialize }] of graph.variables) {
    const data = arrayOf(value.type);
    initialize(data);
    contents.set(name, data);
  }
  const title = `${preset.name}${width === undefined ? '' : ` ${width}`} ${options.bits}`;
  return { title, network: deployNetwork(definition, contents, description).network, description };
}

/** What peers run: the file that --onnx names, or the float network of a preset. */
function peerModelsOf(
  { peers, onnx, batch }: BenchInferOptions,
  description: NetworkDescription | undefined,
): readonly NamedModel[] {
  if (onnx !== undefined) return [{ suffix: 'Onnx', model: () => readOnnxModel(onnx, batch) }];
  if (peers === undefined) return [];
  if (description === undefined)
    throw new UsageError('a .subbit file does not have the network that peers run; give it as --onnx FILE');
  return inPrecisions((precision) => buildPeerModel(peerNetworkOf(description), { batch, precision }));
}

/** The layers of the float network. */
function peerNetworkOf(description: NetworkDescription) {
  const definition = defineNetwork({ ...description, bits: '32-32-32' });
  const { graph, images, logits } = buildGraph(definition, { batch: 1, training: false, seed: 1 });
  return networkOfGraph(description.preset, graph, images, logits);
}

function formatResult(result: {
  readonly machine: { readonly cpu: string; readonly isa: string; readonly threads: number };
  readonly model: string;
  readonly batch: number;
  readonly milliseconds: number;
  readonly imagesPerSecond: number;
  readonly peakMemoryBytes: number;
  readonly layers: readonly { readonly name: string; readonly kernel: string; readonly microseconds: number }[];
  readonly peers: Readonly<Record<string, { readonly milliseconds: number; readonly ratio: number }>>;
}): string {
  const { machine, model, batch, milliseconds, imagesPerSecond, peakMemoryBytes, layers, peers } = result;
  return [
    `${model}, batch ${batch}: ${milliseconds.toFixed(3)} ms, ${Math.round(imagesPerSecond)} images/s, ${formatBytes(peakMemoryBytes)} (${machine.cpu}, ${machine.isa}, ${machine.threads} threads)`,
    formatTable(
      ['layer', 'kernel', 'us'],
      layers.map(({ name, kernel, microseconds }) => [name, kernel, microseconds.toFixed(1)]),
    ),
    ...Object.entries(peers).map(
      ([name, peer]) => `${name}: ${peer.milliseconds.toFixed(3)} ms, ${peer.ratio.toFixed(2)}x ours`,
    ),
  ].join('\n');
}
