/** subbit export RUN: a trained network as a file for other use. */
import { createReference } from '../../backends/reference.js';
import { deployCheckpoint, type Rounding } from '../../deploy/index.js';
import {
  checked,
  type DeployedNetwork,
  encodeSubbit,
  type FilterForm,
  filterForms,
  predictBytes,
} from '../../formats/subbit.js';
import { openNetwork } from '../../nn/network.js';
import { withVerification } from '../../runtime/verification.js';
import type { Checkpoint } from '../../train/checkpoint.js';
import { writeFileAtomic } from '../../util/atomic-file.js';
import { lookUp } from '../../util/nearest.js';
import type { CliCommand } from '../command.js';
import { createOutput, formatBytes } from '../output.js';
import { descriptionOf, openCheckpoint } from '../runs.js';

interface ExportOptions {
  readonly format: string;
  readonly out: string;
  readonly checkpoint: string;
  readonly filters: string;
  readonly json?: boolean;
}

interface ExportedFile {
  readonly bytes: Uint8Array;
  /** From the table of layers, without serialising. */
  readonly predictedBytes: number;
  /** What is not exactly as it was trained. */
  readonly roundings: readonly Rounding[];
}

/** The list of formats: a new one is a line here. */
const formats = {
  subbit: exportSubbit,
} as const satisfies Record<string, (checkpoint: Checkpoint, filters: FilterForm) => Promise<ExportedFile>>;

export const exportCommand: CliCommand = {
  register(program) {
    program
      .command('export')
      .description('write a trained network as a file: subbit = packed, integer from the first bytes to the last')
      .argument('<run>', 'folder of a run')
      .requiredOption('--format <format>', Object.keys(formats).join(', '))
      .requiredOption('--out <file>', 'the file to write')
      .option('--checkpoint <which>', 'last, best or a file', 'last')
      .option('--filters <form>', `how binary 3x3 filters may be stored: ${filterForms.join(', ')}`, filterForms[0])
      .option('--json', 'print one JSON object')
      .action(exportRun);
  },
};

async function exportRun(run: string, options: ExportOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  const write = lookUp(formats, options.format, 'format');
  const filters = lookUp(
    Object.fromEntries(filterForms.map((form) => [form, form])),
    options.filters,
    'form of filters',
  );
  const { bytes, predictedBytes, roundings } = await write(
    openCheckpoint(run, options.checkpoint, output.note),
    filters,
  );
  writeFileAtomic(options.out, bytes);
  const result = { file: options.out, format: options.format, fileBytes: bytes.length, predictedBytes, roundings };
  output.result(result, () =>
    [
      ...roundings.map(formatRounding),
      `${options.out}: ${formatBytes(bytes.length)}; check it with: subbit verify ${options.out}`,
    ].join('\n'),
  );
}

function formatRounding({ layer, what, relativeError }: Rounding): string {
  const error = relativeError === undefined ? '' : ` (relative error ${relativeError.toExponential(1)})`;
  return `${layer}: rounded ${what}${error}`;
}

/** Above this many multiply-accumulates one verification image must do: the reference is slow. */
const manyMacs = 5e8;

async function exportSubbit(checkpoint: Checkpoint, filters: FilterForm): Promise<ExportedFile> {
  const description = descriptionOf(checkpoint);
  const definition = await openNetwork(description.network);
  const { network, roundings } = deployCheckpoint(checkpoint, { network: definition });
  const count = checked(network).macs > manyMacs ? 1 : 4;
  const { data } = description.training;
  const named: DeployedNetwork = { ...network, origin: { ...network.origin, data } };
  const verified = withVerification(named, createReference(), { count });
  return { bytes: encodeSubbit(verified, filters), predictedBytes: predictBytes(verified, filters), roundings };
}
