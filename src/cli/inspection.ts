/** What inspect says of one network: a run, a deployed model, or a preset that was never trained. */
import { existsSync, statSync } from 'node:fs';
import { presets } from '../nn/models/index.js';
import { buildGraph, type NetworkDescription, openNetwork } from '../nn/network.js';
import { type LayerSummary, type NetworkSummary, summarize } from '../nn/summary.js';
import { lastFile } from '../train/checkpoint.js';
import { type MetricsLine, metricsFile, readMetrics } from '../train/metrics.js';
import { lookUp } from '../util/nearest.js';
import { codewordTable } from './codeword-table.js';
import { type DeployedSummary, describeEncoding, summarizeDeployed } from './deployed-summary.js';
import type { Chosen } from './model-option.js';
import { isModelFile, readModel } from './models.js';
import { type NetworkOptions, networkChoices } from './network-options.js';
import { formatBytes, formatTable, type Output } from './output.js';
import { type Settings, settingsOf } from './report/settings.js';
import { descriptionOf, openCheckpoint } from './runs.js';

export interface InspectionOptions extends NetworkOptions {
  /** Of a preset. */
  readonly classes: number;
}

export interface Inspection {
  readonly title: string;
  readonly summary: NetworkSummary | DeployedSummary;
  readonly fileBytes: number | null;
  /** Of a run. */
  readonly settings?: Settings;
  /** What --json prints. */
  readonly object: object;
  text(): string;
}

/** Where a training stands after its last epoch. */
export interface RunResults {
  readonly epochs: number;
  readonly trainLoss: number;
  readonly testLoss: number;
  readonly finalAccuracy: number;
  readonly bestAccuracy: number;
}

export async function inspectTarget(target: string, options: InspectionOptions, output: Output): Promise<Inspection> {
  return isModelFile(target) ? inspectModel(target) : inspectNetwork(target, options, output);
}

/** Of a preset or a model of the user's own. */
export async function inspectChosen({ choice }: Chosen, options: InspectionOptions): Promise<Inspection> {
  return inspectDescription(describeChoice(choice, options), null);
}

async function inspectNetwork(target: string, options: InspectionOptions, output: Output): Promise<Inspection> {
  const isRun = existsSync(target);
  const run = isRun ? descriptionOf(openCheckpoint(target, 'last', output.note)) : undefined;
  const description = run?.network ?? describePreset(target, options);
  const fileBytes = isRun && existsSync(lastFile(target)) ? statSync(lastFile(target)).size : null;
  return { ...(await inspectDescription(description, fileBytes)), ...(run && { settings: settingsOf(run) }) };
}

async function inspectDescription(description: NetworkDescription, fileBytes: number | null): Promise<Inspection> {
  const { graph } = buildGraph(await openNetwork(description), { batch: 1, training: true, seed: 0 });
  const summary = summarize(graph);
  const title = networkTitle(description);
  return {
    ...{ title, summary, fileBytes },
    object: { ...summary, totals: { ...summary.totals, fileBytes } },
    text: () => `${title}\n${formatSummary(summary)}`,
  };
}

function inspectModel(path: string): Inspection {
  const decoded = readModel(path);
  const fileBytes = statSync(path).size;
  const summary = summarizeDeployed(decoded, fileBytes);
  const { input, preprocessing, classes, origin, verification } = decoded.network;
  const about = { input, preprocessing, classes, origin, verificationImages: verification?.count ?? 0 };
  const names = Object.entries(origin).map(([key, value]) => `${key} ${value}`);
  const title = [...names, `${classes.length} classes`].join(', ');
  return {
    ...{ title, summary, fileBytes },
    object: { ...summary, ...about },
    text: () => `${title}\n${formatDeployed(summary)}`,
  };
}

/** What a run has reported; nothing where there is no such file. */
export function metricsOf(run: string): MetricsLine[] {
  return existsSync(metricsFile(run)) ? readMetrics(metricsFile(run)) : [];
}

export function resultsOf(metrics: readonly MetricsLine[]): RunResults | undefined {
  const epochs = metrics.flatMap((line) => (line.type === 'epoch' ? [line] : []));
  const last = epochs.at(-1);
  if (last === undefined) return undefined;
  const { epoch, trainLoss, testLoss, testAccuracy } = last;
  const bestAccuracy = epochs.reduce((best, line) => Math.max(best, line.testAccuracy), 0);
  return { epochs: epoch, trainLoss, testLoss, finalAccuracy: testAccuracy, bestAccuracy };
}

function describePreset(name: string, options: InspectionOptions): NetworkDescription {
  return describeChoice({ preset: lookUp(presets, name, 'run or preset').name }, options);
}

function describeChoice(choice: Chosen['choice'], options: InspectionOptions): NetworkDescription {
  const classes = Array.from({ length: options.classes }, (_, i) => String(i));
  return { ...choice, ...networkChoices(options), classes, zeroPoints: [0], step: 1 / 255 };
}

export function networkTitle({ preset, width, bits, codewords }: NetworkDescription): string {
  const selected = codewords === undefined ? '' : `, ${codewords} codewords`;
  return `${preset}${width === undefined ? '' : ` ${width}`} ${bits}${selected}`;
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

/** The table for people; convolutions and dense layers with the batch norms, biases and RPReLUs between them. */
function formatSummary(summary: NetworkSummary): string {
  const { layers } = summary;
  const { header, rows } = layerTable(layers);
  return [formatTable(header, rows), '', ...codewordTable(layers), ...totalsText(summary)].join('\n');
}

export function layerTable(layers: readonly LayerSummary[]): { header: string[]; rows: string[][] } {
  const bits = (layer: LayerSummary): string =>
    layer.macs === 0 ? '' : `${layer.weightBits}-${layer.activationBits}-${layer.gradientBits}`;
  const header = ['layer', 'op', 'output', 'W-A-G', 'parameters', 'bytes', 'MACs', 'bit operations'];
  const rows = layers.map((layer) => [
    layer.name,
    layer.op,
    layer.outputShape.join('x'),
    bits(layer),
    layer.parameters.toLocaleString('en'),
    layer.weightBytes.toLocaleString('en'),
    layer.macs === 0 ? '' : layer.macs.toLocaleString('en'),
    layer.bitOps === 0 ? '' : layer.bitOps.toLocaleString('en'),
  ]);
  return { header, rows };
}

/** Two lines. */
export function totalsText({ totals }: NetworkSummary): string[] {
  const ratio = (totals.float32Bytes / totals.predictedBytes).toFixed(1);
  const floatShare = ((100 * totals.floatMacs) / totals.macs).toFixed(1);
  return [
    `${totals.parameters.toLocaleString('en')} parameters, ${formatBytes(totals.predictedBytes)} packed (${ratio}x smaller than float32: ${formatBytes(totals.float32Bytes)}), ${totals.bitsPerWeight.toFixed(2)} bits per weight`,
    `${(totals.macs / 1e6).toFixed(2)} M multiply-accumulates per image, ${floatShare} % with a float operand; ${(totals.bitOps / 1e6).toFixed(1)} M bit operations`,
  ];
}
