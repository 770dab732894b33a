/** Shapes of convolution layers that `bench conv` knows by name, and what a layer of them costs. */
import { UsageError } from '../../util/errors.js';
import { lookUp } from '../../util/nearest.js';

export interface ConvShape {
  /** `channels@pixels`, with what is not a 3x3 filter and stride 1 said behind it. */
  readonly name: string;
  /** Side of the square image. */
  readonly pixels: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Side of the square filter. */
  readonly size: number;
  readonly stride: number;
  /** On every side. */
  readonly padding: number;
  readonly groups: number;
}

function square3x3(channels: number, pixels: number): ConvShape {
  const rest = { size: 3, stride: 1, padding: 1, groups: 1 };
  return { name: `${channels}@${pixels}`, pixels, inChannels: channels, outChannels: channels, ...rest };
}

export const convShapes: Readonly<Record<string, readonly ConvShape[]>> = {
  /** The 3x3 layers that keep their shape: one of every stage, 116 M multiply-accumulates each. */
  resnet18: [square3x3(64, 56), square3x3(128, 28), square3x3(256, 14), square3x3(512, 7)],
  /** Where a stage begins: strided, and the 1x1 shortcut beside it. */
  'resnet18-strided': [
    [64, 56],
    [128, 28],
    [256, 14],
  ].flatMap(([channels, pixels]) => {
    const shape = { ...square3x3(channels!, pixels!), outChannels: 2 * channels!, stride: 2 };
    const name = `${channels}-${2 * channels!}@${pixels}/2`;
    return [
      { ...shape, name },
      { ...shape, name: `${name} 1x1`, size: 1, padding: 0 },
    ];
  }),
  /** The layers between the first and the last, width A. */
  'dorefa-svhn': [
    { ...square3x3(48, 18), name: '48-64@18', outChannels: 64 },
    square3x3(64, 18),
    { ...square3x3(64, 9), name: '64-128@9 valid', outChannels: 128, padding: 0 },
    square3x3(128, 7),
    { ...square3x3(128, 7), name: '128@7 valid', padding: 0 },
    { ...square3x3(128, 5), name: '128-512@5 5x5 valid', outChannels: 512, size: 5, padding: 0 },
  ],
  depthwise: [
    { ...square3x3(64, 56), name: '64@56 depthwise', groups: 64 },
    { ...square3x3(256, 14), name: '256@14 depthwise', groups: 256 },
  ],
};

/** Named sets and single 3x3 layers `channels@pixels`, separated by commas. Throws a UsageError for anything else. */
export function parseConvShapes(text: string): ConvShape[] {
  return text.split(',').flatMap((name) => {
    const single = /^([1-9]\d*)@([1-9]\d*)$/.exec(name);
    if (single === null) return lookUp(convShapes, name, 'set of shapes');
    const shape = square3x3(Number(single[1]), Number(single[2]));
    if (shape.inChannels > 8192 || shape.pixels > 1024)
      throw new UsageError(`--shapes: ${name} is larger than 8192 channels or 1024 pixels`);
    return [shape];
  });
}

/** Side of the square output. */
export function outPixels({ pixels, size, stride, padding }: ConvShape): number {
  return Math.floor((pixels + 2 * padding - size) / stride) + 1;
}

/** Multiply-accumulates for one image. */
export function macsOf(shape: ConvShape): number {
  const { inChannels, outChannels, size, groups } = shape;
  return outPixels(shape) ** 2 * size * size * (inChannels / groups) * outChannels;
}
