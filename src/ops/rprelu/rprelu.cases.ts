import {
  type CaseRun,
  normal,
  type OpCase,
  opCase,
  type Parity,
  realInput,
  rowSum,
  startingWith,
  uniform,
} from '../../core/op-case.js';
import { rowsPerChunk } from '../elementwise/elementwise.js';
import { rprelu, rpreluGradient } from './rprelu.js';

const shapes = [
  [1, 1],
  [5, 3],
  [2, 3, 5, 17],
  [1, 1, 1, 33],
  [rowsPerChunk - 1, 3],
  [rowsPerChunk + 1, 16],
  [2 * rowsPerChunk + 17, 5],
  [3, 20_011],
];

/** The first elements of x at, beside and far from the first channels' kinks; zeros of both signs; what is no number. */
const kinks = [0.5, -0.5, 0, -0, 0.5 + 2 ** -24, -0.5 - 2 ** -24, 2 ** -149, Infinity, -Infinity, Number.NaN];
const atKinks = [0.5, -0.5, 0, -0, 0.5, -0.5, 0];

/** Sums over rows of the terms' absolute values. */
function sums({ inputs: [x, gamma, beta, dy] }: CaseRun, term: (distance: number, beta: number) => number) {
  const channels = gamma!.length;
  const sum = new Array<number>(channels).fill(0);
  for (const [i, each] of x!.entries()) {
    const c = i % channels;
    sum[c] = sum[c]! + Math.abs(term(Math.fround(each - gamma![c]!), beta![c]!) * dy![i]!);
  }
  return rowSum(sum);
}

const parity: Parity = {
  dGamma: (run) => sums(run, (distance, beta) => (distance > 0 ? 1 : beta)),
  dBeta: (run) => sums(run, (distance) => Math.min(distance, 0)),
  dZeta: (run) => sums(run, () => 1),
};

/** x, gamma, beta. */
const operandsOf = (shape: readonly number[], first: readonly number[]) => [
  realInput(shape, startingWith(first, normal())),
  realInput(shape.slice(-1), startingWith(atKinks, normal())),
  realInput(shape.slice(-1), startingWith([0, -0.5, 1.5], uniform(0, 1))),
];

export const rpreluCases: readonly OpCase[] = shapes.flatMap((shape) => [
  opCase(rprelu, `[${shape}]`, [...operandsOf(shape, kinks), realInput(shape.slice(-1))], {}),
  opCase(rpreluGradient, `[${shape}]`, [...operandsOf(shape, kinks.slice(0, 7)), realInput(shape)], {}, parity),
]);
