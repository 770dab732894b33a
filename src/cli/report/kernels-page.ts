/**
 * The page of inspect --kernels: for each layer use by rank on logarithmic axes with its power law, the codewords as
 * black-and-white tiles in order of use, and where codewords were selected, which ones when.
 */
import { signsOf } from '../../compact/pattern-statistics.js';
import type { SelectionHistory } from '../../compact/selection-history.js';
import { numCodewords } from '../../ops/codewords.js';
import type { LayerKernels } from './kernels-report.js';
import { escaped, page } from './page.js';
import { frame, label, point, svg } from './plot.js';

const shownTiles = 64;

export function kernelsPage(title: string, layers: readonly LayerKernels[]): string {
  return page(
    title,
    `<p>A filter of nine signs is one of ${numCodewords} codewords. Dots: how often each is used, by rank, on logarithmic axes; line: count ~ rank<sup>-exponent</sup>.
Tiles: the most used codewords with the share of filters that have them; dark is -1, light +1.</p>
${layers.map(section).join('\n')}`,
  );
}

function section(layer: LayerKernels): string {
  const { name, filters, ranking, coverage, entropyBitsPerWeight, powerLaw } = layer;
  const selected = layer.selected === undefined ? '' : ` of ${layer.selected.length} selected`;
  const law = powerLaw === undefined ? '' : `, exponent ${powerLaw.exponent.toFixed(2)} (r² ${powerLaw.r2.toFixed(3)})`;
  const top = [16, 32, 64].map((n) => `top ${n}: ${(100 * coverage[n - 1]!).toFixed(1)} %`).join(', ');
  return `<section>
<h2>${escaped(name)}</h2>
<p>${filters.toLocaleString('en')} filters, ${ranking.length} codewords${selected}, ${entropyBitsPerWeight.toFixed(3)} bits per weight, ${top}${law}</p>
<div class="plots large">${rankPlot(layer)}
<div class="tiles">${ranking
    .slice(0, shownTiles)
    .map((id) => tile(id, layer.counts[id]! / filters))
    .join('')}</div>
${layer.history === undefined ? '' : timeline(layer.name, layer.history)}</div>
</section>`;
}

const timelineRow = 3;
const timelineRows = 96;

/** A row per codeword that was ever chosen, the longest chosen on top: a bar while it was. */
function timeline(name: string, { renewals, spans }: SelectionHistory): string {
  const shown = spans.slice(0, timelineRows);
  const { width, left, right, top, bottom } = frame;
  const height = top + shown.length * timelineRow + bottom;
  const x = (renewal: number): number => left + (renewal / renewals.length) * (width - left - right);
  const bars = shown.flatMap(({ chosen }, row) =>
    chosen.map(
      ([from, to]) =>
        `<rect x="${x(from).toFixed(1)}" y="${top + row * timelineRow}" width="${(x(to) - x(from)).toFixed(1)}" height="${timelineRow - 1}" fill="var(--accent)"/>`,
    ),
  );
  const exchanged = renewals.reduce((sum, { changed }) => sum + changed, 0);
  const last = renewals.at(-1)!.step;
  const ends = [
    label(left, height - 10, 'step 0', 'start'),
    label(width - right, height - 10, last.toLocaleString('en'), 'end'),
  ];
  const plot = svg(`codewords of ${name} over the training`, [...ends, ...bars].join(''), { ...frame, height });
  return `<figure>${plot}<figcaption>${spans.length} codewords were chosen at some time, ${exchanged} exchanged in ${renewals.length} renewals; bars: when each was</figcaption></figure>`;
}

/** Counts by rank with the fitted line. */
function rankPlot({ name, counts, ranking, powerLaw }: LayerKernels): string {
  const { width, height, left, right, top, bottom } = frame;
  const most = counts[ranking[0]!]!;
  const decades = Math.max(1, Math.ceil(Math.log10(most)));
  const x = (rank: number): number => left + (Math.log(rank) / Math.log(numCodewords)) * (width - left - right);
  const y = (count: number): number =>
    height - bottom - (Math.log10(Math.max(count, 1)) / decades) * (height - bottom - top);
  const dots = ranking.map((id, i) => dot(x(i + 1), y(counts[id]!))).join('');
  const ends = [1, ranking.length].map((rank) => {
    const count = powerLaw === undefined ? 1 : powerLaw.amplitude * rank ** -powerLaw.exponent;
    return point(x(rank), y(Math.min(count, 10 ** decades)));
  });
  const ranks = [1, 8, 64, 512].map((rank) => label(x(rank), height - bottom + 14, String(rank), 'middle')).join('');
  const levels = Array.from({ length: decades + 1 }, (_, i) =>
    label(left - 5, y(10 ** i) + 3, String(10 ** i), 'end'),
  ).join('');
  const line = powerLaw === undefined ? '' : `<polyline points="${ends.join(' ')}" fill="none" stroke="var(--faint)"/>`;
  return svg(`use of codewords by rank in ${name}`, ranks + levels + line + dots);
}

const dot = (x: number, y: number): string =>
  `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="1.6" fill="var(--accent)"/>`;

/** A codeword as nine squares. */
function tile(id: number, share: number): string {
  const squares = signsOf(id).map((sign, tap) => {
    const [row, column] = [Math.floor(tap / 3), tap % 3];
    return `<rect x="${1 + 8 * column}" y="${1 + 8 * row}" width="8" height="8" fill="${sign > 0 ? '#fff' : '#222'}"/>`;
  });
  return `<figure><svg width="26" height="26" role="img" aria-label="codeword ${id}"><rect width="26" height="26" fill="#888"/>${squares.join('')}</svg><figcaption>${(100 * share).toFixed(1)}</figcaption></figure>`;
}
