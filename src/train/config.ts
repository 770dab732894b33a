/** What a run is: its network and its training, as plain JSON that is kept in `run.json` and in every checkpoint. */
import { isObject, show } from '../formats/safetensors.js';
import type { Augmentation } from '../image/augmentation.js';
import type { NetworkDescription } from '../nn/network.js';
import type { OptimizerOptions } from '../optim/optimizers.js';
import type { RenewalOptions } from '../optim/renewals.js';
import type { ScheduleOptions } from '../optim/schedules.js';
import { FormatError } from '../util/errors.js';
import type { Compute } from './compute.js';

export interface TrainingConfig {
  /** Name or path with options, as `openData` takes it. */
  readonly data: string;
  readonly epochs: number;
  /** Images per step. */
  readonly batch: number;
  readonly optimizer: OptimizerOptions;
  readonly schedule: ScheduleOptions;
  /** L2 coefficient of the filters. */
  readonly weightDecay: number;
  /** By what a layer's name begins with, in place of `weightDecay`; the longest that fits counts. */
  readonly decayOf?: Readonly<Record<string, number>>;
  /** Share of the uniform distribution in the targets (Szegedy et al. 2016). @default 0 */
  readonly labelSmoothing?: number;
  /** A trained run whose probabilities are part of the target (distillation.ts). @default none */
  readonly distillation?: {
    /** Its folder. */
    readonly teacher: string;
    /** Its step when the run began: the same teacher teaches to the end. Runs from before it was kept do not say. */
    readonly teacherStep?: number;
    readonly weight: number;
  };
  /** When codewords are chosen anew. @default never */
  readonly renewals?: RenewalOptions;
  readonly augmentation: Augmentation;
  /** A run keeps what it began with. Runs from before there was a choice are simulated. @default defaultCompute of the backend */
  readonly compute?: Compute;
  /** Of initialisation, order, augmentation, noise and dropout. */
  readonly seed: number;
}

export interface RunDescription {
  readonly network: NetworkDescription;
  readonly training: TrainingConfig;
}

/** A training as runs state it that began when one prefix, `decayed`, said which filters decay at all. */
type EarlierTraining = TrainingConfig & { readonly decayed?: string };

interface Rule {
  readonly says: string;
  readonly holds: (value: unknown) => boolean;
}

const isText = (value: unknown): boolean => typeof value === 'string';
const listOf = (what: string, holds: Rule['holds']): Rule => ({
  says: `a list of ${what}`,
  holds: (value) => Array.isArray(value) && value.every(holds),
});
const integerFrom = (least: number): Rule => ({
  says: `an integer >= ${least}`,
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= least,
});
const text: Rule = { says: 'a text', holds: isText };
const object: Rule = { says: 'an object', holds: isObject };

/** What descriptions of all versions have; what else there is belongs to those who read it. */
const requiredKeys: Readonly<Record<keyof RunDescription, Readonly<Record<string, Rule>>>> = {
  network: {
    preset: text,
    bits: text,
    classes: listOf('texts', isText),
    zeroPoints: listOf('numbers', Number.isFinite),
    step: { says: 'a number > 0', holds: (value) => Number.isFinite(value) && (value as number) > 0 },
  },
  training: {
    data: text,
    epochs: integerFrom(1),
    batch: integerFrom(1),
    optimizer: object,
    schedule: object,
    augmentation: object,
    seed: integerFrom(0),
  },
};

function requireDescription(saved: unknown, from: string): asserts saved is RunDescription {
  const check = (place: string, value: unknown, { says, holds }: Rule): void => {
    if (!holds(value)) throw new FormatError(`${from} is damaged: its ${place} is ${show(value)}, not ${says}`);
  };
  check('description', saved, object);
  for (const [part, rules] of Object.entries(requiredKeys)) {
    const found = (saved as Record<string, unknown>)[part];
    check(part, found, object);
    for (const [key, rule] of Object.entries(rules))
      check(`${part}.${key}`, (found as Record<string, unknown>)[key], rule);
  }
}

/**
 * The description of a saved run, which may be an earlier version's, as this one states it. `from` says in messages where it stood.
 * Throws a FormatError for what is no description.
 */
export function currentDescription(saved: unknown, from = 'the saved run'): RunDescription {
  requireDescription(saved, from);
  const { network, training } = saved;
  const { decayed, ...rest } = training as EarlierTraining;
  if (decayed === undefined) return { network, training };
  return { network, training: { ...rest, weightDecay: 0, decayOf: { [decayed]: rest.weightDecay } } };
}
