/** inspect A B: two networks side by side: their layers, totals and, of runs, results and the settings that differ. */
import { type Inspection, metricsOf, resultsOf } from './inspection.js';
import { formatTable } from './output.js';

/** What both kinds of layers have. */
interface ComparedLayer {
  readonly name: string;
  readonly weightBits: number;
  readonly activationBits: number;
  readonly gradientBits?: number;
  readonly weightBytes: number;
  readonly macs: number;
  readonly bitOps: number;
}

/** A named network; `inspection` says what it is. */
export interface Compared {
  readonly target: string;
  readonly inspection: Inspection;
}

export function comparisonObject(compared: readonly Compared[]): object {
  const runs = compared.map((each) => {
    const { title, object, settings } = each.inspection;
    const results = resultsOfRun(each);
    return { target: each.target, title, ...object, ...(settings && { settings }), ...(results && { results }) };
  });
  return { runs };
}

export function formatComparison(first: Compared, second: Compared): string {
  const [one, other] = [first.inspection, second.inspection];
  const [results, otherResults] = [resultsOfRun(first), resultsOfRun(second)];
  const titles = [first, second].map(({ target, inspection }, i) => `${i + 1}: ${target} (${inspection.title})`);
  return [
    titles.join('\n'),
    layersText(one.summary.layers, other.summary.layers),
    totalsText(one, other),
    ...(results && otherResults ? [resultsText({ ...results }, { ...otherResults })] : []),
    ...(one.settings && other.settings ? [settingsText(one.settings, other.settings)] : []),
  ].join('\n\n');
}

/** Only a run has settings, and results. */
function resultsOfRun({ target, inspection: { settings } }: Compared) {
  return settings && resultsOf(metricsOf(target));
}

const count = (value: number | undefined): string => (value ? value.toLocaleString('en') : '');

/** By name, in the order of the first; what only the second has comes last. What is the same in both is written once. */
function layersText(first: readonly ComparedLayer[], second: readonly ComparedLayer[]): string {
  const names = [...new Set([...first, ...second].map(({ name }) => name))];
  const bits = (layer?: ComparedLayer): string => {
    if (!layer || layer.macs === 0) return '';
    const { weightBits, activationBits, gradientBits } = layer;
    return [weightBits, activationBits, gradientBits].filter((each) => each !== undefined).join('-');
  };
  const columns = [
    { header: 'bits', of: bits },
    { header: 'bytes', of: (layer?: ComparedLayer) => count(layer?.weightBytes) },
    { header: 'MACs', of: (layer?: ComparedLayer) => count(layer?.macs) },
    { header: 'bit operations', of: (layer?: ComparedLayer) => count(layer?.bitOps) },
  ];
  const rows = names.map((name) => {
    const [one, other] = [first, second].map((layers) => layers.find((layer) => layer.name === name));
    return [name, ...columns.flatMap(({ of }) => pair(of(one), of(other)))];
  });
  return formatTable(['layer', ...columns.flatMap(({ header }) => [`${header} 1`, '2'])], rows);
}

function pair(one: string, other: string): [string, string] {
  return [one, one === other && one !== '' ? '=' : other];
}

function totalsText(one: Inspection, other: Inspection): string {
  const rows: [string, (of: Inspection) => number | null][] = [
    ['parameters', ({ summary }) => summary.totals.parameters],
    ['bytes of filters', ({ summary }) => summary.totals.weightBytes],
    ['bytes packed', ({ summary }) => summary.totals.predictedBytes],
    ['bytes on disk', ({ fileBytes }) => fileBytes],
    ['bits per weight', ({ summary }) => Number(summary.totals.bitsPerWeight.toFixed(3))],
    ['MACs', ({ summary }) => summary.totals.macs],
    ['MACs with a float operand', ({ summary }) => summary.totals.floatMacs],
    ['bit operations', ({ summary }) => summary.totals.bitOps],
  ];
  return formatTable(
    ['total', '1', '2', '2 / 1'],
    rows.map(([name, of]) => {
      const [a, b] = [of(one), of(other)];
      const ratio = a && b ? (b / a).toFixed(3) : '';
      return [name, ...[a, b].map((value) => value?.toLocaleString('en') ?? ''), ratio];
    }),
  );
}

function resultsText(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): string {
  const digits = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(4));
  const difference = (name: string): string => {
    const change = digits(other[name]! - one[name]!);
    return change.startsWith('-') ? change : `+${change}`;
  };
  const names = { epochs: 'epochs', trainLoss: 'train loss', testLoss: 'test loss' };
  const accuracies = { finalAccuracy: 'test accuracy', bestAccuracy: 'best accuracy' };
  return formatTable(
    ['result', '1', '2', '2 - 1'],
    Object.entries({ ...names, ...accuracies }).map(([key, name]) => [
      ...[name, digits(one[key]!), digits(other[key]!), difference(key)],
    ]),
  );
}

function settingsText(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): string {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((name) => one[name] !== other[name]);
  if (names.length === 0) return 'their settings are the same';
  return formatTable(
    ['setting that differs', '1', '2'],
    names.map((name) => [name, one[name] ?? '', other[name] ?? '']),
  );
}
