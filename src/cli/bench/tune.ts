/**
 * subbit bench --tune: times the kernel families against each other on this machine, by bits and number of channels, and keeps
 * the fastest for later runs of deployed networks (runtime/tuning.ts).
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { openBackend } from '../../backends/index.js';
import { Plan, Variables } from '../../backends/plan.js';
import type { Backend } from '../../core/backend.js';
import { type Family, families, takes } from '../../ops/packed-conv2d/families.js';
import { channelClasses, choiceKey, chooseKernel, type KernelName } from '../../ops/packed-conv2d/kernel-choice.js';
import { selectKernels } from '../../passes/select-kernels.js';
import { tuningFile, tuningOf } from '../../runtime/tuning.js';
import { writeFileAtomic } from '../../util/atomic-file.js';
import { UsageError } from '../../util/errors.js';
import type { BackendOptions } from '../command.js';
import { createOutput, createProgress, formatTable } from '../output.js';
import { layersGraph, randomLevels } from './conv-layer.js';
import type { ConvShape } from './conv-shapes.js';
import { runPlan } from './run-plan.js';
import { timeInterleaved } from './timing.js';

export interface TuneOptions extends BackendOptions {
  readonly json?: boolean;
}

/** Pairs W, A that differ in which kernel wins; others go by the table. */
const bits = [1, 2, 3, 4, 8].flatMap((weightBits) =>
  [1, 2, 3, 4, 5, 6, 8].map((activationBits) => ({ weightBits, activationBits })),
);

/** Pixels of the side at which a class of channels is measured. */
const pixelsOf: Readonly<Record<(typeof channelClasses)[number], number>> = { 16: 32, 64: 28, 256: 14 };

/** A change that is smaller than timing's noise would only make runs differ. */
const worthwhile = 0.95;

export async function tune(options: TuneOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  const backend = await openBackend({ ...options, threads: options.threads ?? 1, onNotice: output.note });
  if (backend.name === 'reference')
    throw new UsageError('the reference has no kernels to choose from; use --backend native or wasm');
  const shapes = channelClasses.flatMap((channels) =>
    [3, 1].map(
      (size): ConvShape => ({
        name: `${channels}@${pixelsOf[channels]}${size === 1 ? ' 1x1' : ''}`,
        pixels: pixelsOf[channels],
        ...{ inChannels: channels, outChannels: channels, size, stride: 1, padding: (size - 1) / 2, groups: 1 },
      }),
    ),
  );
  const progress = createProgress();
  progress.start('tuning', shapes.length * bits.length);
  const choices: Record<string, KernelName> = {};
  const rows: string[][] = [];
  for (const [i, shape] of shapes.entries()) {
    for (const [j, pair] of bits.entries()) {
      const { key, best, usual, times } = await fastest(backend, shape, pair);
      choices[key] = best;
      const all = Object.entries(times).map(([name, time]) => `${name} ${(1000 * time).toFixed(0)}`);
      rows.push([
        shape.name,
        `${pair.weightBits}-${pair.activationBits}`,
        best,
        best === usual ? '' : `(was ${usual})`,
        all.join(', '),
      ]);
      progress.update(i * bits.length + j + 1, shape.name);
    }
  }
  progress.stop();
  const file = tuningFile(backend.name, backend.isa);
  backend.dispose();
  mkdirSync(dirname(file), { recursive: true });
  writeFileAtomic(file, new TextEncoder().encode(`${JSON.stringify(tuningOf(choices), undefined, 1)}\n`));
  output.result({ file, choices }, () =>
    [
      formatTable(['layer', 'W-A', 'kernel', '', 'us'], rows),
      `kept in ${file}; deployed networks use it from now on`,
    ].join('\n'),
  );
}

async function fastest(
  backend: Backend,
  shape: ConvShape,
  pair: { readonly weightBits: number; readonly activationBits: number },
): Promise<{ key: string; best: KernelName; usual: KernelName; times: Readonly<Record<string, number>> }> {
  const { inChannels: groupInputs, outChannels: groupOutputs, size, pixels } = shape;
  const kind = { ...pair, groupInputs, groupOutputs, taps: size ** 2, pixels: pixels ** 2 };
  const usual = chooseKernel(kind, backend.isa);
  const variables = new Variables(backend);
  const graph = layersGraph({ shape, ...pair, count: 1 });
  const names = Object.values<Family>(families).flatMap((family) => (takes(family, kind) ? [family.name] : []));
  const plans = names.map((name) => {
    const plan = new Plan(selectKernels(graph, { isa: backend.isa, kernelOf: () => name }), variables);
    const x = plan.tensor('x');
    x.set(randomLevels(x.length, pair.activationBits));
    return plan;
  });
  const timed = Object.fromEntries(names.map((name, i) => [name, () => runPlan(plans[i]!, 'y0')]));
  const timings = await timeInterleaved(timed, { repetitions: 5, repetitionMilliseconds: 1 });
  for (const plan of plans) plan.dispose();
  const times = Object.fromEntries(names.map((name) => [name, timings[name]!.min]));
  const best = names.reduce((a, b) => (times[b]! < times[a]! ? b : a));
  const isBetter = usual === 'plain' || times[best]! < worthwhile * times[usual]!;
  return { key: choiceKey(kind)!, best: isBetter ? best : usual, usual, times };
}
