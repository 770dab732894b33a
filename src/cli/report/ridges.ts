/** Histograms of one tensor over the epochs, as DoReFa-Net's figures show them: the oldest at the top, each on a base line of its own. */
import type { Histogram } from '../../train/histograms.js';
import { escaped } from './page.js';
import { extent, type Frame, label, linear, point, shortNumber, svg } from './plot.js';

export interface Ridge {
  /** "5" */
  readonly epoch: string;
  readonly histogram: Histogram;
}

export interface Ridges {
  readonly title: string;
  readonly ridges: readonly Ridge[];
  /** Heights are logarithms of the counts: tails are seen. @default false */
  readonly isLogarithmic?: boolean;
}

const mostRidges = 6;
const ridgeDistance = 18;
const ridgeHeight = 34;

/** A figure; empty when there is nothing to show. */
export function ridgePlot({ title, ridges, isLogarithmic = false }: Ridges): string {
  const shown = spread(
    ridges.filter(({ histogram }) => histogram.counts.length > 0),
    mostRidges,
  );
  if (shown.length === 0) return '';
  const height = 8 + ridgeHeight + (shown.length - 1) * ridgeDistance + 22;
  const frame: Frame = { width: 240, height, left: 6, right: 26, top: 8, bottom: 20 };
  const [low, high] = extent(shown.flatMap(({ histogram: { min, max } }) => [min, max]));
  const x = linear(low, high, frame.left, frame.width - frame.right);
  const areas = shown.map(({ epoch, histogram }, i) => {
    const base = 8 + ridgeHeight + i * ridgeDistance;
    const strength = 25 + (60 * (i + 1)) / shown.length;
    const look = `fill="color-mix(in srgb, var(--accent) ${strength.toFixed(0)}%, var(--paper))" stroke="var(--paper)" stroke-width=".75"`;
    return `<path d="${area(histogram, x, base, isLogarithmic)}" ${look}/>${label(frame.width - frame.right + 4, base, epoch, 'start')}`;
  });
  const ends = [low, ...(low < 0 && high > 0 ? [0] : []), high];
  const anchors = ['start', ...(ends.length === 3 ? ['middle'] : []), 'end'] as ('start' | 'middle' | 'end')[];
  const below = ends.map((value, i) => label(x(value), height - 6, shortNumber(value), anchors[i]!));
  const how = isLogarithmic ? ', logarithmic' : '';
  return `<figure>${svg(title, [...areas, ...below].join(''), frame)}<figcaption>${escaped(title)}${how}</figcaption></figure>`;
}

/** Steps as wide as the intervals; a thin column where all numbers are the same. */
function area(
  { min, max, counts }: Histogram,
  x: (value: number) => number,
  base: number,
  isLogarithmic: boolean,
): string {
  const height = (count: number): number => ridgeHeight * (isLogarithmic ? Math.log1p(count) : count);
  const perUnit = ridgeHeight / height(extent(counts)[1]);
  if (min === max) return `M${point(x(min), base)}v${-ridgeHeight}h2v${ridgeHeight}Z`;
  const at = (i: number): number => x(min + (i / counts.length) * (max - min));
  const steps = counts.flatMap((count, i) => {
    const y = base - perUnit * height(count);
    return [point(at(i), y), point(at(i + 1), y)];
  });
  return `M${point(at(0), base)}L${steps.join('L')}L${point(at(counts.length), base)}Z`;
}

/** At most `count` of them, the first and the last among them. */
function spread<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!);
}
