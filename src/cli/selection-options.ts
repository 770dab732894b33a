/** The options of sparse kernel selection, the same for every command that trains with a sub-codebook. */
import type { Command as Parser } from 'commander';
import type { NetworkDescription } from '../nn/network.js';
import {
  type SelectionDescription,
  type SelectionMethod,
  type SelectionStart,
  selectionMethods,
  selectionStarts,
} from '../nn/selection.js';
import { numCodewords } from '../ops/codewords.js';
import { defaultRenewals, type RenewalOptions } from '../optim/renewals.js';
import { UsageError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';
import { flagOf, integer, number, share } from './command.js';

export interface SelectionOptions {
  readonly codewords?: number;
  readonly select?: string;
  readonly start?: string;
  readonly temperature?: number;
  readonly sweeps?: number;
  readonly columns?: string;
  readonly noise?: number;
  readonly pull?: number;
  readonly scale?: string;
  readonly share?: string;
  readonly renewEvery?: number;
  readonly renewAfter?: number;
  readonly renewUntil?: number;
  readonly selectionLr?: number;
}

const renewalTimes = ['renewEvery', 'renewAfter', 'renewUntil'] as const;

/** The options that mean something to some methods alone; to `learned` every one of them does. */
const methodOptions: Readonly<Record<SelectionMethod, readonly (keyof SelectionOptions)[]>> = {
  learned: ['temperature', 'sweeps', 'columns', 'noise', 'pull', ...renewalTimes, 'selectionLr'],
  patterns: ['pull', ...renewalTimes, 'selectionLr'],
  nearest: renewalTimes,
  fixed: [],
};

export function addSelectionOptions(parser: Parser): Parser {
  const methods = Object.entries(selectionMethods).map(([name, what]) => `${name} (${what})`);
  const starts = Object.entries(selectionStarts).map(([name, what]) => `${name} (${what})`);
  return parser
    .option(
      '--codewords <n>',
      `sign patterns that the binary 3x3 filters of a layer may have, of ${numCodewords}`,
      integer('--codewords', 1, numCodewords),
    )
    .option('--select <method>', `how codewords are chosen: ${methods.join('; ')} (default: learned)`)
    .option('--start <codewords>', `what selection begins with: ${starts.join('; ')} (default: k-medoids)`)
    .option('--temperature <t>', "of Sinkhorn's plan (default: 0.2)", number('--temperature', 0))
    .option('--sweeps <n>', 'of Sinkhorn (default: 10)', integer('--sweeps', 1))
    .option('--columns <which>', 'positions that are assigned: selected or all, as in the paper (default: selected)')
    .option('--noise <factor>', 'of the Gumbel noise (default: 0)', number('--noise', 0))
    .option(
      '--pull <factor>',
      'of the codebook loss, which draws codewords to their filters (default: 1)',
      number('--pull', 0),
    )
    .option('--scale <what>', 'layer or channel: what shares a scale (default: layer if gradients are quantized)')
    .option('--share <what>', 'layer or stage: what shares a sub-codebook (default: layer)')
    .option(
      '--renew-every <steps>',
      `steps between two selections (default: ${defaultRenewals.every})`,
      integer('--renew-every', 1),
    )
    .option(
      '--renew-after <steps>',
      `steps before the first selection (default: ${defaultRenewals.warmupSteps})`,
      integer('--renew-after', 0),
    )
    .option(
      '--renew-until <share>',
      `share of the training after which the selection is frozen (default: ${defaultRenewals.until})`,
      share('--renew-until'),
    )
    .option(
      '--selection-lr <rate>',
      `learning rate of the selection (default: ${defaultRenewals.learningRate})`,
      number('--selection-lr', 0),
    );
}

/** The part of a network's description that the options give. Throws UsageErrors. */
export function selectionChoices(options: SelectionOptions): Pick<NetworkDescription, 'codewords' | 'selection'> {
  const { codewords, select, start, temperature, sweeps, columns, noise, pull, scale, share } = options;
  if (codewords === undefined) {
    const { renewEvery, renewAfter, renewUntil, selectionLr } = options;
    const of = { select, start, temperature, sweeps, columns, noise, pull, scale, share };
    const given = Object.entries({ ...of, renewEvery, renewAfter, renewUntil, selectionLr }).find(
      ([, value]) => value !== undefined,
    );
    if (given) throw new UsageError(`${flagOf(given[0])} is about the choice of codewords and needs --codewords`);
    return {};
  }
  if (select !== undefined) {
    lookUp(selectionMethods, select, 'selection method');
    const idle = methodOptions.learned.find(
      (name) => options[name] !== undefined && !methodOptions[select as SelectionMethod].includes(name),
    );
    if (idle)
      throw new UsageError(`${flagOf(idle)} means nothing with --select ${select}; leave it out, or select otherwise`);
  }
  if (start !== undefined) lookUp(selectionStarts, start, 'start of a selection');
  const selection: SelectionDescription = {
    ...(select === undefined ? {} : { method: select as SelectionMethod }),
    ...(start === undefined ? {} : { start: start as SelectionStart }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(sweeps === undefined ? {} : { sweeps }),
    ...(columns === undefined
      ? {}
      : { columns: lookUp({ selected: 'selected', all: 'all' } as const, columns, 'value of --columns') }),
    ...(noise === undefined ? {} : { noise }),
    ...(pull === undefined ? {} : { pull }),
    ...(scale === undefined
      ? {}
      : { scale: lookUp({ layer: 'layer', channel: 'channel' } as const, scale, 'value of --scale') }),
    ...(share === undefined
      ? {}
      : { share: lookUp({ layer: 'layer', stage: 'stage' } as const, share, 'value of --share') }),
  };
  return { codewords, selection };
}

/** When the selection is renewed; undefined where nothing is selected in training. */
export function renewalChoices(options: SelectionOptions): RenewalOptions | undefined {
  const { codewords, select = 'learned' } = options;
  if (codewords === undefined || select === 'fixed') return undefined;
  const learns = methodOptions[select as SelectionMethod].includes('selectionLr');
  return {
    every: options.renewEvery ?? defaultRenewals.every,
    warmupSteps: options.renewAfter ?? defaultRenewals.warmupSteps,
    until: options.renewUntil ?? defaultRenewals.until,
    ...(learns && { learningRate: options.selectionLr ?? defaultRenewals.learningRate }),
  };
}
