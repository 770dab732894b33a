/** The answer about an image, the same from a deployed network and from a trained one. */

/** A class with its probability, 0..1. */
export interface ScoredClass {
  readonly label: number;
  /** The name of the class. */
  readonly class: string;
  readonly probability: number;
}

export interface Classification extends ScoredClass {
  /** The likeliest classes, the first of them this one. */
  readonly top: readonly ScoredClass[];
}

/**
 * The `top` likeliest classes. The order is that of the scores, which tell classes apart whose probabilities round to the same number;
 * equal ones stand in label order, as training counts them.
 */
export function classificationOf(
  scores: ArrayLike<number>,
  probabilities: ArrayLike<number>,
  { classes, top }: { readonly classes: readonly string[]; readonly top: number },
): Classification {
  const order = [...classes.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, Math.max(1, top));
  const scored = order.map((label) => ({ label, class: classes[label]!, probability: probabilities[label]! }));
  return { ...scored[0]!, top: scored };
}
