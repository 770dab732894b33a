/** subbit predict MODEL IMAGE...: the classes of pictures. */

import { openPictureReader } from '../../data/picture-reader.js';
import type { Classification } from '../../runtime/model.js';
import { openModel } from '../../runtime/open-model.js';
import { addBackendOptions, type BackendOptions, type CliCommand, integer } from '../command.js';
import { readModel } from '../models.js';
import { createOutput } from '../output.js';

interface PredictOptions extends BackendOptions {
  readonly top: number;
  readonly json?: boolean;
}

export const predictCommand: CliCommand = {
  register(program) {
    const parser = program
      .command('predict')
      .description('the classes of pictures (needs the optional package sharp)')
      .argument('<model>', 'a .subbit file')
      .argument('<image...>', 'pictures of any size: PNG, JPEG, WebP, ...; transparency is seen on white')
      .option('--top <n>', 'how many classes to show', integer('--top', 1), 5)
      .option('--json', 'print one JSON object');
    addBackendOptions(parser).action(predict);
  },
};

async function predict(path: string, files: readonly string[], options: PredictOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  const decoded = readModel(path);
  const read = await openPictureReader();
  const model = await openModel(decoded, { ...options, onNotice: output.note });
  const predictions: (Classification & { readonly file: string })[] = [];
  try {
    for (const file of files) {
      const picture = await read(file);
      const [found] = model.classify(model.prepare(picture.data, picture), { top: options.top });
      predictions.push({ file, ...found! });
    }
  } finally {
    model.dispose();
  }
  const percent = (probability: number): string => `${(100 * probability).toFixed(1)} %`;
  output.result({ predictions }, () =>
    predictions
      .map(({ file, top }) => `${file}: ${top.map((each) => `${each.class} ${percent(each.probability)}`).join(', ')}`)
      .join('\n'),
  );
}
