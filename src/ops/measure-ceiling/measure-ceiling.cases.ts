import { type OpCase, opCase } from '../../core/op-case.js';
import { ceilingKinds, measureCeiling } from './measure-ceiling.js';

export const measureCeilingCases: readonly OpCase[] = ceilingKinds.flatMap((kind) =>
  [1, 2, 3, 17, 4099].map((iterations) => opCase(measureCeiling, `${kind}, ${iterations}`, [], { kind, iterations })),
);
