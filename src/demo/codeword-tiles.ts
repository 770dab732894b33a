/** The sign patterns of a network's binary 3x3 filters as tiles, the most frequent first: +1 is dark. */
import { decodeSubbit } from '../formats/subbit.js';
import { codewordAt, codewordTaps, isBinary3x3, isPositive, numCodewords } from '../ops/codewords.js';
import { element } from './elements.js';

export interface CodewordUse {
  /** Of the constant, which begins with the layer's. */
  readonly name: string;
  readonly filters: number;
  /** [id, filters that have it], the most frequent first. */
  readonly codewords: readonly (readonly [id: number, count: number])[];
}

/** By layer of a `.subbit` file; none for a network without binary 3x3 filters. */
export function codewordsOf(bytes: Uint8Array): CodewordUse[] {
  const { constants } = decodeSubbit(bytes, 'the model').network;
  return Object.entries(constants).flatMap(([name, { type, data }]) => {
    if (!isBinary3x3(type)) return [];
    const filters = data.length / codewordTaps;
    const counts = new Map<number, number>();
    for (let filter = 0; filter < filters; filter++) {
      const id = codewordAt(data, filters, filter);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return [{ name, filters, codewords: [...counts].sort(([a, m], [b, n]) => n - m || a - b) }];
  });
}

const mostTiles = 32;

export function showCodewords(place: HTMLElement, bytes: Uint8Array): void {
  const layers = codewordsOf(bytes);
  place.replaceChildren();
  if (layers.length === 0) return;
  place.append(element('h2', 'Codewords'));
  for (const { name, filters, codewords } of layers) {
    const shown = codewords.slice(0, mostTiles);
    const rest = shown.length < codewords.length ? `, the ${shown.length} most frequent` : '';
    const layer = name.replace(/\/.*/, '');
    const text = `${layer}: ${filters} filters with ${codewords.length} of ${numCodewords} sign patterns${rest}`;
    const tiles = element('div');
    tiles.className = 'tiles';
    for (const [id, count] of shown) tiles.append(tile(id, count));
    place.append(element('h3', text), tiles);
  }
}

function tile(id: number, count: number): HTMLElement {
  const signs = Array.from({ length: codewordTaps }, (_, tap) => isPositive(id, tap));
  const squares = signs.map((isDark, tap) =>
    isDark ? `<rect x="${tap % 3}" y="${Math.floor(tap / 3)}" width="1" height="1"/>` : '',
  );
  const figure = element('figure');
  figure.innerHTML = `<svg viewBox="0 0 3 3" role="img" aria-label="codeword ${id}">${squares.join('')}</svg>`;
  figure.append(element('figcaption', String(count)));
  return figure;
}
