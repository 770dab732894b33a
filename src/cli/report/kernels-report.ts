/**
 * inspect --kernels: how the binary 3x3 filters of a run are spread over the 512 sign patterns, or over those that were selected, and
 * how the selection moved; as JSON, as a table, and as a page with pictures (kernels-page.ts).
 */
import { type PatternStatistics, patternStatistics } from '../../compact/pattern-statistics.js';
import { type SelectionHistory, selectionHistory } from '../../compact/selection-history.js';
import { runOp } from '../../core/run-op.js';
import { real } from '../../core/tensor.js';
import { buildGraph, type NetworkDefinition } from '../../nn/network.js';
import { servedBy } from '../../nn/selection.js';
import { summarize } from '../../nn/summary.js';
import { codewordAt, codewordIds } from '../../ops/codewords.js';
import { groupFilters } from '../../ops/selection/group-filters.js';
import { storageOf } from '../../passes/plan-memory.js';
import type { Checkpoint, CheckpointTensor } from '../../train/checkpoint.js';
import type { MetricsLine } from '../../train/metrics.js';
import { UsageError } from '../../util/errors.js';
import { formatTable } from '../output.js';

export interface LayerKernels extends PatternStatistics {
  readonly name: string;
  /** The sub-codebook of a layer that has one; `counts` are then those of the grouped filters. */
  readonly selected?: readonly number[];
  /** Of a selection that was trained. */
  readonly history?: SelectionHistory;
}

/** The layers whose filters are 3x3 and have one bit. Throws a UsageError when there are none. */
export function kernelsOf(
  network: NetworkDefinition,
  { tensors }: Checkpoint,
  metrics: readonly MetricsLine[],
): LayerKernels[] {
  const { graph } = buildGraph(network, { batch: 1, training: true, seed: 0 });
  const codebooks = new Map(
    graph.nodes
      .filter(({ op }) => op === groupFilters)
      .map(({ inputs }) => [inputs[0]!.name, storageOf(inputs[1]!).name]),
  );
  const binary = summarize(graph).layers.filter(({ weightBits, macs }) => weightBits === 1 && macs > 0);
  const found = binary.flatMap(({ name }): LayerKernels[] => {
    const filter = tensors[`${name}/filter`];
    if (filter?.shape[0] !== 3 || filter.shape[1] !== 3) return [];
    const codebook = codebooks.get(`${name}/filter`);
    if (codebook === undefined) return [{ name, ...patternStatistics(codewordIds(filter.data, filter.shape)) }];
    const selected = Array.from(tensors[codebook]!.data);
    const history = selectionHistory(metrics, servedBy(codebook), selected);
    return [
      {
        name,
        ...patternStatistics(groupedIds(filter, selected)),
        selected,
        ...(history === undefined ? {} : { history }),
      },
    ];
  });
  if (found.length === 0)
    throw new UsageError('the network has no 3x3 filters of one bit; train one with --bits 1-A-G to see its kernels');
  return found;
}

/** The codeword of each filter, of those that were selected. */
function groupedIds({ data, shape }: CheckpointTensor, selected: readonly number[]): Uint16Array {
  const ids = { type: { dtype: 'i32', shape: [selected.length] }, data: Int32Array.from(selected) } as const;
  const { data: levels } = runOp(groupFilters, [{ type: real(shape), data }, ids], {});
  const filters = shape[2]! * shape[3]!;
  return Uint16Array.from({ length: filters }, (_, i) => codewordAt(levels, filters, i));
}

const sizes = [16, 32, 64, 128];

export function formatKernels(layers: readonly LayerKernels[]): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  return formatTable(
    ['layer', 'filters', 'codewords', 'patterns', ...sizes.map((n) => `top ${n}`), 'bits/weight', 'exponent', 'r2'],
    layers.map(({ name, filters, selected, ranking, coverage, entropyBitsPerWeight, powerLaw }) => [
      ...[name, filters.toLocaleString('en'), String(selected?.length ?? 512), String(ranking.length)],
      ...sizes.map((n) => percent(coverage[n - 1]!)),
      entropyBitsPerWeight.toFixed(3),
      ...(powerLaw === undefined ? ['', ''] : [powerLaw.exponent.toFixed(2), powerLaw.r2.toFixed(3)]),
    ]),
  );
}
