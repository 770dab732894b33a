import { input, integers, type OpCase, opCase, realInput, stepInput } from '../../core/op-case.js';
import { quantized } from '../../core/tensor.js';
import { dropout } from './dropout.js';

export const dropoutCases: readonly OpCase[] = [[1], [3], [5, 7, 1, 17], [3, 13_337]].flatMap((shape, i) =>
  [0, 0.3, 0.5].flatMap((rate) => {
    // Seeds and streams are taken modulo 2^32.
    const attributes = { rate, seed: -i, stream: 0xfffffff0 + i };
    const step = stepInput(i * 123_456_789);
    const levels = input(quantized(shape, { kind: 'levels', max: 3, step: 1 / 3 }), integers(0, 3));
    return [
      opCase(dropout, `real [${shape}], rate ${rate}`, [realInput(shape), step], attributes),
      opCase(dropout, `levels [${shape}], rate ${rate}`, [levels, step], attributes),
    ];
  }),
);
