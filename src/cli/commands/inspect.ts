/** subbit inspect RUN|MODEL|PRESET [ANOTHER]: the table of layers, of one or of two side by side; pages with pictures. */
import { existsSync } from 'node:fs';
import { presets } from '../../nn/models/index.js';
import { openNetwork } from '../../nn/network.js';
import { writeFileAtomic } from '../../util/atomic-file.js';
import { UsageError } from '../../util/errors.js';
import { type CliCommand, integer } from '../command.js';
import { type Compared, comparisonObject, formatComparison } from '../compare.js';
import { type InspectionOptions, inspectChosen, inspectTarget, metricsOf, networkTitle } from '../inspection.js';
import { addModelOption, choosePreset, type ModelOption } from '../model-option.js';
import { isModelFile } from '../models.js';
import { addNetworkOptions } from '../network-options.js';
import { createOutput, type Output } from '../output.js';
import { kernelsPage } from '../report/kernels-page.js';
import { formatKernels, kernelsOf } from '../report/kernels-report.js';
import { runPage } from '../report/run-page.js';
import { reportOf } from '../report/run-report.js';
import { descriptionOf, openCheckpoint } from '../runs.js';

export const inspectCommand: CliCommand = {
  register(program) {
    const parser = program
      .command('inspect')
      .description('table of layers: shapes, bits, parameters, bytes, multiply-accumulates by precision')
      .argument(
        '[run|model|preset]',
        `folder of a run, a .subbit file, or a preset (${Object.keys(presets).join(', ')})`,
      )
      .argument('[run|model|preset]', 'another one, to be compared with')
      .option('--classes <n>', 'classes of a preset', integer('--classes', 1), 10)
      .option('--kernels', 'how the binary 3x3 filters of a run are spread over the 512 sign patterns')
      .option(
        '--html <file>',
        'a page: curves, histograms, filters and mistakes of a run; with --kernels its sign patterns',
      )
      .option('--data <name|dir>', "with --html: whose test images are looked at; the run's by default")
      .option('--json', 'print one JSON object');
    addNetworkOptions(addModelOption(parser)).action(inspect);
  },
};

interface InspectOptions extends InspectionOptions, ModelOption {
  readonly kernels?: boolean;
  readonly html?: string;
  readonly data?: string;
  readonly json?: boolean;
}

async function inspect(target: string | undefined, other: string | undefined, options: InspectOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  const { kernels, html, data } = options;
  if (data !== undefined && (html === undefined || kernels))
    throw new UsageError(
      '--data is about the test images of the page of a run and needs --html FILE, without --kernels',
    );
  if (target === undefined || options.model !== undefined) {
    const chosen = await choosePreset(target, options);
    if (chosen === undefined) throw new UsageError('inspect needs a run, a .subbit file, a preset or --model FILE');
    if (kernels || html !== undefined) throw new UsageError('--kernels and --html show a run; give its folder');
    const inspection = await inspectChosen(chosen, options);
    output.result(inspection.object, inspection.text);
  } else if (other !== undefined) {
    if (kernels || html !== undefined)
      throw new UsageError('two are compared in a table: leave out --kernels and --html');
    const compared: Compared[] = [];
    for (const each of [target, other])
      compared.push({ target: each, inspection: await inspectTarget(each, options, output) });
    output.result(comparisonObject(compared), () => formatComparison(compared[0]!, compared[1]!));
  } else if (kernels) await inspectKernels(target, html, output);
  else {
    const inspection = await inspectTarget(target, options, output);
    if (html !== undefined) await writePage(target, html, data, output);
    output.result(inspection.object, inspection.text);
  }
}

async function writePage(run: string, html: string, data: string | undefined, output: Output): Promise<void> {
  if (isModelFile(run) || !existsSync(run))
    throw new UsageError(`--html shows a training, and '${run}' is no run; give the folder of a run`);
  writeFileAtomic(html, runPage(await reportOf(run, data, output)));
  output.note(`wrote ${html}`);
}

async function inspectKernels(run: string, html: string | undefined, output: Output): Promise<void> {
  const checkpoint = openCheckpoint(run, 'last', output.note);
  const { network } = descriptionOf(checkpoint);
  const layers = kernelsOf(await openNetwork(network), checkpoint, metricsOf(run));
  if (html !== undefined) {
    writeFileAtomic(html, kernelsPage(`${networkTitle(network)}: ${run}`, layers));
    output.note(`wrote ${html}`);
  }
  output.result({ kernels: layers }, () => formatKernels(layers));
}
