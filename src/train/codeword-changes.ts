/** What the renewals of a training did to its sub-codebooks. All by what these serve: a layer, or a stage. */

export interface CodewordChange {
  readonly added: readonly number[];
  readonly removed: readonly number[];
}

/** Of one renewal: ids that came and went. */
export type CodewordChanges = Readonly<Record<string, CodewordChange>>;

/** How many codewords each renewal exchanged. */
export type ExchangeCounts = Readonly<Record<string, readonly number[]>>;

export interface SelectionSummary {
  readonly distinctCodewords: Readonly<Record<string, number>>;
  readonly changedCodewords: ExchangeCounts;
}

type Codebooks = Readonly<Record<string, readonly number[]>>;

export function changesOf(before: Codebooks, after: Codebooks): CodewordChanges {
  const without = (ids: readonly number[], others: readonly number[]): number[] => {
    const known = new Set(others);
    return ids.filter((id) => !known.has(id));
  };
  return Object.fromEntries(
    Object.keys(after).map((name) => [
      name,
      { added: without(after[name]!, before[name]!), removed: without(before[name]!, after[name]!) },
    ]),
  );
}

export function withChanges(counts: ExchangeCounts | undefined, changes: CodewordChanges): ExchangeCounts {
  const entries = Object.entries(changes);
  return Object.fromEntries(entries.map(([name, { added }]) => [name, [...(counts?.[name] ?? []), added.length]]));
}

/** Undefined for a network without sub-codebooks. */
export function selectionSummary(codebooks: Codebooks, changed: ExchangeCounts = {}): SelectionSummary | undefined {
  const distinct = Object.entries(codebooks).map(([name, ids]) => [name, new Set(ids).size]);
  return distinct.length === 0
    ? undefined
    : { distinctCodewords: Object.fromEntries(distinct), changedCodewords: changed };
}
