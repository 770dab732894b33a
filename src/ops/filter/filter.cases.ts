import { input, integers, type OpCase, opCase } from '../../core/op-case.js';
import { quantized } from '../../core/tensor.js';
import { filterOffsets, reverseFilter } from './filter.js';

/** [KH, KW, C, K]: around the tiles of 16 x 64 bytes that the kernel transposes at once. */
const shapes = [
  [1, 1, 1, 1],
  [3, 3, 16, 64],
  [3, 3, 17, 65],
  [3, 2, 3, 5],
  [1, 1, 130, 70],
  [5, 5, 15, 48],
];

export const filterCases: readonly OpCase[] = shapes.flatMap((shape) =>
  [1, 3, 255].flatMap((max) => {
    const filter = input(quantized(shape, { kind: 'bipolar', max, step: 1 / max }), integers(0, max));
    const encoding = { kind: 'levels', max, step: 1, zeroPoints: [(max + 1) / 2] } as const;
    const aboutZero = input(quantized(shape, encoding), integers(0, max));
    const name = `[${shape}], levels to ${max}`;
    return [
      opCase(reverseFilter, name, [filter], {}),
      opCase(filterOffsets, name, [filter], { xOffset: 15 }),
      opCase(filterOffsets, `${name} about a zero`, [aboutZero], { xOffset: 15 }),
    ];
  }),
);
