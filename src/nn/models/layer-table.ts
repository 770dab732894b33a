/** What a network in JSON may be made of: each layer's options with their rules. A new layer is a line below. */
import {
  activation,
  averagePool,
  batchNorm,
  clip,
  conv,
  dense,
  dropout,
  flatten,
  globalAverage,
  maxPool,
  normalize,
  prelu,
  relu,
  rprelu,
  stridedShortcut,
} from '../layers/index.js';
import type { Layer } from '../scope.js';

export interface OptionRule {
  /** "must be ..." */
  readonly says: string;
  holds(value: unknown): boolean;
  /** @default false */
  readonly isRequired?: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: the rules have checked the options; each layer states their types.
type Checked = any;

export interface LayerKind {
  /** Whether the layer has a name; the name goes to `build`. */
  readonly isNamed: boolean;
  /** Whether it has weights, whose bits may be chosen by its name. */
  readonly hasWeights?: boolean;
  readonly options: Readonly<Record<string, OptionRule>>;
  build(name: string, options: Checked, classes: number): Layer;
}

const integerIn = (low: number, high: number): OptionRule => ({
  says: `an integer in ${low}..${high}`,
  holds: (value) => Number.isInteger(value) && (value as number) >= low && (value as number) <= high,
});

const numberIn = (low: number, high: number): OptionRule => ({
  says: `a number of at least ${low} and below ${high}`,
  holds: (value) => typeof value === 'number' && value >= low && value < high,
});

const required = (rule: OptionRule): OptionRule => ({ ...rule, isRequired: true });

const flag: OptionRule = { says: 'true or false', holds: (value) => typeof value === 'boolean' };
const channels = integerIn(1, 65536);
const stride = integerIn(1, 64);

const padding: OptionRule = {
  says: "'same', 'valid' or an integer in 0..64",
  holds: (value) => value === 'same' || value === 'valid' || integerIn(0, 64).holds(value),
};

const outputs: OptionRule = {
  says: "'classes' or an integer in 1..65536",
  holds: (value) => value === 'classes' || channels.holds(value),
};

const isName = (value: unknown): boolean => typeof value === 'string' && value.length > 0;
const next: OptionRule = {
  says: 'the name of a layer with weights, or a list of them',
  holds: (value) => isName(value) || (Array.isArray(value) && value.length > 0 && value.every(isName)),
};

const perChannel: OptionRule = {
  says: 'a list of one finite number per channel',
  holds: (value) =>
    Array.isArray(value) && value.length >= 1 && value.length <= 65536 && value.every((each) => Number.isFinite(each)),
};

/** The index of a maximum is one byte, so windows of maxima are at most 15 wide. */
const maxPoolOptions = { size: required(integerIn(1, 15)), stride, padding };
const averagePoolOptions = { size: required(integerIn(1, 255)), stride, padding };

const convOptions = {
  channels: required(channels),
  size: integerIn(1, 255),
  stride,
  dilation: integerIn(1, 64),
  groups: channels,
  padding,
  bias: flag,
};

const named = (options: LayerKind['options'], build: LayerKind['build']): LayerKind => ({
  ...{ isNamed: true, options, build },
});

export const layerKinds: Readonly<Record<string, LayerKind>> = {
  conv: { ...named(convOptions, conv), hasWeights: true },
  dense: {
    ...named({ outputs: required(outputs), bias: flag }, (name, options, classes) =>
      dense(name, { ...options, outputs: options.outputs === 'classes' ? classes : options.outputs }),
    ),
    hasWeights: true,
  },
  activation: {
    isNamed: false,
    options: { next: required(next), bounded: flag },
    build: (_, { next, ...options }) => activation(next, options),
  },
  batchNorm: named({ epsilon: numberIn(0, 1), kept: numberIn(0, 1) }, batchNorm),
  maxPool: named(maxPoolOptions, maxPool),
  averagePool: named(averagePoolOptions, averagePool),
  globalAverage: named({}, globalAverage),
  normalize: named({ steps: required(perChannel), offsets: required(perChannel) }, normalize),
  relu: named({}, relu),
  clip: named({}, clip),
  prelu: named({}, prelu),
  rprelu: named({}, rprelu),
  dropout: named({ rate: required(numberIn(0, 1)) }, dropout),
  stridedShortcut: named({ stride: required(stride), channels: required(channels) }, stridedShortcut),
  flatten: { isNamed: false, options: {}, build: flatten },
};
