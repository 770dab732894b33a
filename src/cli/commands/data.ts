/** subbit data: the data sets, which are on this machine, and getting and checking one. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Checked, checkData } from '../../data/check.js';
import { datasetKinds } from '../../data/index.js';
import { findPublished } from '../../data/obtain.js';
import { isTarName, unpackTar } from '../../data/tar.js';
import { UsageError } from '../../util/errors.js';
import type { CliCommand } from '../command.js';
import { reportingTo } from '../load-data.js';
import { createOutput, formatTable } from '../output.js';

export const dataCommand: CliCommand = {
  register(program) {
    const data = program.command('data').description('data sets');
    data
      .command('list')
      .description('the data sets that subbit knows, and which are on this machine')
      .option('--json', 'print one JSON object')
      .action(list);
    data
      .command('prepare')
      .description('find or download a data set, unpack it and check every record; exits 0 only when it is whole')
      .argument('<name|path>', 'a name of the list, a folder, a file, or an archive (.tar, .tar.gz)')
      .option('--out <dir>', 'folder of data sets to look in and download to, or to unpack the archive in')
      .option('--json', 'print one JSON object')
      .action(prepare);
  },
};

async function list(options: { json?: boolean }): Promise<void> {
  const kinds = await datasetKinds();
  const datasets = kinds.flatMap(({ published, ...kind }) => {
    if (published === undefined) return [];
    const { numClasses: classes, shape, splits, source } = published;
    const present = findPublished({ ...kind, published }) !== undefined;
    return [
      {
        ...{ name: kind.name, description: kind.description, classes, shape, splits, present, source },
        options: kind.options ?? {},
      },
    ];
  });
  const forms = kinds.flatMap(({ published, name, description, files, options: choices = {} }) =>
    published === undefined ? [{ name, description, files, options: choices }] : [],
  );
  createOutput(options.json ?? false).result({ datasets, forms }, () => {
    const table = formatTable(
      ['name', 'classes', 'shape', 'train', 'test', 'here', '  description'],
      datasets.map(({ name, classes, shape, splits, present, description }) => [
        name,
        String(classes),
        shape.join('x'),
        String(splits.train),
        String(splits.test),
        present ? 'yes' : 'no',
        `  ${description}`,
      ]),
    );
    const others = forms.map(({ description, files }) => `  ${description}: ${files}`);
    // Kinds share options, and say the same about them.
    const names = new Map<string, string[]>();
    for (const { name, options: of } of [...datasets, ...forms]) {
      for (const [option, what] of Object.entries(of)) {
        const line = `${option}: ${what}`;
        names.set(line, [...(names.get(line) ?? []), name]);
      }
    }
    const choices = [...names].map(([line, of]) => `  ${line} (${of.join(', ')})`);
    return [table, '', 'and by their path:', ...others, '', 'options, after a colon:', ...choices].join('\n');
  });
}

async function prepare(source: string, options: { out?: string; json?: boolean }): Promise<void> {
  const output = createOutput(options.json ?? false);
  const reporting = reportingTo(output);
  let checked: Checked;
  try {
    const path = await unpacked(source, options.out, reporting);
    checked = await checkData(path, { ...reporting, ...(options.out === undefined ? {} : { place: options.out }) });
  } finally {
    reporting.stop();
  }
  const { name, path, classes, splits, problems } = checked;
  output.result({ ...checked, isWhole: problems.length === 0 }, () =>
    [
      `${name} in '${path}': ${classes} classes, ${splits.train} training and ${splits.test} test images`,
      ...problems,
      problems.length === 0 ? `whole; use it with --data ${checked.source}` : 'NOT whole',
    ].join('\n'),
  );
  if (problems.length > 0) process.exitCode = 1;
}

/** Room for what an archive of pictures, which do not compress, may hold. */
const mostUnpackedBytes = 2 ** 36;

/** The source itself, or the folder that an archive was unpacked to. */
async function unpacked(
  source: string,
  out: string | undefined,
  { onNotice, onProgress }: ReturnType<typeof reportingTo>,
): Promise<string> {
  if (!isTarName(source)) return source;
  if (!existsSync(source)) throw new UsageError(`there is no archive '${source}'`);
  const folder = out ?? join(dirname(source), basename(source).replace(/\.(tar|tar\.gz|tgz)$/i, ''));
  onNotice?.(`unpacking '${source}' to '${folder}'`);
  const top = await unpackTar(source, folder, { mostBytes: mostUnpackedBytes, onProgress });
  return top.length === 1 ? join(folder, top[0]!) : folder;
}
