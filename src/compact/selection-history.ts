/** How the choice of codewords moved during a training, from its metrics. */
import type { MetricsLine, RenewalLine } from '../train/metrics.js';

export interface SelectionHistory {
  /** Renewals in order: steps done, and how many codewords were exchanged. */
  readonly renewals: readonly { readonly step: number; readonly changed: number }[];
  /** Every codeword that was ever chosen, the longest chosen first: during which of the renewals, [from, to), it was. */
  readonly spans: readonly { readonly id: number; readonly chosen: readonly (readonly [number, number])[] }[];
}

/** `served` is the layer or stage of the sub-codebook, `ids` what it has in the end. Undefined for a training without renewals. */
export function selectionHistory(
  metrics: readonly MetricsLine[],
  served: string,
  ids: readonly number[],
): SelectionHistory | undefined {
  const lines = metrics.filter((line): line is RenewalLine => line.type === 'renewal' && served in line.changes);
  if (lines.length === 0) return undefined;
  const chosen = new Map<number, [number, number][]>();
  const begin = (id: number, end: number): void => {
    chosen.set(id, [[0, end], ...(chosen.get(id) ?? [])]);
  };
  // Backwards from the end: what a renewal added was not there before it, what it removed was.
  for (const id of ids) begin(id, lines.length);
  for (let i = lines.length - 1; i >= 0; i--) {
    const { added, removed } = lines[i]!.changes[served]!;
    for (const id of added) {
      const span = chosen.get(id)?.[0];
      if (span) span[0] = i;
    }
    for (const id of removed) begin(id, i);
  }
  const length = (spans: readonly (readonly [number, number])[]): number =>
    spans.reduce((sum, [from, to]) => sum + to - from, 0);
  return {
    renewals: lines.map(({ step, changes }) => ({ step, changed: changes[served]!.added.length })),
    spans: [...chosen]
      .map(([id, spans]) => ({ id, chosen: spans.filter(([from, to]) => to > from) }))
      .filter((each) => each.chosen.length > 0)
      .sort((a, b) => length(b.chosen) - length(a.chosen) || a.id - b.id),
  };
}
