/** subbit export RUN: a trained network as a file for other use. */
import { createReference } from '../../backends/reference.js';
import { deployCheckpoint, type Rounding } from '../../deploy/index.js';
import { encodeSafetensors } from '../../formats/safetensors.js';
import {
  checked,
  type DeployedNetwork,
  encodeSubbit,
  type FilterForm,
  filterForms,
  predictBytes,
} from '../../formats/subbit.js';
import { buildGraph, openNetwork } from '../../nn/network.js';
import { onnxDialects, onnxOfCheckpoint, opsets } from '../../onnx/index.js';
import { verificationCount, withVerification } from '../../runtime/verification.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import { namingsOut, toForeign } from '../../train/naming/index.js';
import { writeFileAtomic } from '../../util/atomic-file.js';
import { lookUp } from '../../util/nearest.js';
import { type CliCommand, integer } from '../command.js';
import { createOutput, formatBytes } from '../output.js';
import { formatRounding } from '../roundings.js';
import { descriptionOf, openCheckpoint } from '../runs.js';

interface ExportOptions {
  readonly format: string;
  readonly out: string;
  readonly checkpoint: string;
  readonly filters: string;
  readonly opset: number;
  readonly names?: string;
  readonly json?: boolean;
}

interface ExportedFile {
  readonly bytes: Uint8Array;
  /** From the table of layers, without serialising. */
  readonly predictedBytes?: number;
  /** What is not exactly as it was trained. */
  readonly roundings: readonly Rounding[];
  /** What to do with the file. */
  readonly next: (file: string) => string;
}

interface Format {
  readonly description: string;
  write(checkpoint: Checkpoint, options: ExportOptions): Promise<ExportedFile>;
}

/** The list of formats: a new one is a line here. */
export const formats: Readonly<Record<string, Format>> = {
  subbit: { description: 'packed, integer from the first bytes to the last', write: exportSubbit },
  onnx: onnxFormat('onnx'),
  qonnx: onnxFormat('qonnx'),
  safetensors: { description: 'the trained parameters as they are, by name', write: exportWeights },
};

export const exportCommand: CliCommand = {
  register(program) {
    program
      .command('export')
      .description(
        `write a trained network as a file: ${Object.entries(formats)
          .map(([name, { description }]) => `${name} = ${description}`)
          .join('; ')}`,
      )
      .argument('<run>', 'folder of a run')
      .requiredOption('--format <format>', Object.keys(formats).join(', '))
      .requiredOption('--out <file>', 'the file to write')
      .option('--checkpoint <which>', 'last, best or a file', 'last')
      .option('--filters <form>', `how binary 3x3 filters may be stored: ${filterForms.join(', ')}`, filterForms[0])
      .option(
        '--opset <n>',
        `of ONNX: ${opsets.join(', ')}; the newest have smaller types`,
        integer('--opset', 1),
        opsets[0],
      )
      .option('--names <naming>', `of safetensors: ${Object.keys(namingsOut).join(', ')}; subbit's own by default`)
      .option('--json', 'print one JSON object')
      .action(exportRun);
  },
};

async function exportRun(run: string, options: ExportOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  const format = lookUp(formats, options.format, 'format');
  const checkpoint = openCheckpoint(run, options.checkpoint, output.note);
  const { bytes, predictedBytes = bytes.length, roundings, next } = await format.write(checkpoint, options);
  writeFileAtomic(options.out, bytes);
  const result = { file: options.out, format: options.format, fileBytes: bytes.length, predictedBytes, roundings };
  output.result(result, () =>
    [...roundings.map(formatRounding), `${options.out}: ${formatBytes(bytes.length)}; ${next(options.out)}`].join('\n'),
  );
}

async function exportSubbit(checkpoint: Checkpoint, options: ExportOptions): Promise<ExportedFile> {
  const forms = Object.fromEntries(filterForms.map((form): [string, FilterForm] => [form, form]));
  const filters = lookUp(forms, options.filters, 'form of filters');
  const description = descriptionOf(checkpoint);
  const definition = await openNetwork(description.network);
  const { network, roundings } = deployCheckpoint(checkpoint, { network: definition });
  const count = verificationCount(checked(network).macs);
  const { data } = description.training;
  const named: DeployedNetwork = { ...network, origin: { ...network.origin, data } };
  const verified = await withVerification(named, createReference(), { count });
  return {
    bytes: encodeSubbit(verified, filters),
    predictedBytes: predictBytes(verified, filters),
    roundings,
    next: (file) => `check it with: subbit verify ${file}`,
  };
}

function onnxFormat(dialect: keyof typeof onnxDialects): Format {
  return {
    description: onnxDialects[dialect](opsets[0]!).description,
    async write(checkpoint, { opset }) {
      lookUp(Object.fromEntries(opsets.map((each) => [each, each])), String(opset), 'opset');
      const bytes = onnxOfCheckpoint(checkpoint, {
        dialect,
        opset,
        network: await openNetwork(descriptionOf(checkpoint).network),
      });
      return { bytes, roundings: [], next: () => 'its input is bytes [N, H, W, C], its output logits' };
    },
  };
}

async function exportWeights(checkpoint: Checkpoint, { names }: ExportOptions): Promise<ExportedFile> {
  const naming = names === undefined ? undefined : lookUp(namingsOut, names, 'naming');
  const { network } = descriptionOf(checkpoint);
  const { graph } = buildGraph(await openNetwork(network), { batch: 1, training: false, seed: 0 });
  const own = Object.fromEntries([...graph.variables.keys()].map((name) => [name, checkpoint.tensors[name]!]));
  const tensors = naming === undefined ? own : toForeign(naming, own, graph, network.preset);
  return {
    bytes: encodeSafetensors(tensors, { network: JSON.stringify(network) }),
    roundings: [],
    next: (file) => `start from it with: subbit train ${network.preset} --init ${file}`,
  };
}
