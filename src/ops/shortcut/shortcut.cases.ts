import { type OpCase, opCase, realInput } from '../../core/op-case.js';
import { strideShortcut, strideShortcutGradient } from './shortcut.js';

const shapes = [
  { shape: [1, 1, 1, 1], stride: 1, channels: 1 },
  { shape: [5, 7, 11, 3], stride: 2, channels: 7 },
  { shape: [2, 8, 6, 16], stride: 2, channels: 32 },
  { shape: [1, 5, 13, 17], stride: 3, channels: 17 },
  { shape: [2, 1, 2, 15], stride: 3, channels: 33 },
  { shape: [3, 4, 5, 31], stride: 1, channels: 47 },
];

export const shortcutCases: readonly OpCase[] = shapes.flatMap(({ shape, stride, channels }) => {
  const [batch, height, width] = shape as [number, number, number];
  const outShape = [batch, Math.ceil(height / stride), Math.ceil(width / stride), channels];
  const name = `[${shape}], stride ${stride}, to ${channels} channels`;
  return [
    opCase(strideShortcut, name, [realInput(shape)], { stride, channels }),
    opCase(strideShortcutGradient, name, [realInput(outShape)], { shape, stride }),
  ];
});
