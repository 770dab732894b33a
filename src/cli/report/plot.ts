/** Plots as SVG: what all have in common, and lines. Numbers are written with one decimal of a pixel. */
import { escaped } from './page.js';

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export const frame: Frame = { width: 320, height: 200, left: 40, right: 12, top: 8, bottom: 24 };

export type Scale = (value: number) => number;

/** The axes: a line to the left and one below, around what is drawn. */
export function svg(
  label: string,
  contents: string,
  { width, height, left, right, top, bottom }: Frame = frame,
): string {
  return `<svg class="plot" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(label)}">
<path d="M${left} ${top}V${height - bottom}H${width - right}" fill="none" stroke="var(--line)"/>${contents}</svg>`;
}

export function point(x: number, y: number): string {
  return `${x.toFixed(1)},${y.toFixed(1)}`;
}

export function label(x: number, y: number, text: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(text)}</text>`;
}

/** 0.0012, 1.5, 12.5k, 3M */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  const [unit, of] = size >= 1e6 ? ['M', 1e6] : size >= 1e4 ? ['k', 1e3] : ['', 1];
  const text = size > 0 && size < 1e-3 ? value.toExponential(1) : String(Number((value / of).toPrecision(3)));
  return text + unit;
}

/** Round numbers from `low` to `high`, about `count` of them: multiples of 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high > low)) return [low];
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= raw) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

export interface Series {
  readonly name: string;
  /** A colour of CSS. */
  readonly colour: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Whether it lies behind the others. @default false */
  readonly isFaint?: boolean;
}

export interface LineChart {
  readonly title: string;
  readonly xTitle: string;
  readonly series: readonly Series[];
  /** @default those of the points */
  readonly yRange?: readonly [low: number, high: number];
}

/** More points than this in a series are averaged in groups. */
const mostPoints = 160;

/** A figure with a legend. Points that are not finite are left out. */
export function lineChart({ title, xTitle, series, yRange }: LineChart): string {
  const shown = series
    .map((each) => ({
      ...each,
      points: thinned(each.points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y))),
    }))
    .filter(({ points }) => points.length > 0);
  const all = shown.flatMap(({ points }) => points);
  if (all.length === 0) return '';
  const { width, height, left, right, top, bottom } = frame;
  const [xLow, xHigh] = extent(all.map(([x]) => x));
  const [yLow, yHigh] = yRange ?? extent(all.map(([, y]) => y));
  const x = linear(xLow, xHigh, left, width - right);
  const y = linear(yLow, yHigh, height - bottom, top);
  const grid = ticks(yLow, yHigh, 4).map(
    (value) =>
      `<path d="M${left} ${y(value).toFixed(1)}H${width - right}" stroke="var(--line)" stroke-width=".5"/>${label(left - 4, y(value) + 3, shortNumber(value), 'end')}`,
  );
  const below = ticks(xLow, xHigh, 5).map((value) =>
    label(x(value), height - bottom + 13, shortNumber(value), 'middle'),
  );
  const lines = shown.map(({ colour, points, isFaint }) =>
    line(
      points.map(([a, b]) => [x(a), y(b)]),
      colour,
      isFaint,
    ),
  );
  const keys = shown.map(({ name, colour, isFaint }) => {
    const of = isFaint ? `color-mix(in srgb, ${colour} 40%, transparent)` : colour;
    return `<span class="key" style="--of: ${of}">${escaped(name)}</span>`;
  });
  return `<figure><h3>${escaped(title)}</h3>${svg(title, [...grid, ...below, ...lines].join(''))}<figcaption>${keys.join('')}by ${escaped(xTitle)}</figcaption></figure>`;
}

/** One point alone is a dot. */
function line(points: readonly (readonly [number, number])[], colour: string, isFaint = false): string {
  const [only, ...more] = points;
  if (more.length === 0)
    return `<circle cx="${only![0].toFixed(1)}" cy="${only![1].toFixed(1)}" r="2.5" fill="${colour}"/>`;
  const list = points.map(([x, y]) => point(x, y)).join(' ');
  const look = isFaint ? 'stroke-width="1" stroke-opacity=".4"' : 'stroke-width="1.75"';
  return `<polyline points="${list}" fill="none" stroke="${colour}" ${look} stroke-linejoin="round"/>`;
}

function thinned(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  if (points.length <= mostPoints) return [...points];
  const per = Math.ceil(points.length / mostPoints);
  return Array.from({ length: Math.ceil(points.length / per) }, (_, i) => {
    const group = points.slice(i * per, (i + 1) * per);
    const mean = (of: 0 | 1): number => group.reduce((sum, each) => sum + each[of], 0) / group.length;
    return [mean(0), mean(1)] as const;
  });
}

export function linear(low: number, high: number, from: number, to: number): Scale {
  const perUnit = high > low ? (to - from) / (high - low) : 0;
  return (value) => from + (value - low) * perUnit;
}

export function extent(values: Iterable<number>): [low: number, high: number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}
