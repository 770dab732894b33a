/** subbit data list: the data sets, and which are on this machine. */
import { datasetKinds } from '../../data/index.js';
import type { CliCommand } from '../command.js';
import { createOutput, formatTable } from '../output.js';

export const dataCommand: CliCommand = {
  register(program) {
    const data = program.command('data').description('data sets');
    data
      .command('list')
      .description('the data sets that subbit knows, and which are on this machine')
      .option('--json', 'print one JSON object')
      .action(async (options: { json?: boolean }) => {
        const datasets = (await datasetKinds()).map((kind) => ({
          name: kind.name,
          description: kind.description,
          classes: kind.classes.length,
          shape: kind.shape,
          splits: kind.splits,
          present: kind.find() !== undefined,
          source: kind.source,
        }));
        createOutput(options.json ?? false).result({ datasets }, () =>
          formatTable(
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
          ),
        );
      });
  },
};
