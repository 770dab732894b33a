import {
  type Content,
  doubleSum,
  evaluate,
  input,
  integers,
  normal,
  type OpCase,
  onAbsoluteValues,
  opCase,
  type Parity,
  realInput,
} from '../../core/op-case.js';
import { arrayOf, quantized, real } from '../../core/tensor.js';
import { averagePool, averagePoolGradient, wholeImage } from './average-pool.js';
import { maxPool, maxPoolGradient, type PoolAttributes } from './pool.js';

interface Window {
  readonly shape: readonly [number, number, number, number];
  readonly size: number;
  readonly stride: number;
  readonly pad?: readonly [number, number];
  readonly out: readonly [number, number];
}

const windows: Readonly<Record<string, Window>> = {
  'one pixel': { shape: [1, 1, 1, 1], size: 1, stride: 1, out: [1, 1] },
  '2x2': { shape: [5, 6, 8, 16], size: 2, stride: 2, out: [3, 4] },
  '2x2, hangs over the end': { shape: [2, 7, 5, 17], size: 2, stride: 2, out: [4, 3] },
  '2x2, leaves out the end': { shape: [2, 7, 5, 15], size: 2, stride: 2, out: [3, 2] },
  '3x3 stride 2, padded': { shape: [1, 11, 13, 33], size: 3, stride: 2, pad: [1, 1], out: [6, 7] },
  '3x3 stride 1, overlaps': { shape: [5, 5, 7, 3], size: 3, stride: 1, pad: [1, 1], out: [5, 7] },
  '3x3 stride 2, padded unevenly': { shape: [2, 8, 7, 31], size: 3, stride: 2, pad: [0, 1], out: [4, 4] },
  '2x2 stride 3, leaves out pixels': { shape: [2, 11, 10, 7], size: 2, stride: 3, out: [4, 4] },
  'larger than the image': { shape: [5, 3, 2, 17], size: 5, stride: 1, pad: [2, 2], out: [3, 2] },
  '15x15': { shape: [1, 17, 16, 3], size: 15, stride: 3, pad: [7, 14], out: [8, 10] },
};

/** What max-pool says of normal numbers. */
function indexOf(shape: readonly number[], attributes: PoolAttributes): Content {
  return (data, random) => {
    const x = arrayOf(real(shape));
    normal()(x, random, []);
    data.set(evaluate(maxPool, [real(shape)], attributes, [x]).index!);
  };
}

const attributesOf = ({ size, stride, pad = [0, 0], out }: Window): PoolAttributes => ({
  ...{ size, stride, padTop: pad[0], padLeft: pad[1] },
  ...{ outHeight: out[0], outWidth: out[1] },
});

const maxPoolCases = Object.entries(windows).flatMap(([name, window]) => {
  const { shape, out } = window;
  const attributes = attributesOf(window);
  const outShape = [shape[0], ...out, shape[3]];
  const index = input({ dtype: 'u8', shape: outShape }, indexOf(shape, attributes));
  const levels = (bits: number) =>
    input(quantized(shape, { kind: 'levels', max: 2 ** bits - 1, step: 1 }), integers(0, 2 ** bits - 1));
  return [
    opCase(maxPool, `real, ${name}`, [realInput(shape)], attributes),
    // Few values: most windows have several maxima, and the first counts.
    opCase(maxPool, `real with ties, ${name}`, [realInput(shape, integers(-2, 0))], attributes),
    opCase(maxPool, `1 bit, ${name}`, [levels(1)], attributes),
    opCase(maxPool, `8 bits, ${name}`, [levels(8)], attributes),
    opCase(maxPoolGradient, name, [realInput(outShape), index], { ...attributes, height: shape[1], width: shape[2] }),
  ];
});

/** Of the whole image. */
const averageShapes = [
  [1, 1, 1, 1],
  [5, 1, 1, 17],
  [2, 7, 7, 33],
  [1, 25, 41, 3],
  [3, 13, 11, 64],
];

function averageCases(name: string, shape: readonly number[], attributes: PoolAttributes): OpCase[] {
  const [batch, height, width, channels] = shape as [number, number, number, number];
  const parity: Parity = {
    y: (run) => doubleSum(run.results.y!, onAbsoluteValues(run).y!, attributes.size ** 2),
  };
  const dy = realInput([batch, attributes.outHeight, attributes.outWidth, channels]);
  return [
    opCase(averagePool, name, [realInput(shape)], attributes, parity),
    opCase(averagePoolGradient, name, [dy], { ...attributes, height, width }),
  ];
}

export const poolCases: readonly OpCase[] = [
  ...maxPoolCases,
  ...Object.entries(windows).flatMap(([name, window]) => averageCases(name, window.shape, attributesOf(window))),
  ...averageShapes.flatMap((shape) => averageCases(`[${shape}] to one pixel`, shape, wholeImage(shape))),
];
