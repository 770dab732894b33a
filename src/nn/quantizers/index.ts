/** The lists of quantizers by role. */
import { codebookWeights } from './codebook.js';
import { dorefaActivations, dorefaGradients, dorefaWeights } from './dorefa.js';
import { lsqActivations, lsqWeights } from './lsq.js';
import { pact } from './pact.js';
import type { Quantizer } from './quantizer.js';
import { approxSign, rsign } from './rsign.js';

export type { Quantizer, QuantizerRole } from './quantizer.js';

export const weightQuantizers: Readonly<Record<string, Quantizer>> = {
  dorefa: dorefaWeights,
  [lsqWeights.name]: lsqWeights,
  codebook: codebookWeights,
};
export const activationQuantizers: Readonly<Record<string, Quantizer>> = {
  dorefa: dorefaActivations,
  [pact.name]: pact,
  [lsqActivations.name]: lsqActivations,
  [approxSign.name]: approxSign,
  [rsign.name]: rsign,
};
export const gradientQuantizers: Readonly<Record<string, Quantizer>> = { dorefa: dorefaGradients };
