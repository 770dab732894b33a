/** What a run is: its network and its training, as plain JSON that is kept in `run.json` and in every checkpoint. */
import type { Augmentation } from '../image/augmentation.js';
import type { NetworkDescription } from '../nn/network.js';
import type { OptimizerOptions } from '../optim/optimizers.js';
import type { RenewalOptions } from '../optim/renewals.js';
import type { ScheduleOptions } from '../optim/schedules.js';
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
  readonly distillation?: { readonly teacher: string; readonly weight: number };
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

/** The description of a saved run, which may be an earlier version's, as this one states it. */
export function currentDescription({ network, training }: RunDescription): RunDescription {
  const { decayed, ...rest } = training as EarlierTraining;
  if (decayed === undefined) return { network, training };
  return { network, training: { ...rest, weightDecay: 0, decayOf: { [decayed]: rest.weightDecay } } };
}
