/** subbit inspect RUN|MODEL|PRESET: the table of layers. */
import { existsSync, statSync } from 'node:fs';
import { presets } from '../../nn/models/index.js';
import { buildGraph, type NetworkDescription, openNetwork } from '../../nn/network.js';
import { type LayerSummary, type NetworkSummary, summarize } from '../../nn/summary.js';
import { lastFile } from '../../train/checkpoint.js';
import { metricsFile, readMetrics } from '../../train/metrics.js';
import { writeFileAtomic } from '../../util/atomic-file.js';
import { UsageError } from '../../util/errors.js';
import { lookUp } from '../../util/nearest.js';
import { codewordTable } from '../codeword-table.js';
import { type CliCommand, integer } from '../command.js';
import { type DeployedSummary, describeEncoding, summarizeDeployed } from '../deployed-summary.js';
import { kernelsPage } from '../kernels-page.js';
import { formatKernels, kernelsOf } from '../kernels-report.js';
import { addModelOption, type Chosen, choosePreset, type ModelOption } from '../model-option.js';
import { isModelFile, readModel } from '../models.js';
import { addNetworkOptions, type NetworkOptions, networkChoices } from '../network-options.js';
import { createOutput, formatBytes, formatTable, type Output } from '../output.js';
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
      .option('--classes <n>', 'classes of a preset', integer('--classes', 1), 10)
      .option('--kernels', 'how the binary 3x3 filters of a run are spread over the 512 sign patterns')
      .option('--html <file>', 'with --kernels: a page with curves and pictures')
      .option('--json', 'print one JSON object');
    addNetworkOptions(addModelOption(parser)).action(inspect);
  },
};

interface InspectOptions extends ModelOption, NetworkOptions {
  readonly classes: number;
  readonly kernels?: boolean;
  readonly html?: string;
  readonly json?: boolean;
}

async function inspect(target: string | undefined, options: InspectOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  if (options.html !== undefined && !options.kernels) throw new UsageError('--html needs --kernels');
  if (target === undefined || options.model !== undefined) {
    const chosen = await choosePreset(target, options);
    if (chosen === undefined) throw new UsageError('inspect needs a run, a .subbit file, a preset or --model FILE');
    await inspectNetwork(describeChosen(chosen, options), null, output);
  } else if (options.kernels) await inspectKernels(target, options.html, output);
  else if (isModelFile(target)) inspectModel(target, output);
  else if (existsSync(target)) await inspectRun(target, output);
  else await inspectNetwork(describePreset(target, options), null, output);
}

async function inspectRun(path: string, output: Output): Promise<void> {
  const { network } = descriptionOf(openCheckpoint(path, 'last', output.note));
  await inspectNetwork(network, existsSync(lastFile(path)) ? statSync(lastFile(path)).size : null, output);
}

/** `fileBytes`: of the checkpoint, where there is one. */
async function inspectNetwork(
  description: NetworkDescription,
  fileBytes: number | null,
  output: Output,
): Promise<void> {
  const { graph } = buildGraph(await openNetwork(description), { batch: 1, training: true, seed: 0 });
  const summary = summarize(graph);
  output.result(
    { ...summary, totals: { ...summary.totals, fileBytes } },
    () => `${networkTitle(description)}\n${formatSummary(summary)}`,
  );
}

async function inspectKernels(run: string, html: string | undefined, output: Output): Promise<void> {
  const checkpoint = openCheckpoint(run, 'last', output.note);
  const { network } = descriptionOf(checkpoint);
  const metrics = existsSync(metricsFile(run)) ? readMetrics(metricsFile(run)) : [];
  const layers = kernelsOf(await openNetwork(network), checkpoint, metrics);
  if (html !== undefined) {
    writeFileAtomic(html, kernelsPage(`${networkTitle(network)}: ${run}`, layers));
    output.note(`wrote ${html}`);
  }
  output.result({ kernels: layers }, () => formatKernels(layers));
}

function inspectModel(path: string, output: Output): void {
  const decoded = readModel(path);
  const summary = summarizeDeployed(decoded, statSync(path).size);
  const { input, preprocessing, classes, origin, verification } = decoded.network;
  const about = { input, preprocessing, classes, origin, verificationImages: verification?.count ?? 0 };
  output.result({ ...summary, ...about }, () => {
    const title = Object.entries(origin).map(([key, value]) => `${key} ${value}`);
    return `${[...title, `${classes.length} classes`].join(', ')}\n${formatDeployed(summary)}`;
  });
}

/** The table for people: layers, then what lies between them. */
function formatDeployed({ layers, edges, totals }: DeployedSummary): string {
  const count = (value: number): string => (value === 0 ? '' : value.toLocaleString('en'));
  const table = formatTable(
    ['layer', 'op', 'output', 'W-A', 'parameters', 'bytes', 'MACs', 'bit operations'],
    layers.map((layer) => [
      ...[layer.name, layer.op, layer.outputShape.join('x')],
      layer.macs === 0 ? '' : `${layer.weightBits}-${layer.activationBits}`,
      ...[layer.parameters, layer.weightBytes, layer.macs, layer.bitOps].map(count),
    ]),
  );
  const edgeTable = formatTable(
    ['value', 'computed by', 'shape', 'type', '  encoding'],
    edges.map(({ name, op, shape, dtype, encoding }) => [
      ...[name, op, shape.join('x'), dtype],
      `  ${describeEncoding(encoding)}`,
    ]),
  );
  const ratio = (totals.float32Bytes / totals.fileBytes).toFixed(1);
  return [
    ...[table, '', ...codewordTable(layers), edgeTable, ''],
    `${formatBytes(totals.fileBytes)} in the file (predicted: ${formatBytes(totals.predictedBytes)}; ${ratio}x smaller than float32), ${totals.bitsPerWeight.toFixed(2)} bits per weight`,
    `${(totals.macs / 1e6).toFixed(2)} M multiply-accumulates per image, all of integers; ${(totals.bitOps / 1e6).toFixed(1)} M bit operations`,
  ].join('\n');
}

function describePreset(name: string, options: InspectOptions): NetworkDescription {
  const preset = lookUp(presets, name, 'run or preset');
  return describeChosen({ preset, choice: { preset: preset.name } }, options);
}

function describeChosen({ choice }: Chosen, options: InspectOptions): NetworkDescription {
  const classes = Array.from({ length: options.classes }, (_, i) => String(i));
  return { ...choice, ...networkChoices(options), classes, zeroPoints: [0], step: 1 / 255 };
}

function networkTitle({ preset, width, bits, codewords }: NetworkDescription): string {
  const selected = codewords === undefined ? '' : `, ${codewords} codewords`;
  return `${preset}${width === undefined ? '' : ` ${width}`} ${bits}${selected}`;
}

/** The table for people; convolutions and dense layers with the batch norms, biases and RPReLUs between them. */
export function formatSummary({ layers, totals }: NetworkSummary): string {
  const bits = (layer: LayerSummary): string =>
    layer.macs === 0 ? '' : `${layer.weightBits}-${layer.activationBits}-${layer.gradientBits}`;
  const table = formatTable(
    ['layer', 'op', 'output', 'W-A-G', 'parameters', 'bytes', 'MACs', 'bit operations'],
    layers.map((layer) => [
      layer.name,
      layer.op,
      layer.outputShape.join('x'),
      bits(layer),
      layer.parameters.toLocaleString('en'),
      layer.weightBytes.toLocaleString('en'),
      layer.macs === 0 ? '' : layer.macs.toLocaleString('en'),
      layer.bitOps === 0 ? '' : layer.bitOps.toLocaleString('en'),
    ]),
  );
  const ratio = (totals.float32Bytes / totals.predictedBytes).toFixed(1);
  const floatShare = ((100 * totals.floatMacs) / totals.macs).toFixed(1);
  return [
    table,
    '',
    ...codewordTable(layers),
    `${totals.parameters.toLocaleString('en')} parameters, ${formatBytes(totals.predictedBytes)} packed (${ratio}x smaller than float32: ${formatBytes(totals.float32Bytes)}), ${totals.bitsPerWeight.toFixed(2)} bits per weight`,
    `${(totals.macs / 1e6).toFixed(2)} M multiply-accumulates per image, ${floatShare} % with a float operand; ${(totals.bitOps / 1e6).toFixed(1)} M bit operations`,
  ].join('\n');
}
