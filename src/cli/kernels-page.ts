/**
 * The page of inspect --kernels: for each layer use by rank on logarithmic axes with its power law, the codewords as
 * black-and-white tiles in order of use, and where codewords were selected, which ones when. One file, no scripts, nothing loaded;
 * light and dark.
 */
import { signsOf } from '../compact/pattern-statistics.js';
import type { SelectionHistory } from '../compact/selection-history.js';
import { numCodewords } from '../ops/codewords.js';
import type { LayerKernels } from './kernels-report.js';

const plot = { width: 320, height: 200, margin: 36 } as const;
const shownTiles = 64;

export function kernelsPage(title: string, layers: readonly LayerKernels[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>
  :root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --faint: #8a8a8a; --accent: #0b62c4 }
  @media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #151515; --faint: #777; --accent: #6cb0ff } }
  body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
  section { display: flex; flex-wrap: wrap; gap: 1rem 2rem; border-top: 1px solid var(--faint); padding: 1rem 0 }
  h2 { font-size: 1.05rem; width: 100%; margin: 0 }
  p { margin: 0; width: 100%; color: var(--faint) }
  svg text { fill: var(--faint); font-size: 10px }
  .tiles { display: grid; grid-template-columns: repeat(16, 26px); gap: 6px 8px; align-content: start }
  .tiles figure { margin: 0; text-align: center }
  .tiles figcaption { font-size: 8px; color: var(--faint) }
</style>
<h1>${escaped(title)}</h1>
<p>A filter of nine signs is one of ${numCodewords} codewords. Dots: how often each is used, by rank, on logarithmic axes; line: count ~ rank<sup>-exponent</sup>.
Tiles: the most used codewords with the share of filters that have them; dark is -1, light +1.</p>
${layers.map(section).join('\n')}
</html>
`;
}

function section(layer: LayerKernels): string {
  const { name, filters, ranking, coverage, entropyBitsPerWeight, powerLaw } = layer;
  const selected = layer.selected === undefined ? '' : ` of ${layer.selected.length} selected`;
  const law = powerLaw === undefined ? '' : `, exponent ${powerLaw.exponent.toFixed(2)} (r² ${powerLaw.r2.toFixed(3)})`;
  const top = [16, 32, 64].map((n) => `top ${n}: ${(100 * coverage[n - 1]!).toFixed(1)} %`).join(', ');
  return `<section>
<h2>${escaped(name)}</h2>
<p>${filters.toLocaleString('en')} filters, ${ranking.length} codewords${selected}, ${entropyBitsPerWeight.toFixed(3)} bits per weight, ${top}${law}</p>
${rankPlot(layer)}
<div class="tiles">${ranking
    .slice(0, shownTiles)
    .map((id) => tile(id, layer.counts[id]! / filters))
    .join('')}</div>
${layer.history === undefined ? '' : timeline(layer.name, layer.history)}
</section>`;
}

const timelineRow = 3;
const timelineRows = 96;

/** A row per codeword that was ever chosen, the longest chosen on top: a bar while it was. */
function timeline(name: string, { renewals, spans }: SelectionHistory): string {
  const { width, margin } = plot;
  const shown = spans.slice(0, timelineRows);
  const x = (renewal: number): number => margin + (renewal / renewals.length) * (width - margin - 8);
  const bars = shown.flatMap(({ chosen }, row) =>
    chosen.map(
      ([from, to]) =>
        `<rect x="${x(from).toFixed(1)}" y="${8 + row * timelineRow}" width="${(x(to) - x(from)).toFixed(1)}" height="${timelineRow - 1}" fill="var(--accent)"/>`,
    ),
  );
  const bottom = 8 + shown.length * timelineRow;
  const exchanged = renewals.reduce((sum, { changed }) => sum + changed, 0);
  const last = renewals.at(-1)!.step;
  return `<div><p>${spans.length} codewords were chosen at some time, ${exchanged} exchanged in ${renewals.length} renewals; bars: when each was</p>
<svg width="${width}" height="${bottom + 20}" role="img" aria-label="codewords of ${escaped(name)} over the training">
<path d="M${margin} 8V${bottom}H${width - 8}" fill="none" stroke="var(--faint)"/>${label(margin, bottom + 14, 'step 0', 'start')}${label(width - 8, bottom + 14, last.toLocaleString('en'), 'end')}${bars.join('')}</svg></div>`;
}

/** Counts by rank with the fitted line. */
function rankPlot({ name, counts, ranking, powerLaw }: LayerKernels): string {
  const { width, height, margin } = plot;
  const most = counts[ranking[0]!]!;
  const decades = Math.max(1, Math.ceil(Math.log10(most)));
  const x = (rank: number): number => margin + (Math.log(rank) / Math.log(numCodewords)) * (width - margin - 8);
  const y = (count: number): number =>
    height - margin - (Math.log10(Math.max(count, 1)) / decades) * (height - margin - 8);
  const dots = ranking.map((id, i) => dot(x(i + 1), y(counts[id]!))).join('');
  const ends = [1, ranking.length].map((rank) => {
    const count = powerLaw === undefined ? 1 : powerLaw.amplitude * rank ** -powerLaw.exponent;
    return `${x(rank).toFixed(1)},${y(Math.min(count, 10 ** decades)).toFixed(1)}`;
  });
  const ranks = [1, 8, 64, 512].map((rank) => label(x(rank), height - margin + 14, String(rank), 'middle')).join('');
  const levels = Array.from({ length: decades + 1 }, (_, i) =>
    label(margin - 5, y(10 ** i) + 3, String(10 ** i), 'end'),
  );
  const line = powerLaw === undefined ? '' : `<polyline points="${ends.join(' ')}" fill="none" stroke="var(--faint)"/>`;
  return `<svg width="${width}" height="${height}" role="img" aria-label="use of codewords by rank in ${escaped(name)}">
<path d="M${margin} 8V${height - margin}H${width - 8}" fill="none" stroke="var(--faint)"/>${ranks}${levels.join('')}${line}${dots}</svg>`;
}

const dot = (x: number, y: number): string =>
  `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="1.6" fill="var(--accent)"/>`;

const label = (x: number, y: number, text: string, anchor: string): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${text}</text>`;

/** A codeword as nine squares. */
function tile(id: number, share: number): string {
  const squares = signsOf(id).map((sign, tap) => {
    const [row, column] = [Math.floor(tap / 3), tap % 3];
    return `<rect x="${1 + 8 * column}" y="${1 + 8 * row}" width="8" height="8" fill="${sign > 0 ? '#fff' : '#222'}"/>`;
  });
  return `<figure><svg width="26" height="26" role="img" aria-label="codeword ${id}"><rect width="26" height="26" fill="#888"/>${squares.join('')}</svg><figcaption>${(100 * share).toFixed(1)}</figcaption></figure>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (each) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[each]!);
}
