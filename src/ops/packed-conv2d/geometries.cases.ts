/** Convolutions that meet every edge of the tiles of the kernel families; by name. */
import { type Geometry, geometries as ofFloats } from '../conv2d/geometries.cases.js';

/** Those of the float convolutions that fit here, too. */
const shared = [
  'one number',
  'dense, one sample',
  'same 3x3, one channel',
  'valid 3x3 on a long row',
  'row filter',
  'padding all around',
  '2x2 stride 3, hangs over the end',
];

export const geometries: Readonly<Record<string, Geometry>> = {
  ...Object.fromEntries(shared.map((name) => [name, ofFloats[name]!])),
  'dense, many samples': { x: [67, 1, 1, 130], outChannels: 70, filter: [1, 1], out: [1, 1] },
  'as large as the image': { x: [9, 5, 5, 24], outChannels: 80, filter: [5, 5], out: [1, 1] },
  pointwise: { x: [2, 7, 9, 65], outChannels: 33, filter: [1, 1], out: [7, 9] },
  'pointwise, stride 2': { x: [2, 6, 7, 64], outChannels: 128, filter: [1, 1], stride: 2, out: [3, 4] },
  'same 3x3, 64 channels': { x: [1, 9, 10, 64], outChannels: 64, filter: [3, 3], pad: [1, 1], out: [9, 10] },
  'same 3x3, 128 to 256': { x: [1, 4, 5, 128], outChannels: 256, filter: [3, 3], pad: [1, 1], out: [4, 5] },
  'same 3x3, 256 to 320, batch': { x: [3, 3, 2, 256], outChannels: 320, filter: [3, 3], pad: [1, 1], out: [3, 2] },
  '3x3 as large as the image': { x: [3, 3, 3, 40], outChannels: 70, filter: [3, 3], out: [1, 1] },
  'same 3x3, 2600 channels': { x: [1, 2, 1, 2600], outChannels: 3, filter: [3, 3], pad: [1, 1], out: [2, 1] },
  'same 3x3, 16 channels': { x: [2, 13, 11, 16], outChannels: 16, filter: [3, 3], pad: [1, 1], out: [13, 11] },
  'same 3x3, prime sizes': { x: [2, 7, 13, 37], outChannels: 67, filter: [3, 3], pad: [1, 1], out: [7, 13] },
  '3x3 stride 2': { x: [2, 11, 13, 66], outChannels: 31, filter: [3, 3], stride: 2, pad: [1, 1], out: [6, 7] },
  '7x7 stride 2, three channels': {
    x: [1, 21, 19, 3],
    outChannels: 64,
    filter: [7, 7],
    stride: 2,
    pad: [3, 3],
    out: [11, 10],
  },
  'dilation 2': { x: [1, 9, 8, 20], outChannels: 9, filter: [3, 3], dilation: 2, pad: [2, 2], out: [9, 8] },
  'two groups 5x5': { x: [1, 7, 6, 48], outChannels: 40, filter: [5, 5], groups: 2, pad: [2, 2], out: [7, 6] },
  'three odd groups': { x: [2, 5, 4, 21], outChannels: 15, filter: [3, 3], groups: 3, pad: [1, 1], out: [5, 4] },
  depthwise: { x: [1, 6, 7, 35], outChannels: 35, filter: [3, 3], groups: 35, pad: [1, 1], out: [6, 7] },
  'dilated, two groups, stride 2': {
    x: [1, 11, 9, 8],
    outChannels: 6,
    filter: [3, 3],
    dilation: 2,
    stride: 2,
    groups: 2,
    pad: [2, 2],
    out: [6, 5],
  },
};
