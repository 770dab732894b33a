import {
  normal,
  type OpCase,
  opCase,
  type Parity,
  realInput,
  severalPieces,
  startingWith,
  ulp,
} from '../../core/op-case.js';
import { type ActivationKind, activate, activateGradient, activationKinds } from './activation.js';

/** The kinks of all kinds, zeros of both signs, the numbers next to them, infinities, and what is no number. */
const kinks = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1 + 2 ** -23,
  1 - 2 ** -24,
  2 ** -149,
  -(2 ** -149),
  2 ** -25,
  2 ** -24,
  -(2 ** -25),
  Infinity,
  -Infinity,
  Number.NaN,
];
/** One unit in the last place for another tanh, in double before it is rounded. */
const swishParity: Parity = { y: ({ results }) => Float64Array.from(results.y!, () => ulp) };
const slopeParity: Parity = {
  dx: ({ inputs: [, dy], results }) =>
    Float64Array.from(results.dx!, (dx, i) => 2 * ulp * (Math.abs(dx) + 2 ** -20 * Math.abs(dy![i]!))),
};

const shapes = [[1], [15], [3, 5, 7, 17], [severalPieces]];

export const activationCases: readonly OpCase[] = (Object.keys(activationKinds) as ActivationKind[]).flatMap((kind) =>
  shapes.flatMap((shape) => {
    const x = realInput(shape, startingWith(kinks, normal()));
    const name = `${kind} [${shape}]`;
    return [
      opCase(activate, name, [x], { kind }, kind === 'swish-sign' ? swishParity : 'exact'),
      opCase(activateGradient, name, [x, realInput(shape)], { kind }, kind === 'swish-sign' ? slopeParity : 'exact'),
    ];
  }),
);
