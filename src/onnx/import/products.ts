/** Convolutions, matrices and pooling windows of ONNX models. */
import type { TensorType } from '../../core/tensor.js';
import type { OnnxNode } from '../../formats/onnx-model.js';
import { conv2d } from '../../ops/conv2d/conv2d.js';
import { spanOf } from '../../ops/conv2d/geometry.js';
import { maxPool } from '../../ops/pool/pool.js';
import { strideShortcut } from '../../ops/shortcut/shortcut.js';
import { type Constant, permuted } from './constants.js';
import {
  attribute,
  type Computed,
  channelsOf,
  encodingOf,
  type Imported,
  type Importer,
  nameOf,
  unsupported,
  withBias,
} from './importer.js';
import { constantInput } from './quantized.js';

interface Window {
  readonly stride: number;
  readonly padTop: number;
  readonly padLeft: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

/** Strides, pads and sizes of the output of a window over an image; `kernel`: height and width of the window, dilated. */
function windowOf(node: OnnxNode, { value, axes }: Computed, kernel: readonly number[]): Window {
  if (axes !== 'NCHW') throw unsupported(node, `an image in the order ${axes}`);
  const [, height, width] = value.type.shape as [number, number, number];
  const strides = attribute(node, 'strides', 'ints', [1, 1]);
  if (strides.length !== 2 || strides[0] !== strides[1]) throw unsupported(node, `strides [${strides.join(', ')}]`);
  const stride = strides[0]!;
  const mode = attribute(node, 'auto_pad', 'text', 'NOTSET');
  let pads = attribute(node, 'pads', 'ints', [0, 0, 0, 0]);
  if (mode === 'SAME_UPPER' || mode === 'SAME_LOWER') {
    const total = [height, width].map((extent, i) =>
      Math.max(0, (Math.ceil(extent / stride) - 1) * stride + kernel[i]! - extent),
    );
    const before = total.map((each) => (mode === 'SAME_UPPER' ? Math.floor(each / 2) : Math.ceil(each / 2)));
    pads = [...before, ...total.map((each, i) => each - before[i]!)];
  } else if (mode === 'VALID') pads = [0, 0, 0, 0];
  else if (mode !== 'NOTSET') throw unsupported(node, `auto_pad ${mode}`);
  if (pads.length !== 4 || pads.some((each) => each < 0)) throw unsupported(node, `pads [${pads.join(', ')}]`);
  const round = attribute(node, 'ceil_mode', 'int', 0) === 1 ? Math.ceil : Math.floor;
  const out = [height, width].map((extent, i) => round((extent + pads[i]! + pads[i + 2]! - kernel[i]!) / stride) + 1);
  return { stride, padTop: pads[0]!, padLeft: pads[1]!, outHeight: out[0]!, outWidth: out[1]! };
}

export function convolution(
  importer: Importer,
  node: OnnxNode,
  [x, weights, bias]: readonly (Imported | undefined)[],
): Imported {
  const source = importer.operand(x!, node);
  const stored = constantInput(node, weights, 'filter');
  if (stored.shape.length !== 4) throw unsupported(node, `a filter of ${stored.shape.length} axes`);
  const dilations = attribute(node, 'dilations', 'ints', [1, 1]);
  if (dilations[0] !== dilations[1]) throw unsupported(node, `dilations [${dilations.join(', ')}]`);
  const dilation = dilations[0]!;
  const groups = attribute(node, 'group', 'int', 1);
  const kernel = stored.shape.slice(2).map((size) => spanOf(size, dilation));
  const filter = permuted(stored, [2, 3, 1, 0]);
  const y = product(importer, node, source, filter, { ...windowOf(node, source, kernel), dilation, groups });
  if (bias === undefined) return y;
  const { data } = constantInput(node, bias, 'bias');
  return withBias(importer, node, y, { data, shape: [data.length, 1, 1] });
}

/** x [N, C] times a matrix [C, K]: a 1x1 convolution of a 1x1 image. */
export function dense(importer: Importer, node: OnnxNode, x: Imported, matrix: Constant): Computed {
  const source = importer.operand(x, node);
  const features = channelsOf(source);
  const [, height, width] = source.value.type.shape;
  if (matrix.shape.length !== 2 || matrix.shape[0] !== features || height !== 1 || width !== 1)
    throw unsupported(node, `a matrix of shape [${matrix.shape.join(', ')}] for ${features} features`);
  const ordered = source.image === undefined ? matrix : channelsLastRows(matrix, source.image);
  const filter = {
    ...ordered,
    shape: [1, 1, features, matrix.shape[1]!],
    ...(ordered.levels && { levels: { ...ordered.levels, axis: 3 } }),
  };
  if (ordered.levels !== undefined && ordered.levels.scale.length > 1 && ordered.levels.axis !== 1)
    throw unsupported(node, 'a scale per input of a matrix');
  const window = { stride: 1, padTop: 0, padLeft: 0, outHeight: 1, outWidth: 1, dilation: 1, groups: 1 };
  const { image: _, ...rest } = source;
  return { ...product(importer, node, rest, filter, window), axes: 'NC' };
}

/** Rows of a matrix from the order [C, H, W] of a flattened image to [H, W, C]. */
function channelsLastRows(matrix: Constant, { height, width, channels }: NonNullable<Computed['image']>): Constant {
  const columns = matrix.shape[1]!;
  const { levels } = matrix;
  const image: Constant = {
    shape: [channels, height, width, columns],
    data: matrix.data,
    ...(levels && { levels: { ...levels, axis: levels.axis === 1 ? 3 : levels.axis } }),
  };
  const moved = permuted(image, [1, 2, 0, 3]);
  return { ...moved, shape: matrix.shape, ...(moved.levels && { levels: { ...moved.levels, axis: levels!.axis } }) };
}

function product(
  importer: Importer,
  node: OnnxNode,
  x: Computed,
  filter: Constant,
  geometry: Window & { readonly dilation: number; readonly groups: number },
): Computed {
  const name = importer.name(nameOf(node));
  const type: TensorType = { dtype: 'f32', shape: filter.shape };
  const levels = filter.levels && encodingOf(filter.levels.integers);
  const outputs = filter.shape[3]!;
  const isPerTensor = filter.levels?.scale.length === 1;
  if (levels !== undefined && !isPerTensor && (filter.levels!.axis !== 3 || filter.levels!.scale.length !== outputs))
    throw unsupported(node, 'a scale of a filter that is not one per output channel');
  const weights =
    levels === undefined
      ? importer.store(`${name}/filter`, type, Float32Array.from(filter.data))
      : importer.store(
          `${name}/filter`,
          { dtype: 'u8', shape: filter.shape, encoding: levels.encoding },
          levels.stored,
        );
  const scale = levels && importer.storeReal(`${name}/filter/scale`, filter.levels!.scale);
  const value = importer.graph.apply(conv2d, name, [x.value, weights, x.value.scale, scale], geometry);
  return { ...x, value };
}

export function pooling(importer: Importer, node: OnnxNode, [x]: readonly (Imported | undefined)[]): Imported {
  const source = importer.operand(x!, node);
  const { value } = source;
  const kernel = attribute(node, 'kernel_shape', 'ints', []);
  if (kernel.length !== 2 || kernel[0] !== kernel[1]) throw unsupported(node, `a window [${kernel.join(', ')}]`);
  if (attribute(node, 'dilations', 'ints', [1, 1]).some((each) => each !== 1)) throw unsupported(node, 'dilations');
  const window = windowOf(node, source, kernel);
  const name = importer.name(nameOf(node));
  const size = kernel[0]!;
  // A maximum over one pixel takes every stride-th.
  if (size === 1 && value.type.encoding === undefined)
    return {
      ...source,
      value: importer.graph.apply(strideShortcut, name, [value], {
        stride: window.stride,
        channels: channelsOf(source),
      }),
    };
  return { ...source, value: importer.graph.apply(maxPool, name, [value], { size, ...window }, value.scale) };
}
