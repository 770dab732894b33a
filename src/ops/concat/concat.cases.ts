import { input, integers, type OpCase, opCase, realInput } from '../../core/op-case.js';
import { integer, quantized } from '../../core/tensor.js';
import { concat, concatGradient } from './concat.js';

const shapes = [
  { rows: [1, 1, 1], channels: [1, 1] },
  { rows: [5, 7, 3], channels: [3, 17] },
  { rows: [2, 1, 5], channels: [64, 31] },
  { rows: [1, 33, 40], channels: [16, 48] },
] as const;

export const concatCases: readonly OpCase[] = shapes.flatMap(({ rows, channels }) => {
  const [a, b] = channels.map((count) => [...rows, count]) as [number[], number[]];
  const name = `[${rows}] of ${channels.join(' and ')} channels`;
  const levels = (shape: readonly number[]) =>
    input(quantized(shape, { kind: 'levels', max: 255, step: 1 }), integers(0, 255));
  const stream = (shape: readonly number[], max: number) => input(integer(shape, max), integers(-max, max));
  return [
    opCase(concat, `real, ${name}`, [realInput(a), realInput(b)], {}),
    opCase(concat, `levels, ${name}`, [levels(a), levels(b)], {}),
    opCase(concat, `i32, ${name}`, [stream(a, 2 ** 30), stream(b, 7)], {}),
    opCase(concatGradient, name, [realInput([...rows, channels[0] + channels[1]])], { channelsA: channels[0] }),
  ];
});
