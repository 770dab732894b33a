/** What deployment rounded, for people. */
import type { Rounding } from '../deploy/index.js';

export function formatRounding({ layer, what, relativeError }: Rounding): string {
  const error = relativeError === undefined ? '' : ` (relative error ${relativeError.toExponential(1)})`;
  return `${layer}: rounded ${what}${error}`;
}
