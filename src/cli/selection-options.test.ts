/** What the options of sparse kernel selection may be given together. */
import { Command } from 'commander';
import { beforeAll, expect, test } from 'vitest';
import { type Dataset, openData } from '../data/index.js';
import { ownTraining } from '../nn/models/preset.js';
import { selectionMethods } from '../nn/selection.js';
import { applyConfig, commandLineOf, configOf } from './config-file.js';
import { addSelectionOptions, renewalChoices, type SelectionOptions, selectionChoices } from './selection-options.js';
import { addTrainingOptions, type TrainingOptions, trainingChoices, trainingConfig } from './training-options.js';

let digits: Dataset;
beforeAll(async () => {
  digits = await openData('digits');
});

const choicesOf = (...args: string[]) =>
  selectionChoices(addSelectionOptions(new Command()).parse(args, { from: 'user' }).opts<SelectionOptions>());

test('a method takes its own options', () => {
  expect(choicesOf('--codewords', '32', '--temperature', '0.1', '--renew-every', '10')).toEqual({
    codewords: 32,
    selection: { temperature: 0.1 },
  });
  const patterns = ['--codewords', '32', '--select', 'patterns', '--pull', '2', '--selection-lr', '0.01'];
  expect(choicesOf(...patterns)).toEqual({ codewords: 32, selection: { method: 'patterns', pull: 2 } });
  expect(choicesOf('--codewords', '8', '--select', 'nearest', '--renew-until', '0.3')).toEqual({
    codewords: 8,
    selection: { method: 'nearest' },
  });
});

/** A command that trains with a sub-codebook, given these words. */
function parse(...words: string[]): Command {
  const command = new Command('train').argument('[preset]').action(() => {});
  return addSelectionOptions(addTrainingOptions(command, { defaults: "the preset's" })).parse(words, { from: 'user' });
}

test.each(Object.keys(selectionMethods))('what a run with --select %s writes down is taken again', (method) => {
  const command = parse('--codewords', '32', '--select', method);
  const options = command.opts<TrainingOptions & SelectionOptions>();
  const renewals = renewalChoices(options);
  const training = trainingConfig({ ...ownTraining, ...(renewals && { renewals }) }, 'digits', digits, options);
  const config = configOf(command, trainingChoices(training));
  const again = parse();
  applyConfig(again, 'config.json', JSON.parse(JSON.stringify(config)) as Record<string, unknown>);
  for (const repeated of [again, parse(...commandLineOf(command, config).split(' ').slice(2))]) {
    expect(selectionChoices(repeated.opts())).toEqual(selectionChoices(options));
    expect(renewalChoices(repeated.opts())).toEqual(renewals);
  }
});

test.each([
  ['nearest', '--temperature', '0.1'],
  ['nearest', '--selection-lr', '0.1'],
  ['patterns', '--sweeps', '5'],
  ['fixed', '--renew-every', '5'],
  ['fixed', '--pull', '0'],
])('--select %s refuses %s', (method, option, value) => {
  expect(() => choicesOf('--codewords', '32', '--select', method, option, value)).toThrow(
    `${option} means nothing with --select ${method}; leave it out, or select otherwise`,
  );
});

test('without --codewords none means anything', () => {
  expect(() => choicesOf('--noise', '1')).toThrow('--noise is about the choice of codewords and needs --codewords');
});
