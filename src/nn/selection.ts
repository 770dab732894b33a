/**
 * Settings of sparse kernel selection (Sparks, papers part 2): which n of the 512 sign patterns the binary 3x3 filters of a layer
 * may have. ops/selection/codebook.ts has the words and the method, quantizers/codebook.ts the nodes.
 *
 * Only the ratios of temperature, noise and learning rate to the margin matter, the logit of a codeword at the position that it begins
 * at; so the margin is 1.
 */
import { numCodewords } from '../ops/codewords.js';
import { UsageError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';

/** How a sub-codebook comes about. */
export const selectionMethods = {
  learned: 'chosen in training, by Gumbel-Sinkhorn and the permutation straight-through estimator (Sparks)',
  patterns: 'learned as real patterns, of which repeated ones are replaced (SNN)',
  nearest: 'the sign patterns nearest to the filters as they are, exchanged in training (k-medoids)',
  fixed: 'what it begins with',
} as const;
export type SelectionMethod = keyof typeof selectionMethods;

/** What a sub-codebook begins with in a training that goes on from another one; one from scratch begins with random codewords. */
export const selectionStarts = {
  'k-medoids': "the sign patterns nearest to that one's real filters",
  'k-means': "centres of clusters of that one's filters, in sign space",
  frequent: 'the sign patterns that are most frequent there',
  random: 'drawn',
} as const;
export type SelectionStart = keyof typeof selectionStarts;

/** What a network's description says about its sub-codebooks; what is absent has its default. */
export interface SelectionDescription {
  /** @default 'learned' */
  readonly method?: SelectionMethod;
  /** @default 'k-medoids' */
  readonly start?: SelectionStart;
  /** Of Sinkhorn's plan. @default 0.2 */
  readonly temperature?: number;
  /** Of Sinkhorn: rows, then columns. @default 10 */
  readonly sweeps?: number;
  /**
   * Positions that the assignment looks at: all 512, the paper's permutation, or those of the sub-codebook, which is hundreds of times faster where logits tie
   * (ops/selection/assign.ts). @default 'selected'
   */
  readonly columns?: 'selected' | 'all';
  /** Factor of the Gumbel noise. @default 0 */
  readonly noise?: number;
  /**
   * Of the codebook loss, which draws codewords to the filters that have them, in units of the loss's gradient
   * (ops/selection/codeword-gradient.ts). @default 1
   */
  readonly pull?: number;
  /** What shares a factor of the signs. @default 'layer' where gradients are quantized, else 'channel' */
  readonly scale?: 'layer' | 'channel';
  /** What shares a sub-codebook: a layer has its own, or the layers of a stage (a name up to its first '/') one. @default 'layer' */
  readonly share?: 'layer' | 'stage';
}

export interface Selection extends Required<SelectionDescription> {
  /** n: the size of the sub-codebooks, 1 .. 512. */
  readonly codewords: number;
}

/** The settings in full. Throws UsageErrors. */
export function completeSelection(
  codewords: number,
  description: SelectionDescription,
  { gradientBits }: { readonly gradientBits: number },
): Selection {
  if (!(Number.isInteger(codewords) && codewords >= 1 && codewords <= numCodewords))
    throw new UsageError(`codewords must be an integer in 1..${numCodewords}, not ${codewords}`);
  const {
    method = 'learned',
    start = 'k-medoids',
    temperature = 0.2,
    sweeps = 10,
    columns = 'selected',
    noise = 0,
    pull = 1,
    share = 'layer',
  } = description;
  // A scale per channel cannot leave the integer product of the input gradient.
  const { scale = gradientBits < 32 ? 'layer' : 'channel' } = description;
  lookUp(selectionMethods, method, 'selection method');
  lookUp(selectionStarts, start, 'start of a selection');
  if (!(temperature > 0)) throw new UsageError(`the temperature must be above 0, not ${temperature}`);
  if (!(Number.isInteger(sweeps) && sweeps >= 1))
    throw new UsageError(`sweeps must be an integer above 0, not ${sweeps}`);
  if (!(pull >= 0)) throw new UsageError(`the pull must be at least 0, not ${pull}`);
  if (!(noise >= 0)) throw new UsageError(`the noise must be at least 0, not ${noise}`);
  return { codewords, method, start, temperature, sweeps, columns, noise, pull, scale, share };
}

/** Logits whose assignment is `ids`: 1 for each codeword at its position, 0 elsewhere. */
export function logitsOf(ids: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const logits = new Float32Array(numCodewords ** 2);
  for (let j = 0; j < ids.length; j++) logits[ids[j]! * numCodewords + j] = 1;
  return logits;
}

const idsSuffix = '/codewords';

/** Whether a variable holds the ids of a sub-codebook. */
export const isCodewords = (name: string): boolean => name.endsWith(idsSuffix);

/** What a sub-codebook serves, a layer or a stage, from the name of its ids. */
export const servedBy = (ids: string): string => ids.slice(0, -idsSuffix.length).replace(/\/weights$/, '');

/** Names of the variables of a sub-codebook. */
export const selectionNames = (group: string) => ({
  /** i32 [n] */
  ids: `${group}${idsSuffix}`,
  /** f32 [512], of the last assignment (method 'learned') */
  duals: `${group}/duals`,
  /** f32 [512, 512] (method 'learned') */
  logits: `${group}/logits`,
  /** f32 [n, 9] (method 'patterns') */
  patterns: `${group}/patterns`,
});

/** Whether a variable is one of a selection's. */
export const isSelectionVariable = (name: string): boolean =>
  Object.values(selectionNames('')).some((ending) => name.endsWith(ending));
