/**
 * inspect --kernels: how the binary 3x3 filters of a run are spread over the 512 sign patterns, as JSON, as a table, and as a
 * page with pictures (kernels-page.ts).
 */
import { codewordIds, type PatternStatistics, patternStatistics } from '../compact/pattern-statistics.js';
import { buildGraph, defineNetwork, type NetworkDescription } from '../nn/network.js';
import { summarize } from '../nn/summary.js';
import type { Checkpoint } from '../train/checkpoint.js';
import { UsageError } from '../util/errors.js';
import { formatTable } from './output.js';

export interface LayerKernels extends PatternStatistics {
  readonly name: string;
}

/** The layers whose filters are 3x3 and have one bit. Throws a UsageError when there are none. */
export function kernelsOf(description: NetworkDescription, checkpoint: Checkpoint): LayerKernels[] {
  const { graph } = buildGraph(defineNetwork(description), { batch: 1, training: true, seed: 0 });
  const binary = summarize(graph).layers.filter(({ weightBits, macs }) => weightBits === 1 && macs > 0);
  const found = binary.flatMap(({ name }) => {
    const filter = checkpoint.tensors[`${name}/filter`];
    if (filter?.shape[0] !== 3 || filter.shape[1] !== 3) return [];
    return [{ name, ...patternStatistics(codewordIds(filter.data, filter.shape)) }];
  });
  if (found.length === 0)
    throw new UsageError('the network has no 3x3 filters of one bit; train one with --bits 1-A-G to see its kernels');
  return found;
}

const sizes = [16, 32, 64, 128];

export function formatKernels(layers: readonly LayerKernels[]): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  return formatTable(
    ['layer', 'filters', 'patterns', ...sizes.map((n) => `top ${n}`), 'bits/weight', 'exponent', 'r2'],
    layers.map(({ name, filters, ranking, coverage, entropyBitsPerWeight, powerLaw }) => [
      ...[name, filters.toLocaleString('en'), String(ranking.length)],
      ...sizes.map((n) => percent(coverage[n - 1]!)),
      entropyBitsPerWeight.toFixed(3),
      ...(powerLaw === undefined ? ['', ''] : [powerLaw.exponent.toFixed(2), powerLaw.r2.toFixed(3)]),
    ]),
  );
}
