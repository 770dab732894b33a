/** Sizes of the convolutions that conv2d.cases.ts makes cases of: hard ones, each with a name. */

export interface Geometry {
  /** [N, H, W, C] */
  readonly x: readonly [number, number, number, number];
  readonly outChannels: number;
  /** [KH, KW] */
  readonly filter: readonly [number, number];
  /** @default 1 */
  readonly stride?: number;
  /** @default 1 */
  readonly dilation?: number;
  /** @default 1 */
  readonly groups?: number;
  /** Before the image: rows, columns. @default none */
  readonly pad?: readonly [number, number];
  readonly out: readonly [number, number];
}

/** Plain convolutions. */
export const geometries: Readonly<Record<string, Geometry>> = {
  'one number': { x: [1, 1, 1, 1], outChannels: 1, filter: [1, 1], out: [1, 1] },
  dense: { x: [5, 1, 1, 33], outChannels: 10, filter: [1, 1], out: [1, 1] },
  'dense, one sample': { x: [1, 1, 1, 515], outChannels: 17, filter: [1, 1], out: [1, 1] },
  'dense, many samples': { x: [131, 1, 1, 31], outChannels: 15, filter: [1, 1], out: [1, 1] },
  'filter on one pixel': { x: [5, 1, 1, 7], outChannels: 16, filter: [3, 3], pad: [1, 1], out: [1, 1] },
  'filter as large as the image': { x: [5, 5, 5, 7], outChannels: 33, filter: [5, 5], out: [1, 1] },
  'as large as the image, one sample': { x: [1, 3, 5, 16], outChannels: 31, filter: [3, 5], out: [1, 1] },
  pointwise: { x: [1, 17, 19, 31], outChannels: 17, filter: [1, 1], out: [17, 19] },
  'pointwise, batch': { x: [5, 7, 3, 16], outChannels: 100, filter: [1, 1], out: [7, 3] },
  'pointwise, stride 2': { x: [2, 5, 7, 15], outChannels: 33, filter: [1, 1], stride: 2, out: [3, 4] },
  'same 3x3': { x: [5, 7, 7, 15], outChannels: 16, filter: [3, 3], pad: [1, 1], out: [7, 7] },
  'same 3x3, prime sizes': { x: [1, 13, 11, 16], outChannels: 33, filter: [3, 3], pad: [1, 1], out: [13, 11] },
  'same 3x3, one channel': { x: [2, 5, 7, 1], outChannels: 1, filter: [3, 3], pad: [1, 1], out: [5, 7] },
  'valid 3x3 on a long row': { x: [1, 3, 67, 3], outChannels: 48, filter: [3, 3], out: [1, 65] },
  'valid 5x5 on an image': { x: [2, 20, 18, 3], outChannels: 24, filter: [5, 5], out: [16, 14] },
  'column filter': { x: [2, 9, 5, 7], outChannels: 15, filter: [5, 1], pad: [2, 0], out: [9, 5] },
  'row filter': { x: [2, 5, 9, 17], outChannels: 7, filter: [1, 4], pad: [0, 1], out: [5, 9] },
  'same 4x4, padded unevenly': { x: [1, 6, 5, 3], outChannels: 7, filter: [4, 4], pad: [1, 1], out: [6, 5] },
  'same 2x2, hangs over the end': { x: [5, 5, 4, 17], outChannels: 3, filter: [2, 2], out: [5, 4] },
  'padding all around': { x: [2, 3, 3, 16], outChannels: 31, filter: [5, 5], pad: [4, 4], out: [7, 7] },
  'grows from 5x5 to 7x7': { x: [3, 5, 5, 33], outChannels: 17, filter: [3, 3], pad: [2, 2], out: [7, 7] },
  '3x3 stride 2': { x: [1, 11, 13, 17], outChannels: 31, filter: [3, 3], stride: 2, pad: [1, 1], out: [6, 7] },
  '3x3 stride 2, padded at the end': { x: [5, 8, 6, 7], outChannels: 16, filter: [3, 3], stride: 2, out: [4, 3] },
  '5x5 stride 2, padded': { x: [2, 9, 9, 3], outChannels: 17, filter: [5, 5], stride: 2, pad: [2, 1], out: [5, 5] },
  '3x3 stride 3, leaves out the end': { x: [5, 7, 8, 3], outChannels: 7, filter: [3, 3], stride: 3, out: [2, 2] },
  '2x2 stride 3, leaves out pixels': { x: [2, 8, 9, 15], outChannels: 16, filter: [2, 2], stride: 3, out: [3, 3] },
  '2x2 stride 3, hangs over the end': { x: [1, 10, 7, 16], outChannels: 15, filter: [2, 2], stride: 3, out: [4, 3] },
  '1x1 stride 3': { x: [5, 8, 7, 7], outChannels: 15, filter: [1, 1], stride: 3, out: [3, 3] },
  '7x7 stride 3, padded': { x: [1, 13, 11, 3], outChannels: 33, filter: [7, 7], stride: 3, pad: [3, 3], out: [5, 4] },
};

/** With groups or dilation. */
export const groupedGeometries: Readonly<Record<string, Geometry>> = {
  'depthwise 3x3': { x: [5, 7, 9, 17], outChannels: 17, filter: [3, 3], groups: 17, pad: [1, 1], out: [7, 9] },
  'depthwise 3x3, whole vectors': {
    x: [2, 11, 6, 48],
    outChannels: 48,
    filter: [3, 3],
    groups: 48,
    pad: [1, 1],
    out: [11, 6],
  },
  'depthwise 3x3, many channels': {
    x: [2, 5, 4, 131],
    outChannels: 131,
    filter: [3, 3],
    groups: 131,
    pad: [1, 1],
    out: [5, 4],
  },
  'depthwise 3x3 stride 2': {
    x: [3, 9, 8, 16],
    outChannels: 16,
    filter: [3, 3],
    stride: 2,
    groups: 16,
    pad: [1, 1],
    out: [5, 4],
  },
  'depthwise 5x4 stride 3, padded unevenly': {
    x: [2, 11, 10, 7],
    outChannels: 7,
    filter: [5, 4],
    stride: 3,
    groups: 7,
    pad: [2, 1],
    out: [4, 3],
  },
  'depthwise 3x3 stride 2, dilation 2': {
    x: [2, 13, 9, 33],
    outChannels: 33,
    filter: [3, 3],
    stride: 2,
    dilation: 2,
    groups: 33,
    pad: [2, 2],
    out: [7, 5],
  },
  'depthwise 1x1': { x: [2, 3, 5, 19], outChannels: 19, filter: [1, 1], groups: 19, out: [3, 5] },
  'depthwise on one pixel': { x: [5, 1, 1, 7], outChannels: 7, filter: [3, 3], groups: 7, pad: [1, 1], out: [1, 1] },
  'two outputs per channel': { x: [2, 6, 5, 7], outChannels: 14, filter: [3, 3], groups: 7, pad: [1, 1], out: [6, 5] },
  '2 groups 5x5': { x: [2, 9, 7, 6], outChannels: 34, filter: [5, 5], groups: 2, pad: [2, 2], out: [9, 7] },
  '2 groups of many channels': {
    x: [1, 5, 7, 66],
    outChannels: 130,
    filter: [3, 3],
    groups: 2,
    pad: [1, 1],
    out: [5, 7],
  },
  '3 groups of odd channels, stride 2': {
    x: [5, 7, 6, 15],
    outChannels: 21,
    filter: [3, 3],
    stride: 2,
    groups: 3,
    pad: [1, 0],
    out: [4, 3],
  },
  '4 groups on a long row': { x: [1, 3, 211, 4], outChannels: 8, filter: [3, 3], groups: 4, out: [1, 209] },
  'groups 1x1': { x: [2, 5, 7, 12], outChannels: 20, filter: [1, 1], groups: 4, out: [5, 7] },
  'groups, dense': { x: [5, 1, 1, 33], outChannels: 9, filter: [1, 1], groups: 3, out: [1, 1] },
  'groups, filter as large as the image': { x: [3, 3, 4, 8], outChannels: 6, filter: [3, 4], groups: 2, out: [1, 1] },
  'groups, 2x2 stride 3, leaves out pixels': {
    x: [2, 8, 9, 10],
    outChannels: 6,
    filter: [2, 2],
    stride: 3,
    groups: 2,
    out: [3, 3],
  },
  '3x3 dilation 2, padded': { x: [5, 9, 8, 7], outChannels: 19, filter: [3, 3], dilation: 2, pad: [2, 2], out: [9, 8] },
  '3x3 dilation 2, valid': { x: [2, 9, 11, 17], outChannels: 33, filter: [3, 3], dilation: 2, out: [5, 7] },
  '3x3 dilation 4, wider than the image': {
    x: [2, 5, 3, 3],
    outChannels: 16,
    filter: [3, 3],
    dilation: 4,
    pad: [4, 4],
    out: [5, 3],
  },
  '3x3 dilation 2 stride 2': {
    x: [2, 10, 9, 5],
    outChannels: 15,
    filter: [3, 3],
    stride: 2,
    dilation: 2,
    pad: [2, 2],
    out: [5, 5],
  },
  '4x3 dilation 3 stride 2': {
    x: [1, 15, 12, 16],
    outChannels: 31,
    filter: [4, 3],
    stride: 2,
    dilation: 3,
    pad: [5, 1],
    out: [8, 5],
  },
  '3x3 dilation 2 stride 4': {
    x: [2, 13, 9, 3],
    outChannels: 7,
    filter: [3, 3],
    stride: 4,
    dilation: 2,
    pad: [1, 2],
    out: [3, 3],
  },
  'row filter, dilation 2': { x: [2, 5, 9, 17], outChannels: 7, filter: [1, 4], dilation: 2, pad: [0, 3], out: [5, 9] },
  '3x3 dilation 2, one channel': {
    x: [2, 7, 8, 1],
    outChannels: 1,
    filter: [3, 3],
    dilation: 2,
    pad: [2, 2],
    out: [7, 8],
  },
  '1x1 dilation 2': { x: [2, 5, 7, 15], outChannels: 16, filter: [1, 1], dilation: 2, out: [5, 7] },
  '3x3 dilation 2, 3 groups': {
    x: [2, 8, 7, 21],
    outChannels: 15,
    filter: [3, 3],
    dilation: 2,
    groups: 3,
    pad: [2, 2],
    out: [8, 7],
  },
  '5x3 dilation 2 stride 3, 2 groups': {
    x: [3, 16, 11, 34],
    outChannels: 6,
    filter: [5, 3],
    stride: 3,
    dilation: 2,
    groups: 2,
    pad: [4, 2],
    out: [6, 4],
  },
};

/** Per-channel zero points exist for at most four channels. */
export function geometryFor(image: string): Geometry {
  return image === 'bytes by channel'
    ? { x: [3, 5, 7, 3], outChannels: 19, filter: [3, 3], pad: [1, 1], out: [5, 7] }
    : { x: [3, 7, 5, 17], outChannels: 19, filter: [3, 3], stride: 2, pad: [1, 0], out: [4, 3] };
}

/** Few channels, so that they may have zero points of their own. */
export const kindGeometries: Readonly<Record<string, Geometry>> = {
  depthwise: { x: [3, 5, 7, 3], outChannels: 3, filter: [3, 3], groups: 3, pad: [1, 1], out: [5, 7] },
  'depthwise, stride 2': { x: [3, 7, 5, 4], outChannels: 4, filter: [3, 3], stride: 2, groups: 4, out: [3, 2] },
  '2 groups': { x: [3, 5, 6, 4], outChannels: 38, filter: [3, 2], groups: 2, pad: [1, 0], out: [5, 6] },
  'dilation 2': { x: [3, 7, 6, 3], outChannels: 19, filter: [3, 3], dilation: 2, pad: [2, 2], out: [7, 6] },
};

/** All integers large and of one sign: the sums exceed 2^24, from where on a float32 cannot hold them. */
export const longSums: Readonly<Record<string, Geometry>> = {
  'long sums, dense': { x: [5, 1, 1, 2600], outChannels: 17, filter: [1, 1], out: [1, 1] },
  'long sums, 3x3': { x: [2, 5, 3, 131], outChannels: 33, filter: [3, 3], pad: [1, 1], out: [5, 3] },
  'long sums, 3x3, many outputs': { x: [1, 5, 7, 33], outChannels: 262, filter: [3, 3], stride: 2, out: [2, 3] },
  'long sums, pointwise': { x: [2, 19, 23, 16], outChannels: 17, filter: [1, 1], out: [19, 23] },
  'long sums, depthwise': {
    x: [1, 19, 23, 17],
    outChannels: 17,
    filter: [17, 17],
    groups: 17,
    pad: [8, 8],
    out: [19, 23],
  },
  'long sums, 2 groups': { x: [2, 5, 3, 66], outChannels: 66, filter: [3, 3], groups: 2, pad: [1, 1], out: [5, 3] },
  'long sums, dilation 2': {
    x: [1, 19, 23, 35],
    outChannels: 33,
    filter: [3, 3],
    dilation: 2,
    pad: [2, 2],
    out: [19, 23],
  },
};

/** A geometry as attributes, without dilation and groups where the geometry has none, so that their defaults are tested, too. */
export function attributesOf({ stride = 1, dilation, groups, pad = [0, 0], out }: Geometry) {
  return {
    stride,
    ...(dilation && { dilation }),
    ...(groups && { groups }),
    padTop: pad[0],
    padLeft: pad[1],
    outHeight: out[0],
    outWidth: out[1],
  };
}
