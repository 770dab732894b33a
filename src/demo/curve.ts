/** A curve that grows while it is looked at (uPlot), in the page's colours. */
import uPlot from 'uplot';

export class Curve {
  readonly #place: HTMLElement;
  readonly #format: (value: number) => string;
  #xs: number[] = [];
  #ys: number[] = [];
  #plot: uPlot;

  constructor(place: HTMLElement, format: (value: number) => string) {
    this.#place = place;
    this.#format = format;
    this.#plot = this.#made();
    new ResizeObserver(() => {
      if (place.clientWidth > 0) this.#plot.setSize(sizeOf(place));
    }).observe(place);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.#plot.destroy();
      this.#plot = this.#made();
    });
  }

  clear(): void {
    [this.#xs, this.#ys] = [[], []];
    this.#plot.setData([this.#xs, this.#ys]);
  }

  add(points: readonly (readonly [x: number, y: number])[]): void {
    for (const [x, y] of points) {
      this.#xs.push(x);
      this.#ys.push(y);
    }
    this.#plot.setData([this.#xs, this.#ys]);
  }

  #made(): uPlot {
    const colour = (name: string): string => getComputedStyle(document.body).getPropertyValue(name).trim();
    const axis = { stroke: colour('--faint'), grid: { stroke: colour('--raised'), width: 1 }, ticks: { show: false } };
    return new uPlot(
      {
        ...sizeOf(this.#place),
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false } },
        series: [{}, { stroke: colour('--accent'), width: 2, points: { show: false } }],
        axes: [{ ...axis }, { ...axis, size: 52, values: (_, ticks) => ticks.map(this.#format) }],
      },
      [this.#xs, this.#ys],
      this.#place,
    );
  }
}

function sizeOf({ clientWidth, clientHeight }: HTMLElement): { width: number; height: number } {
  return { width: clientWidth, height: clientHeight };
}
