/** The lists of quantizers by role. */
import { codebookWeights } from './codebook.js';
import { dorefaActivations, dorefaGradients, dorefaWeights } from './dorefa.js';
import { lsqActivations, lsqWeights } from './lsq.js';
import { pact } from './pact.js';
import type { Quantizer } from './quantizer.js';
import { approxSign, clipSign, rsign, swishSign } from './sign-activations.js';
import { approxSignWeights, clipSignWeights, swishSignWeights, xnorWeights } from './sign-weights.js';
import { ternaryWeights } from './ternary.js';

export type { Quantizer, QuantizerRole } from './quantizer.js';

export const weightQuantizers: Readonly<Record<string, Quantizer>> = {
  dorefa: dorefaWeights,
  [lsqWeights.name]: lsqWeights,
  [ternaryWeights.name]: ternaryWeights,
  [xnorWeights.name]: xnorWeights,
  [clipSignWeights.name]: clipSignWeights,
  [approxSignWeights.name]: approxSignWeights,
  [swishSignWeights.name]: swishSignWeights,
  codebook: codebookWeights,
};
export const activationQuantizers: Readonly<Record<string, Quantizer>> = {
  dorefa: dorefaActivations,
  [pact.name]: pact,
  [lsqActivations.name]: lsqActivations,
  [clipSign.name]: clipSign,
  [approxSign.name]: approxSign,
  [swishSign.name]: swishSign,
  [rsign.name]: rsign,
};
export const gradientQuantizers: Readonly<Record<string, Quantizer>> = { dorefa: dorefaGradients };
