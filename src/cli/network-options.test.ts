/** Quantizers on the command line: by role, and by layer. */
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addNetworkOptions, type NetworkOptions, networkChoices } from './network-options.js';

const choicesOf = (...args: string[]) =>
  networkChoices(addNetworkOptions(new Command()).parse(args, { from: 'user' }).opts<NetworkOptions>());

test('quantizers of the network and of layers', () => {
  const args = ['--bits', '2-2-4', '--weight-quantizer', 'lsq', '--activation-quantizer', 'pact'];
  const layers = ['conv1=ternary', 'conv2=,lsq', 'stage1/conv=dorefa,dorefa'].flatMap((each) => [
    '--quantizer-of',
    each,
  ]);
  expect(choicesOf(...args, ...layers)).toMatchObject({
    ...{ weightQuantizer: 'lsq', activationQuantizer: 'pact' },
    quantizersOf: {
      conv1: { weight: 'ternary' },
      conv2: { activation: 'lsq' },
      'stage1/conv': { weight: 'dorefa', activation: 'dorefa' },
    },
  });
});

test('what is not chosen is left to the network', () => {
  const choices = choicesOf('--bits', '1-2-4');
  expect(choices).not.toHaveProperty('weightQuantizer');
  expect(choices).not.toHaveProperty('quantizersOf');
});
