/** Maxima and means over windows, and over whole images, of ONNX models. */
import type { OnnxNode } from '../../formats/onnx-model.js';
import { averagePool, isInside, wholeImage } from '../../ops/pool/average-pool.js';
import { maxPool } from '../../ops/pool/pool.js';
import { strideShortcut } from '../../ops/shortcut/shortcut.js';
import { attribute, type Computed, channelsOf, type Imported, type Importer, nameOf, unsupported } from './importer.js';
import { constantInput } from './quantized.js';
import { windowOf } from './windows.js';

function squareWindow(node: OnnxNode): readonly [number, number] {
  const kernel = attribute(node, 'kernel_shape', 'ints', []);
  if (kernel.length !== 2 || kernel[0] !== kernel[1]) throw unsupported(node, `a window [${kernel.join(', ')}]`);
  if (attribute(node, 'dilations', 'ints', [1, 1]).some((each) => each !== 1)) throw unsupported(node, 'dilations');
  return [kernel[0]!, kernel[0]!];
}

export function pooling(importer: Importer, node: OnnxNode, [x]: readonly (Imported | undefined)[]): Imported {
  const source = importer.operand(x!, node);
  const { value } = source;
  const kernel = squareWindow(node);
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

/** Means of what lies inside of the image; without padding it makes no difference whether that counts. */
export function averaging(importer: Importer, node: OnnxNode, [x]: readonly (Imported | undefined)[]): Imported {
  const source = importer.real(x!, node);
  const kernel = squareWindow(node);
  const window = windowOf(node, source, kernel);
  const attributes = { size: kernel[0]!, ...window };
  if (attribute(node, 'count_include_pad', 'int', 0) !== 0 && !isInside(source.value.type.shape, attributes))
    throw unsupported(node, 'padding that counts');
  return {
    ...source,
    value: importer.graph.apply(averagePool, importer.name(nameOf(node)), [source.value], attributes),
  };
}

export function globalAverage(importer: Importer, node: OnnxNode, [x]: readonly (Imported | undefined)[]): Imported {
  const source = importer.real(x!, node);
  const attributes = wholeImage(source.value.type.shape);
  return {
    ...source,
    value: importer.graph.apply(averagePool, importer.name(nameOf(node)), [source.value], attributes),
  };
}

/** A mean over height and width, as PyTorch writes nn.AdaptiveAvgPool2d(1). */
export function reduceMean(importer: Importer, node: OnnxNode, [x, over]: readonly (Imported | undefined)[]): Imported {
  const given = over === undefined ? attribute(node, 'axes', 'ints', []) : [...constantInput(node, over, 'axes').data];
  const source = importer.real(x!, node);
  const reduced = given.map((axis) => source.axes[axis < 0 ? axis + source.axes.length : axis]).sort();
  if (reduced.join('') !== 'HW') throw unsupported(node, `a mean over the axes [${given.join(', ')}]`);
  const mean = globalAverage(importer, node, [source]) as Computed;
  return attribute(node, 'keepdims', 'int', 1) === 0 ? { ...mean, axes: 'NC' } : mean;
}
