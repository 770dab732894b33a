/** subbit import FILE: another tool's network as a deployed one. */
import { existsSync, readFileSync } from 'node:fs';
import { createReference } from '../../backends/reference.js';
import { deployGraph } from '../../deploy/index.js';
import { checked, encodeSubbit, filterForms, predictBytes } from '../../formats/subbit.js';
import { importOnnx } from '../../onnx/import/index.js';
import { verificationCount, withVerification } from '../../runtime/verification.js';
import { writeFileAtomic } from '../../util/atomic-file.js';
import { UsageError } from '../../util/errors.js';
import type { CliCommand } from '../command.js';
import { addImageNumberOptions, type ImageNumberOptions, imageNumbers, readOnnx } from '../onnx-file.js';
import { createOutput, formatBytes } from '../output.js';
import { formatRounding } from '../roundings.js';

interface ImportCommandOptions extends ImageNumberOptions {
  readonly out: string;
  readonly classes?: string;
  readonly json?: boolean;
}

export const importCommand: CliCommand = {
  register(program) {
    const parser = program
      .command('import')
      .description(
        "another tool's image classifier as a .subbit file: ONNX with QuantizeLinear and DequantizeLinear, or QONNX",
      )
      .argument('<file>', 'an .onnx file')
      .requiredOption('--out <file>', 'the .subbit file to write')
      .option('--classes <file>', 'names of the classes, one per line')
      .option('--json', 'print one JSON object');
    addImageNumberOptions(parser).action(importModel);
  },
};

async function importModel(file: string, options: ImportCommandOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  const model = readOnnx(file);
  const { graph, classes: found } = importOnnx(model, imageNumbers(options));
  const classes = options.classes === undefined ? found : namesIn(options.classes, found.length);
  const { network, roundings } = deployGraph(graph, new Map(), { classes, origin: { model: model.name || file } });
  const [form] = filterForms;
  const verified = await withVerification(network, createReference(), {
    count: verificationCount(checked(network).macs),
  });
  const bytes = encodeSubbit(verified, form);
  writeFileAtomic(options.out, bytes);
  const result = {
    file: options.out,
    format: 'subbit',
    fileBytes: bytes.length,
    predictedBytes: predictBytes(verified, form),
    roundings,
  };
  output.result(result, () =>
    [
      ...roundings.map(formatRounding),
      `${options.out}: ${formatBytes(bytes.length)}, ${classes.length} classes; check it with: subbit verify ${options.out}`,
    ].join('\n'),
  );
}

function namesIn(file: string, count: number): readonly string[] {
  if (!existsSync(file))
    throw new UsageError(`there is no file '${file}' for --classes; give one with a name per line`);
  const names = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (names.length !== count)
    throw new UsageError(`'${file}' names ${names.length} classes, and the model has ${count}`);
  return names;
}
