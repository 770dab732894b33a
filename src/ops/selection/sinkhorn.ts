/**
 * Sinkhorn's iteration in the log domain (papers 2.3): L = X / temperature; a sweep takes from every row, then from every column
 * its log-sum-exp; the plan is e^L. After any number of sweeps L = X / temperature - r_i - c_j, and the potentials are each
 * other's log-sum-exps,
 *
 *     r_i = log sum_j e^(L_ij - c_j)        c_j = log sum_i e^(L_ij - r_i)        c = 0 before the first sweep
 *
 * so that what the way back wants of all sweeps is these two vectors of each. They have the size of X / temperature, thousands where the
 * plan hangs on thousandths; all is in double, and the potentials are kept as pairs of floats, a number and what its
 * rounding left.
 *
 * The gradient goes back through the sweeps. With Q = e^(L - r - c) and S = e^(L - c' - r), where c' belongs to the sweep before:
 *
 *     after the last sweep    dL = A = dPlan * Q       dr_i = -sum_j A_ij      dc_j = -sum_i A_ij
 *     column step             dL += Q_ij dc_j          dr_i -= sum_j Q_ij dc_j
 *     row step                dL += S_ij dr_i          dc'_j = -sum_i S_ij dr_i
 *
 * and dX = dL / temperature. Its row sums are zero: the first step takes away what is common to a row.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, real, type TensorType } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { codebookOf } from './codebook.js';

export interface SinkhornAttributes {
  readonly temperature: number;
  readonly sweeps: number;
}

/** The temperature is a pair of floats, too. */
const params = { size: 'i32', sweeps: 'i32', temperature: 'f32', temperatureRest: 'f32' } as const;

function packSinkhorn(size: number, { temperature, sweeps }: SinkhornAttributes) {
  const rounded = Math.fround(temperature);
  return { size, sweeps, temperature: rounded, temperatureRest: Math.fround(temperature - rounded) };
}

function potentialsType(logits: TensorType, { temperature, sweeps }: SinkhornAttributes): TensorType {
  const size = codebookOf(logits);
  if (!(Number.isInteger(sweeps) && sweeps >= 1))
    throw new SubbitError(`sweeps must be a positive integer, not ${sweeps}`);
  if (!(temperature > 0)) throw new SubbitError(`the temperature must be positive, not ${temperature}`);
  return real([sweeps, 2, 2, size]);
}

/** Where vector `vector` of a sweep begins: 0, the potentials of the rows; 1, those of the columns. */
const potentialsAt = (sweep: number, vector: number, size: number): number => (2 * sweep + vector) * 2 * size;

/** logits [N, N] -> plan [N, N], potentials [sweeps, rows and columns, number and rest, N] */
export const sinkhorn = defineOp({
  name: 'sinkhorn',
  inputs: ['logits'],
  outputs: ['plan', 'potentials'],
  infer: ([logits]: InputTypes, attributes: SinkhornAttributes) => [logits!, potentialsType(logits!, attributes)],
  params,
  pack: ([logits], attributes) => packSinkhorn(codebookOf(logits!), attributes),
  reference({ logits, plan, potentials }, p) {
    const n = p.size;
    const scale = 1 / (p.temperature + p.temperatureRest);
    const rows = new Float64Array(n);
    const columns = new Float64Array(n);
    const logSumExp = (term: (k: number) => number): number => {
      let max = Number.NEGATIVE_INFINITY;
      for (let k = 0; k < n; k++) max = Math.max(max, term(k));
      let sum = 0;
      for (let k = 0; k < n; k++) sum += Math.exp(term(k) - max);
      return max + Math.log(sum);
    };
    const keep = (vector: Float64Array, at: number): void => {
      for (let k = 0; k < n; k++) {
        potentials![at + k] = vector[k]!;
        potentials![at + n + k] = vector[k]! - Math.fround(vector[k]!);
      }
    };
    for (let sweep = 0; sweep < p.sweeps; sweep++) {
      for (let i = 0; i < n; i++) rows[i] = logSumExp((j) => logits![i * n + j]! * scale - columns[j]!);
      for (let j = 0; j < n; j++) columns[j] = logSumExp((i) => logits![i * n + j]! * scale - rows[i]!);
      keep(rows, potentialsAt(sweep, 0, n));
      keep(columns, potentialsAt(sweep, 1, n));
    }
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) plan![i * n + j] = Math.exp(logits![i * n + j]! * scale - rows[i]! - columns[j]!);
    }
  },
});

/** logits, potentials, dPlan [N, n] (the first n columns of the plan's gradient; the others are zero) -> dLogits [N, N] */
export const sinkhornGradient = defineOp({
  name: 'sinkhorn-gradient',
  inputs: ['logits', 'potentials', 'dPlan'],
  outputs: ['dLogits'],
  infer([logits, potentials, dPlan]: InputTypes, attributes: SinkhornAttributes) {
    const expected = potentialsType(logits!, attributes);
    const [size, columns = 0] = dPlan!.shape;
    if (describe(potentials!) !== describe(expected)) {
      throw new SubbitError(`needs potentials ${describe(expected)}, not ${describe(potentials!)}`);
    }
    if (dPlan!.dtype !== 'f32' || dPlan!.shape.length !== 2 || size !== logits!.shape[0] || columns > size!) {
      throw new SubbitError(`the gradient ${describe(dPlan!)} does not fit a plan ${describe(logits!)}`);
    }
    return [logits!];
  },
  params: { ...params, columns: 'i32' },
  pack: ([logits, , dPlan], attributes) => ({
    ...packSinkhorn(codebookOf(logits!), attributes),
    columns: dPlan!.shape[1]!,
  }),
  reference({ logits, potentials, dPlan, dLogits }, p) {
    const n = p.size;
    const scale = 1 / (p.temperature + p.temperatureRest);
    const vector = (sweep: number, which: number): Float64Array => {
      const at = potentialsAt(sweep, which, n);
      return Float64Array.from({ length: n }, (_, k) =>
        sweep < 0 ? 0 : potentials![at + k]! + potentials![at + n + k]!,
      );
    };
    const dL = new Float64Array(n * n);
    let dColumns = new Float64Array(n);
    const dRows = new Float64Array(n);
    /** body(i, j, e^(L_ij - rows_i - columns_j)) */
    const forEach = (
      rows: Float64Array,
      columns: Float64Array,
      body: (i: number, j: number, q: number) => void,
    ): void => {
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) body(i, j, Math.exp(logits![i * n + j]! * scale - rows[i]! - columns[j]!));
      }
    };
    for (let sweep = p.sweeps - 1; sweep >= 0; sweep--) {
      const [rows, columns, columnsBefore] = [vector(sweep, 0), vector(sweep, 1), vector(sweep - 1, 1)];
      if (sweep === p.sweeps - 1) {
        forEach(rows, columns, (i, j, q) => {
          if (j >= p.columns) return;
          const a = dPlan![i * p.columns + j]! * q;
          dL[i * n + j] = a;
          dRows[i]! -= a;
          dColumns[j]! -= a;
        });
      }
      forEach(rows, columns, (i, j, q) => {
        const d = q * dColumns[j]!;
        dL[i * n + j]! += d;
        dRows[i]! -= d;
      });
      dColumns = new Float64Array(n);
      forEach(rows, columnsBefore, (i, j, s) => {
        const d = s * dRows[i]!;
        dL[i * n + j]! += d;
        dColumns[j]! -= d;
      });
      dRows.fill(0);
    }
    for (let i = 0; i < n * n; i++) dLogits![i] = dL[i]! * scale;
  },
});
