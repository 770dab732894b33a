/** train --from MODEL.onnx: a float network that another tool trained, in the place of a preset and of its first parameters. */
import { basename, extname } from 'node:path';
import type { Command as Parser } from 'commander';
import { openBackend } from '../backends/index.js';
import type { Dataset } from '../data/index.js';
import { defineNetwork } from '../nn/network.js';
import { type TrainableNetwork, trainableOnnx, withStatistics } from '../onnx/trainable/index.js';
import { UsageError } from '../util/errors.js';
import type { BackendOptions } from './command.js';
import type { Chosen } from './model-option.js';
import { addImageNumberOptions, type ImageNumberOptions, imageNumbers, readOnnx } from './onnx-file.js';
import type { Weights } from './runs.js';

export interface FromOption extends ImageNumberOptions {
  readonly from?: string;
}

/** What a training starts from that takes everything from a model. */
export interface OpenedModel extends Chosen {
  readonly network: TrainableNetwork;
}

export function addFromOption(parser: Parser): Parser {
  return addImageNumberOptions(
    parser.option(
      '--from <file>',
      'fine-tune a float network from another tool: an .onnx file in the place of a preset, whose weights are the start',
    ),
  );
}

/** Throws a UsageError when something else says the network or its weights, too; a SubbitError for what cannot be trained. */
export function openFrom(file: string, others: readonly (string | undefined)[], options: FromOption): OpenedModel {
  const other = others.find((each) => each !== undefined);
  if (other !== undefined)
    throw new UsageError(`--from ${file} gives the network and its weights; leave out '${other}'`);
  const name = basename(file, extname(file)).replace(/[^\w.-]/g, '-');
  const network = trainableOnnx(name, readOnnx(file), imageNumbers(options));
  return { preset: network.preset, choice: { preset: name, model: { json: network.json } }, network };
}

/** The model's weights, with statistics from the data where it has none. */
export async function weightsFrom(
  { network, choice }: OpenedModel,
  data: Dataset,
  { note, ...options }: BackendOptions & { readonly note: (line: string) => void },
): Promise<Weights> {
  const { tensors, unmeasured, unbounded, classes, zeroPoints, step } = network;
  if (unbounded.length > 0)
    note(`${unbounded.join(', ')}: no Relu in front, so what goes in stays real and only the weights have few bits`);
  if (unmeasured.length === 0) return { tensors, classes };
  note(`${unmeasured.length} batch norms of biases get their statistics from the data`);
  const labels = Array.from({ length: classes }, (_, i) => String(i));
  const float = defineNetwork({ ...choice, bits: '32-32-32', classes: labels, zeroPoints, step });
  const backend = await openBackend(options);
  try {
    const { images } = data.train;
    return { tensors: await withStatistics(backend, float, { tensors, names: unmeasured, images }), classes };
  } finally {
    backend.dispose();
  }
}
