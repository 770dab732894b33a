/** Reading a data set for a command: notices and progress on standard error. */
import type { Command as Parser } from 'commander';
import { type Dataset, type OpenOptions, openData } from '../data/index.js';
import type { ImageShape } from '../image/shape.js';
import { createProgress, type Output } from './output.js';

export interface DataOptions {
  readonly data?: string;
  readonly strict?: boolean;
}

/** `which` says what the command does with it. */
export function addDataOptions(parser: Parser, which: string): Parser {
  return parser
    .option('--data <name|path>', which)
    .option('--strict', 'refuse data with any damaged record, rather than leave few of them out');
}

/** Options of `openData` that tell what goes on; `stop` when it is done. */
export function reportingTo(output: Output): Pick<OpenOptions, 'onNotice' | 'onProgress'> & { stop(): void } {
  const progress = createProgress();
  let shown = '';
  const stop = (): void => {
    if (shown !== '') progress.stop();
    shown = '';
  };
  return {
    onNotice(line) {
      stop();
      output.note(line);
    },
    onProgress(stage, done, total) {
      if (stage !== shown) {
        stop();
        progress.start(stage, total);
        shown = stage;
      }
      progress.update(done, '');
    },
    stop,
  };
}

/** Reading and resizing a large set takes seconds, so it is announced. */
export async function loadData(
  source: string,
  shape: ImageShape,
  output: Output,
  { strict = false, download = true }: { readonly strict?: boolean | undefined; readonly download?: boolean } = {},
): Promise<Dataset> {
  output.note(`loading ${source}`);
  const reporting = reportingTo(output);
  try {
    return await openData(source, { ...reporting, shape, strict, download });
  } finally {
    reporting.stop();
  }
}
