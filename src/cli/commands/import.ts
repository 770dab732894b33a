/** subbit import FILE: another tool's network as a deployed one. */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, relative, resolve, sep } from 'node:path';
import { createReference } from '../../backends/reference.js';
import { deployGraph } from '../../deploy/index.js';
import { decodeOnnx } from '../../formats/onnx-reader.js';
import { checked, encodeSubbit, filterForms, predictBytes } from '../../formats/subbit.js';
import { importOnnx } from '../../onnx/import/index.js';
import { verificationCount, withVerification } from '../../runtime/verification.js';
import { writeFileAtomic } from '../../util/atomic-file.js';
import { FormatError, UsageError } from '../../util/errors.js';
import { type CliCommand, number } from '../command.js';
import { createOutput, formatBytes } from '../output.js';
import { formatRounding } from '../roundings.js';

interface ImportOptions {
  readonly out: string;
  readonly step: number;
  readonly zero: readonly number[];
  readonly classes?: string;
  readonly json?: boolean;
}

export const importCommand: CliCommand = {
  register(program) {
    program
      .command('import')
      .description(
        "another tool's image classifier as a .subbit file: ONNX with QuantizeLinear and DequantizeLinear, or QONNX",
      )
      .argument('<file>', 'an .onnx file')
      .requiredOption('--out <file>', 'the .subbit file to write')
      .option(
        '--step <real>',
        'what a byte of the image is for a model that takes real numbers: (byte - zero) * step',
        number('--step', 0),
        1 / 255,
      )
      .option('--zero <byte,...>', 'the byte that is 0, one or one per channel', zeroPoints, [0])
      .option('--classes <file>', 'names of the classes, one per line')
      .option('--json', 'print one JSON object')
      .action(importModel);
  },
};

function zeroPoints(text: string): readonly number[] {
  const points = text.split(',').map(Number);
  if (points.some((point) => !(point >= 0 && point <= 255)))
    throw new UsageError(`--zero takes numbers in 0..255, like 124,116,104, not '${text}'`);
  return points;
}

async function importModel(file: string, options: ImportOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  if (!existsSync(file) || !statSync(file).isFile()) throw new UsageError(`there is no file '${file}'`);
  const model = decodeOnnx(readFileSync(file), { name: file, readExternal: (location) => readBeside(file, location) });
  const { graph, classes: found } = importOnnx(model, { step: options.step, zeroPoints: options.zero });
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

/** The contents of a file in the model's folder. Models may come from anywhere, so nothing else is opened for them. */
function readBeside(file: string, location: string): Uint8Array {
  const folder = realpathSync(dirname(file));
  const path = resolve(folder, location);
  const inside = existsSync(path) ? relative(folder, realpathSync(path)) : relative(folder, path);
  if (inside.startsWith(`..${sep}`) || inside === '..' || resolve(inside) === inside)
    throw new FormatError(`'${file}' cannot be read: it wants data from '${location}', outside of its folder`);
  if (!existsSync(path) || !statSync(path).isFile())
    throw new FormatError(`'${file}' cannot be read: the file '${location}' with its data is missing`);
  return readFileSync(path);
}

function namesIn(file: string, count: number): readonly string[] {
  const names = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (names.length !== count)
    throw new UsageError(`'${file}' names ${names.length} classes, and the model has ${count}`);
  return names;
}
