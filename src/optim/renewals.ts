/**
 * When a training renews its selection of codewords: every so many steps, after a warm-up in which the filters settle and before the end, where
 * they want codewords that stay.
 */
export interface RenewalOptions {
  /** Steps from one renewal to the next. */
  readonly every: number;
  /** Steps before the first one. */
  readonly warmupSteps: number;
  /** Share of the training after which the selection is frozen, 0 .. 1. */
  readonly until: number;
  /** Of the logits or patterns (Adam); the method `nearest` has none. @default 0.1 */
  readonly learningRate?: number;
}

export const defaultRenewals: Required<RenewalOptions> = { every: 25, warmupSteps: 0, until: 0.6, learningRate: 0.1 };

/** The number of renewals before the step, where the step renews; `step` counts the steps done before. */
export function renewalAt(
  { every, warmupSteps, until }: RenewalOptions,
  { step, totalSteps }: { readonly step: number; readonly totalSteps: number },
): number | undefined {
  const since = step - warmupSteps;
  return since >= 0 && since % every === 0 && step < until * totalSteps ? since / every : undefined;
}
