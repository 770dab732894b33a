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
  readonly quantizerOf?: Readonly<Record<string, string>>;
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

function collectQuantizersOf(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  const layer = text.slice(0, at);
  if (at < 1 || quantizersIn(layer, text.slice(at + 1)) === undefined)
    throw new UsageError(
      `--quantizer-of takes LAYER=WEIGHTS, LAYER=WEIGHTS,INPUT or LAYER=,INPUT, like conv1=lsq,pact, not '${text}'`,
    );
  return { ...before, [layer]: text.slice(at + 1) };
}

/** Of "WEIGHTS,INPUT"; undefined for what is not written so. */
function quantizersIn(layer: string, text: string): Partial<Record<QuantizerRole, string>> | undefined {
  const [weight = '', activation = '', ...more] = text.split(',');
  if (more.length > 0 || (weight === '' && activation === '')) return undefined;
  return {
    ...(weight === '' ? {} : { weight: lookUp(weightQuantizers, weight, `weight quantizer of ${layer}`).name }),
    ...(activation === ''
      ? {}
      : { activation: lookUp(activationQuantizers, activation, `activation quantizer of ${layer}`).name }),
  };
}

function quantizersOf(texts: Readonly<Record<string, string>>): NonNullable<NetworkDescription['quantizersOf']> {
  return Object.fromEntries(Object.entries(texts).map(([layer, text]) => [layer, quantizersIn(layer, text)!]));
}

function collectBitsOf(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--bits-of takes LAYER=W-A-G, like conv1=2-2-4, not '${text}'`);
  const bits = text.slice(at + 1);
  try {
    parseBits(bits);
  } catch (error) {
    throw new UsageError(`--bits-of ${text}: ${(error as Error).message}`, { cause: error });
  }
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
    ...(options.quantizerOf === undefined ? {} : { quantizersOf: quantizersOf(options.quantizerOf) }),
    shortcutActivation,
  };
}
