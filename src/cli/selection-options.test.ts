/** What the options of sparse kernel selection may be given together. */
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addSelectionOptions, type SelectionOptions, selectionChoices } from './selection-options.js';

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
