/** What deploy rounding did to a layer, for people. */
export interface Rounding {
  readonly layer: string;
  readonly what: string;
  /** Root of the mean square of the rounding error, relative to that of the numbers. Absent where there is no such number. */
  readonly relativeError?: number;
}
