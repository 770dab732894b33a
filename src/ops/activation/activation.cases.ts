import { normal, type OpCase, opCase, realInput, severalPieces, startingWith } from '../../core/op-case.js';
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
const shapes = [[1], [15], [3, 5, 7, 17], [severalPieces]];

export const activationCases: readonly OpCase[] = (Object.keys(activationKinds) as ActivationKind[]).flatMap((kind) =>
  shapes.flatMap((shape) => {
    const x = realInput(shape, startingWith(kinks, normal()));
    const name = `${kind} [${shape}]`;
    return [opCase(activate, name, [x], { kind }), opCase(activateGradient, name, [x, realInput(shape)], { kind })];
  }),
);
