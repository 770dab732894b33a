/** The options that choose a network's bits, the same for every command that builds one. */
import type { Command as Parser } from 'commander';
import { parseBits } from '../nn/bits.js';
import type { NetworkDescription } from '../nn/network.js';
import { activationQuantizers, type Quantizer, type QuantizerRole, weightQuantizers } from '../nn/quantizers/index.js';
import { UsageError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';

export interface NetworkOptions {
  readonly bits: string;
  readonly width?: string;
  readonly bitsOf?: Readonly<Record<string, string>>;
  readonly first?: boolean;
  readonly last?: boolean;
  readonly activation: string;
  readonly weightQuantizer?: string;
  readonly activationQuantizer: string;
  readonly quantizerOf?: NetworkDescription['quantizersOf'];
  readonly shortcutActivation: string;
}

export function addNetworkOptions(parser: Parser): Parser {
  return parser
    .option('--bits <W-A-G>', 'bits of weights, activations and gradients; 32 = float', '32-32-32')
    .option('--width <width>', 'width of the preset, where it has several')
    .option('--bits-of <LAYER=W-A-G>', 'bits of one layer; may be repeated', collectBitsOf)
    .option('--first', 'quantize the first layer too')
    .option('--last', 'quantize the last layer too')
    .option('--activation <h>', 'bounded activation: clip (0..1) or cabs (min(1, |x|))', 'clip')
    .option(
      '--weight-quantizer <name>',
      `what makes levels of weights: ${namesOf(weightQuantizers)}; dorefa by default`,
    )
    .option(
      '--activation-quantizer <name>',
      `what makes levels of activations: ${namesOf(activationQuantizers)}`,
      'dorefa',
    )
    .option(
      '--quantizer-of <LAYER=WEIGHTS[,INPUT]>',
      'quantizers of one layer: of its weights, of what goes in, or of both (LAYER=,INPUT for the latter); may be repeated',
      collectQuantizersOf,
    )
    .option('--shortcut-activation <f>', 'what follows each addition of a shortcut: none or rprelu', 'none');
}

/** "lsq (2 to 8 bits)" */
function namesOf(quantizers: Readonly<Record<string, Quantizer>>): string {
  const bitsOf = ({ bits }: Quantizer): string =>
    bits === undefined ? '' : ` (${[...new Set(bits)].join(' to ')} bit${bits[1] === 1 ? '' : 's'})`;
  return Object.entries(quantizers)
    .map(([name, quantizer]) => `${name}${bitsOf(quantizer)}`)
    .join(', ');
}

function collectQuantizersOf(
  text: string,
  before: NonNullable<NetworkOptions['quantizerOf']> = {},
): NonNullable<NetworkOptions['quantizerOf']> {
  const match = /^([^=]+)=([^,]*)(?:,([^,]*))?$/.exec(text);
  const [, layer = '', weight = '', activation = ''] = match ?? [];
  if (weight === '' && activation === '')
    throw new UsageError(
      `--quantizer-of takes LAYER=WEIGHTS, LAYER=WEIGHTS,INPUT or LAYER=,INPUT, like conv1=lsq,pact, not '${text}'`,
    );
  const own: Partial<Record<QuantizerRole, string>> = {
    ...(weight === '' ? {} : { weight: lookUp(weightQuantizers, weight, `weight quantizer of ${layer}`).name }),
    ...(activation === ''
      ? {}
      : { activation: lookUp(activationQuantizers, activation, `activation quantizer of ${layer}`).name }),
  };
  return { ...before, [layer]: own };
}

function collectBitsOf(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--bits-of takes LAYER=W-A-G, like conv1=2-2-4, not '${text}'`);
  const bits = text.slice(at + 1);
  parseBits(bits);
  return { ...before, [text.slice(0, at)]: bits };
}

/** The part of a description that the options give. */
export function networkChoices(
  options: NetworkOptions,
): Omit<NetworkDescription, 'preset' | 'classes' | 'zeroPoints' | 'step'> {
  parseBits(options.bits);
  const boundedActivation = lookUp({ clip: 'clip', cabs: 'cabs' } as const, options.activation, 'bounded activation');
  const activationQuantizer = lookUp(activationQuantizers, options.activationQuantizer, 'activation quantizer').name;
  const shortcutActivation = lookUp(
    { none: 'none', rprelu: 'rprelu' } as const,
    options.shortcutActivation,
    'shortcut activation',
  );
  return {
    bits: options.bits,
    ...(options.width === undefined ? {} : { width: options.width }),
    ...(options.bitsOf === undefined ? {} : { bitsOf: options.bitsOf }),
    quantizeFirst: options.first ?? false,
    quantizeLast: options.last ?? false,
    boundedActivation,
    ...(options.weightQuantizer === undefined ? {} : { weightQuantizer: options.weightQuantizer }),
    activationQuantizer,
    ...(options.quantizerOf === undefined ? {} : { quantizersOf: options.quantizerOf }),
    shortcutActivation,
  };
}
