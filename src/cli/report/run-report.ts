/** What the page of a run shows, gathered: metrics, the last checkpoint, and an evaluation of the test set where the data is at hand. */
import { openBackend } from '../../backends/index.js';
import { buildGraph, type NetworkDefinition, openNetwork } from '../../nn/network.js';
import { summarize } from '../../nn/summary.js';
import type { Classification } from '../../runtime/classification.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import { type Histogram, histogramOf } from '../../train/histograms.js';
import type { MetricsLine } from '../../train/metrics.js';
import { Model } from '../../train/model.js';
import { SubbitError } from '../../util/errors.js';
import { layerTable, metricsOf, networkTitle, resultsOf, totalsText } from '../inspection.js';
import { loadData } from '../load-data.js';
import { createProgress, type Output } from '../output.js';
import { descriptionOf, openCheckpoint, requireSameClasses } from '../runs.js';
import { type Confusion, confusionOf } from './confusion.js';
import { filterPictures, type Picture } from './pictures.js';
import { type Settings, settingsOf } from './settings.js';

export interface RunReport {
  readonly title: string;
  /** Lines. */
  readonly intro: readonly string[];
  readonly metrics: readonly MetricsLine[];
  readonly layers: { readonly header: readonly string[]; readonly rows: readonly (readonly string[])[] };
  readonly totals: readonly string[];
  readonly settings: Settings;
  /** Of the filters, as they are. */
  readonly parameters: readonly { readonly name: string; readonly histogram: Histogram }[];
  readonly firstFilters: readonly Picture[];
  /** Or why there is none. */
  readonly confusion: Confusion | { readonly why: string };
}

/** `data`: a name or folder in place of the run's own. */
export async function reportOf(run: string, data: string | undefined, output: Output): Promise<RunReport> {
  const checkpoint = openCheckpoint(run, 'last', output.note);
  const description = descriptionOf(checkpoint);
  const definition = await openNetwork(description.network);
  const { graph } = buildGraph(definition, { batch: 1, training: true, seed: 0 });
  const summary = summarize(graph);
  const filters = summary.layers.flatMap(({ name }) => {
    const tensor = checkpoint.tensors[`${name}/filter`];
    return tensor ? [{ name, tensor }] : [];
  });
  const metrics = metricsOf(run);
  const results = resultsOf(metrics);
  const first = filters[0]?.tensor;
  return {
    title: `${networkTitle(description.network)}: ${run}`,
    intro: results
      ? [
          `test accuracy ${results.finalAccuracy.toFixed(4)} (best ${results.bestAccuracy.toFixed(4)}) after ${results.epochs} of ${description.training.epochs} epochs on ${description.training.data}`,
        ]
      : [
          `step ${checkpoint.step}, within the first of ${description.training.epochs} epochs on ${description.training.data}`,
        ],
    metrics,
    layers: layerTable(summary.layers),
    totals: totalsText(summary),
    settings: settingsOf(description),
    parameters: filters.map(({ name, tensor }) => ({ name, histogram: histogramOf(tensor.data) })),
    firstFilters: first ? filterPictures(first.data, first.shape) : [],
    confusion: await evaluate(checkpoint, definition, data, output),
  };
}

/** Images between two looks at the progress. */
const chunk = 512;

/** The page does without it where the data is missing or of another kind, and says why. */
async function evaluate(
  checkpoint: Checkpoint,
  definition: NetworkDefinition,
  data: string | undefined,
  output: Output,
): Promise<RunReport['confusion']> {
  const { network, training } = descriptionOf(checkpoint);
  const source = data ?? training.data;
  try {
    const { test, classes } = await loadData(source, definition.input, output, { download: false });
    requireSameClasses(classes, network.classes);
    const backend = await openBackend({ onNotice: output.note });
    const model = new Model(backend, checkpoint, { network: definition });
    const progress = createProgress();
    progress.start('evaluating', test.count);
    const bytes = test.images.length / test.count;
    const predictions: Classification[] = [];
    for (let at = 0; at < test.count; at += chunk) {
      predictions.push(...(await model.predict(test.images.subarray(at * bytes, (at + chunk) * bytes))));
      progress.update(Math.min(at + chunk, test.count), 'images');
    }
    progress.stop();
    model.dispose();
    backend.dispose();
    return confusionOf(test, predictions, network.classes);
  } catch (error) {
    if (!(error instanceof SubbitError)) throw error;
    output.note(`no test images are looked at: ${error.message}`);
    return { why: `No test images were looked at: ${error.message}` };
  }
}
