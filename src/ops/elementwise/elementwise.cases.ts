import {
  type OpCase,
  onAbsoluteValues,
  opCase,
  type Parity,
  realInput,
  rowSum,
  severalPieces,
} from '../../core/op-case.js';
import { add, addBias, fill, reshape, rowsPerChunk, sumRows } from './elementwise.js';

/** Rows of a reduction: one, few, prime, and around the chunks. */
const rowCounts = [1, 2, 7, rowsPerChunk - 1, rowsPerChunk, rowsPerChunk + 1, 2 * rowsPerChunk + 1];

const sumParity: Parity = { sum: (run) => rowSum(onAbsoluteValues(run).sum!) };

export const elementwiseCases: readonly OpCase[] = [
  ...[[1], [17], [5, 7, 3, 33], [severalPieces]].map((shape) =>
    opCase(add, `[${shape}]`, [realInput(shape), realInput(shape)], {}),
  ),
  ...[
    [1, 1],
    [5, 3],
    [2, 3, 5, 17],
    [1, 1, 1, 33],
    [1031, 7],
    [severalPieces, 1],
    [3, severalPieces],
  ].map((shape) => opCase(addBias, `[${shape}]`, [realInput(shape), realInput([shape.at(-1)!])], {})),
  ...rowCounts.flatMap((rows) =>
    [1, 3, 16, 17].map((channels) =>
      opCase(sumRows, `${rows} rows, ${channels} channels`, [realInput([rows, channels])], {}, sumParity),
    ),
  ),
  opCase(sumRows, 'images', [realInput([5, 7, 11, 33])], {}, sumParity),
  opCase(reshape, '[2, 3, 5] to [6, 5]', [realInput([2, 3, 5])], { shape: [6, 5] }),
  opCase(fill, 'one', [], { shape: [1], value: 0.1 }),
  opCase(fill, 'several pieces', [], { shape: [severalPieces], value: 7 }),
  opCase(fill, 'an odd number', [], { shape: [5, 7, 31], value: -3.3 }),
];
