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
  /** Only filters of layers whose names begin so decay. @default all */
  readonly decayed?: string;
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
