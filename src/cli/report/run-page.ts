/**
 * The page of inspect RUN --html: curves, histograms of what each layer multiplies by epoch, the first layer's filters, what is taken for
 * what, and the table of layers.
 */
import { type Histogram, histogramTensors, type LayerHistograms } from '../../train/histograms.js';
import type { MetricsLine } from '../../train/metrics.js';
import { confusionHtml } from './confusion.js';
import { escaped, factTable, htmlTable, page } from './page.js';
import { picture } from './pictures.js';
import { lineChart } from './plot.js';
import { type Ridge, ridgePlot } from './ridges.js';
import type { RunReport } from './run-report.js';

export function runPage(report: RunReport): string {
  const { title, intro, metrics, layers, totals, settings } = report;
  const body = [
    `<p>${intro.map(escaped).join('<br>')}</p>`,
    section('Training', curves(metrics)),
    section('What the layers multiply', histograms(report)),
    section('Filters of the first layer', filters(report)),
    section('What is taken for what', confusion(report)),
    section('Layers', `${htmlTable(layers.header, layers.rows)}<p>${totals.map(escaped).join('<br>')}</p>`),
    section('Settings', factTable(settings)),
  ];
  return page(title, body.join('\n'));
}

function section(title: string, contents: string): string {
  return contents === '' ? '' : `<h2>${escaped(title)}</h2>\n${contents}`;
}

function curves(metrics: readonly MetricsLine[]): string {
  const steps = metrics.flatMap((line) => (line.type === 'step' ? [line] : []));
  const epochs = metrics.flatMap((line) => (line.type === 'epoch' ? [line] : []));
  if (steps.length === 0) return '<p>The run has no metrics.jsonl, so there are no curves.</p>';
  const first = epochs[0];
  const perEpoch = first ? first.step / first.epoch : 1;
  const xTitle = first ? 'epoch' : 'step';
  const [train, test] = ['var(--accent)', 'var(--second)'];
  const charts = [
    lineChart({
      ...{ title: 'Loss', xTitle },
      series: [
        { name: 'steps', colour: train, isFaint: true, points: steps.map(({ step, loss }) => [step / perEpoch, loss]) },
        { name: 'train', colour: train, points: epochs.map(({ epoch, trainLoss }) => [epoch, trainLoss]) },
        { name: 'test', colour: test, points: epochs.map(({ epoch, testLoss }) => [epoch, testLoss]) },
      ],
    }),
    lineChart({
      ...{ title: 'Accuracy', xTitle },
      series: [{ name: 'test', colour: test, points: epochs.map(({ epoch, testAccuracy }) => [epoch, testAccuracy]) }],
    }),
    lineChart({
      ...{ title: 'Learning rate', xTitle },
      series: [
        {
          name: 'steps',
          colour: train,
          points: steps.map(({ step, learningRate }) => [step / perEpoch, learningRate]),
        },
      ],
    }),
  ];
  return `<div class="plots">${charts.join('\n')}</div>`;
}

const tensorTitles: Readonly<Record<(typeof histogramTensors)[number], string>> = {
  parameters: 'parameters behind the weights',
  weights: 'weights',
  activations: 'activations',
  gradients: 'gradients',
};

/** Layers that are unfolded at first: the others wait, as a page of all is long. */
const openLayers = 3;

function histograms({ metrics, parameters }: RunReport): string {
  const measured = metrics.flatMap((line) => (line.type === 'histograms' ? [line] : []));
  if (measured.length === 0) {
    const plots = parameters.map(({ name, histogram }) =>
      ridgePlot({ title: name, ridges: [{ epoch: 'now', histogram }] }),
    );
    return `<p>The parameters behind the weights, as they are. For weights, activations and gradients by epoch, train with: --histograms 1</p>
<div class="plots small">${plots.join('\n')}</div>`;
  }
  const names = measured[0]!.layers.map(({ name }) => name);
  const layers = names.map((name, i) => {
    const plots = histogramTensors.map((tensor) => {
      const ridges = measured.flatMap(({ epoch, layers: all }): Ridge[] => {
        const histogram = histogramOfLayer(all, name, tensor);
        return histogram ? [{ epoch: String(epoch), histogram }] : [];
      });
      return ridgePlot({ title: tensorTitles[tensor], ridges, isLogarithmic: tensor === 'gradients' });
    });
    return `<details${i < openLayers ? ' open' : ''}><summary>${escaped(name)}</summary><div class="plots small">${plots.join('\n')}</div></details>`;
  });
  return `<p>One batch at the end of an epoch, whose number stands on the right. Heights are relative to the highest column.</p>
${layers.join('\n')}`;
}

function histogramOfLayer(
  layers: readonly LayerHistograms[],
  name: string,
  tensor: (typeof histogramTensors)[number],
): Histogram | null | undefined {
  return layers.find((layer) => layer.name === name)?.[tensor];
}

const filterSize = 40;

function filters({ firstFilters }: RunReport): string {
  if (firstFilters.length === 0) return '';
  const tiles = firstFilters.map((each) => picture(each, filterSize));
  return `<p>Grey is 0; all share one scale.</p>\n<div class="tiles">${tiles.join('')}</div>`;
}

function confusion({ confusion: found }: RunReport): string {
  return 'why' in found ? `<p>${escaped(found.why)}</p>` : confusionHtml(found);
}
