/** subbit/train: the trainer and what it keeps. */
export { type OptimizerOptions, optimizers } from '../optim/optimizers.js';
export { learningRateAt, type ScheduleOptions, schedules } from '../optim/schedules.js';
export type { Classification, ScoredClass } from '../runtime/classification.js';
export { type Checkpoint, copyCheckpoint, findNewest, loadCheckpoint, saveCheckpoint } from './checkpoint.js';
export type { RunDescription, TrainingConfig } from './config.js';
export { Diagnostics, type LayerDiagnostics } from './diagnostics.js';
export { type EvaluationResult, evaluateAll } from './evaluate.js';
export { fillVariables } from './fill-variables.js';
export { type Histogram, Histograms, histogramOf, type LayerHistograms } from './histograms.js';
export { type FitOptions, fit, Model, type ModelOptions } from './model.js';
export { type Evaluation, EvaluationSession, type SessionOptions, TrainingSession } from './session.js';
export {
  type DiagnosticsEvent,
  type EpochEvent,
  type HistogramsEvent,
  type StepEvent,
  type TrainEvent,
  type TrainingSummary,
  type TrainOptions,
  train,
} from './trainer.js';
