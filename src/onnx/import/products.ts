/** Convolutions and matrices of ONNX models. */
import type { TensorType } from '../../core/tensor.js';
import type { OnnxNode } from '../../formats/onnx-model.js';
import { conv2d } from '../../ops/conv2d/conv2d.js';
import { spanOf } from '../../ops/conv2d/geometry.js';
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
import { type Window, windowOf } from './windows.js';

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
