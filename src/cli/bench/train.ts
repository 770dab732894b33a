/**
 * subbit bench train: the time of one training step, where it goes, the time it waits for input, and PyTorch's beside it. Random
 * images; peers take turns with ours, because machines drift; in each turn the second step counts, which finds its data in
 * the caches; medians.
 */
import type { Command as Parser } from 'commander';
import { openBackend } from '../../backends/index.js';
import type { Backend } from '../../core/backend.js';
import type { Batch } from '../../data/loader.js';
import { presets } from '../../nn/models/index.js';
import { openNetwork } from '../../nn/network.js';
import type { ProductChoice } from '../../passes/low-bit-products.js';
import type { Compute } from '../../train/compute.js';
import { type Renewal, TrainingSession } from '../../train/session.js';
import { UsageError } from '../../util/errors.js';
import { addBackendOptions, type BackendOptions, integer } from '../command.js';
import { addComputeOption, type ComputeOption, computeOf } from '../compute-option.js';
import { addModelOption, type Chosen, choosePreset, type ModelOption } from '../model-option.js';
import { addNetworkOptions, type NetworkOptions, networkChoices } from '../network-options.js';
import { createOutput, createProgress, formatBytes, formatTable } from '../output.js';
import { addSelectionOptions, renewalChoices, type SelectionOptions, selectionChoices } from '../selection-options.js';
import { Peer, type PeerVariant, pytorchModels } from './peer.js';
import { median, pauseAfter } from './timing.js';
import { BenchInput } from './train-input.js';

interface BenchTrainOptions extends ModelOption, NetworkOptions, SelectionOptions, BackendOptions, ComputeOption {
  readonly batch?: number;
  readonly steps: number;
  readonly peers?: string;
  readonly python: string;
  readonly json?: boolean;
}

const warmupSteps = 3;

export function registerBenchTrain(bench: Parser): void {
  const parser = bench
    .command('train')
    .description('time of a training step, by part, with PyTorch beside it')
    .argument('[preset]', `network: ${Object.keys(presets).join(', ')}`)
    .option('--batch <n>', "images per step; the preset's by default", integer('--batch', 1))
    .option('--steps <n>', 'steps to time', integer('--steps', 3), 15)
    .option('--peers <names>', `pytorch, which has ${pytorchModels.join(' and ')}`)
    .option('--python <path>', 'Python with torch, for the peer', 'python3')
    .option('--json', 'print one JSON object');
  addComputeOption(addBackendOptions(addSelectionOptions(addNetworkOptions(addModelOption(parser))))).action(
    benchTrain,
  );
}

interface PeerResult extends PeerVariant {
  readonly stepMilliseconds: number;
  /** Far apart when other programs take cores from PyTorch's threads, which wait for each other. */
  readonly spread: { readonly min: number; readonly max: number };
  /** Peer time / our time. */
  readonly ratio: number;
  readonly peakMemoryBytes: number;
}

async function benchTrain(presetName: string | undefined, options: BenchTrainOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  const chosen = await choosePreset(presetName, options);
  if (chosen === undefined) throw new UsageError('bench train needs a preset or --model FILE');
  const { preset, choice } = chosen;
  const wantsPeer = requirePeers(options.peers, choice);
  const batch = options.batch ?? preset.training.batch;
  const classes = Array.from({ length: 10 }, (_, i) => String(i));
  const choices = { ...networkChoices(options), ...selectionChoices(options) };
  const renewals = renewalChoices(options);
  const input = await BenchInput.open(preset.input, {
    ...{ batch, classes: classes.length, augmentation: preset.training.augmentation },
  });
  const residentBefore = process.memoryUsage().rss;
  const network = await openNetwork({ ...choice, ...choices, classes, zeroPoints: [0], step: 1 / 255 });
  const backend = await openBackend({ ...options, onNotice: output.note });
  const { optimizer } = preset.training;
  const compute = computeOf(options, backend);
  const session = new TrainingSession(backend, network, { batch, seed: 1, optimizer, compute });
  const step = stepOf(session);
  const inputWaitMilliseconds = await input.measureWait(step, options.steps);
  const peers = wantsPeer ? await startPeers(preset.name, choices.width, options, batch, backend.threads) : {};

  const ours: number[] = [];
  const renewing: number[] = [];
  const theirs: Record<string, number[]> = {};
  const parts = new Map<string, number[]>();
  const progress = createProgress();
  progress.start('timing', options.steps);
  for (let i = 0; i < warmupSteps; i++) await step(await input.next());
  for (const { peer } of Object.values(peers)) await peer.run(warmupSteps);
  for (let i = 0; i < options.steps; i++) {
    await pauseAfter(wantsPeer);
    await step(await input.next());
    const images = await input.next();
    const started = performance.now();
    await step(images);
    ours.push(performance.now() - started);
    if (renewals) {
      const renewalStarted = performance.now();
      await step(images, { index: i, learningRate: renewals.learningRate });
      renewing.push(performance.now() - renewalStarted);
    }
    for (const [part, milliseconds] of timeParts(session)) parts.set(part, [...(parts.get(part) ?? []), milliseconds]);
    for (const [name, { peer }] of Object.entries(peers)) {
      await pauseAfter(true);
      theirs[name] = [...(theirs[name] ?? []), (await peer.run(2))[1]!];
    }
    progress.update(i + 1, 'steps');
  }
  progress.stop();

  const stepMilliseconds = median(ours);
  const peerResults: Record<string, PeerResult> = {};
  for (const [name, { peer, ...variant }] of Object.entries(peers)) {
    const times = theirs[name]!;
    const milliseconds = median(times);
    const peakMemoryBytes = await peer.peakMemoryBytes();
    peerResults[name] = {
      stepMilliseconds: milliseconds,
      spread: { min: Math.min(...times), max: Math.max(...times) },
      ratio: milliseconds / stepMilliseconds,
      peakMemoryBytes,
      ...variant,
    };
    peer.stop();
  }
  const result = {
    preset: preset.name,
    bits: options.bits,
    batch,
    backend: backend.name,
    isa: backend.isa,
    threads: backend.threads,
    compute,
    stepMilliseconds,
    spread: { min: Math.min(...ours), max: Math.max(...ours) },
    imagesPerSecond: (1000 * batch) / stepMilliseconds,
    inputWaitMilliseconds,
    ...(renewals && { selection: selectionCost(median(renewing) - stepMilliseconds, stepMilliseconds, renewals) }),
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024 - residentBefore,
    parts: [...parts]
      .map(([name, times]) => ({ name, milliseconds: median(times) }))
      .sort((a, b) => b.milliseconds - a.milliseconds),
    products: session.products,
    peers: peerResults,
  };
  await input.close();
  closeAll(session, backend);
  output.result(result, () => formatResult(result));
}

function requirePeers(names: string | undefined, { preset, model }: Chosen['choice']): boolean {
  if (names === undefined) return false;
  if (names !== 'pytorch') throw new UsageError(`bench train knows the peer 'pytorch', not '${names}'`);
  if (model !== undefined || !pytorchModels.includes(preset))
    throw new UsageError(`the peer pytorch has ${pytorchModels.join(' and ')}, not ${preset}; leave out --peers`);
  return true;
}

function stepOf(session: TrainingSession): (batch: Batch, renewal?: Renewal) => Promise<number> {
  let done = 0;
  return ({ images, labels }, renewal) => session.step(images, labels, { step: done++, learningRate: 1e-3, renewal });
}

/** What the selection of codewords takes. */
interface SelectionCost {
  /** More than a step without. */
  readonly renewalMilliseconds: number;
  /** Steps between two renewals. */
  readonly every: number;
  /** Of the time of training. */
  readonly share: number;
}

function selectionCost(
  renewalMilliseconds: number,
  stepMilliseconds: number,
  { every }: { readonly every: number },
): SelectionCost {
  return { renewalMilliseconds, every, share: renewalMilliseconds / (renewalMilliseconds + every * stepMilliseconds) };
}

/** Milliseconds by op of one more step, call by call; what only renewals need is no part of it. */
function timeParts(session: TrainingSession): Map<string, number> {
  const times = new Map<string, number>();
  for (const [i, node] of session.plan.nodes.entries()) {
    if (session.renewing.has(node)) continue;
    const started = performance.now();
    session.plan.run(i, i + 1);
    times.set(node.op.name, (times.get(node.op.name) ?? 0) + performance.now() - started);
  }
  return times;
}

async function startPeers(
  preset: string,
  width: string | undefined,
  { python, bits }: BenchTrainOptions,
  batch: number,
  threads: number,
): Promise<Record<string, Awaited<ReturnType<typeof Peer.start>>>> {
  const shared = { python, preset, width, batch, threads };
  const peers = { pytorchFloat: await Peer.start({ ...shared, bits: '32-32-32' }) };
  if (bits === '32-32-32') return peers;
  return { ...peers, pytorchSimulated: await Peer.start({ ...shared, bits }) };
}

function closeAll(session: TrainingSession, backend: Backend): void {
  session.dispose();
  backend.dispose();
}

function formatResult(result: {
  readonly preset: string;
  readonly bits: string;
  readonly stepMilliseconds: number;
  readonly imagesPerSecond: number;
  readonly inputWaitMilliseconds: number;
  readonly selection?: SelectionCost;
  readonly peakMemoryBytes: number;
  readonly backend: string;
  readonly isa: string;
  readonly threads: number;
  readonly compute: Compute;
  readonly parts: readonly { name: string; milliseconds: number }[];
  readonly products: readonly ProductChoice[];
  readonly peers: Readonly<Record<string, PeerResult>>;
}): string {
  const lines = [
    `${result.preset} ${result.bits} on ${result.backend} (${result.isa}, ${result.threads} threads, ${result.compute}): ` +
      `${result.stepMilliseconds.toFixed(1)} ms per step, ${Math.round(result.imagesPerSecond)} images/s, ${formatBytes(result.peakMemoryBytes)}; ` +
      `${result.inputWaitMilliseconds.toFixed(2)} ms more waiting for input`,
    formatTable(
      ['part', 'ms'],
      result.parts.map(({ name, milliseconds }) => [name, milliseconds.toFixed(2)]),
    ),
  ];
  if (result.selection) {
    const { renewalMilliseconds, every, share } = result.selection;
    lines.push(
      `choosing codewords: ${renewalMilliseconds.toFixed(1)} ms every ${every} steps, ${(100 * share).toFixed(1)} % of the time`,
    );
  }
  if (result.products.length > 0) {
    lines.push(
      formatTable(
        ['product', '', 'kernel', 'because'],
        result.products.map(({ name, product, kernel, reason }) => [name, product, kernel, reason ?? '']),
      ),
    );
  }
  for (const [name, peer] of Object.entries(result.peers)) {
    lines.push(
      `${name} ${peer.torch} (${peer.memoryFormat}, ${peer.mode}): ${peer.stepMilliseconds.toFixed(1)} ms (${peer.spread.min.toFixed(1)} to ${peer.spread.max.toFixed(1)}), ${peer.ratio.toFixed(2)}x ours`,
    );
  }
  return lines.join('\n');
}
