/** How windows slide over images in ONNX models. */
import type { OnnxNode } from '../../formats/onnx-model.js';
import { attribute, type Computed, unsupported } from './importer.js';

export interface Window {
  readonly stride: number;
  readonly padTop: number;
  readonly padLeft: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

/** Strides, pads and sizes of the output of a window over an image; `kernel`: height and width of the window, dilated. */
export function windowOf(node: OnnxNode, { value, axes }: Computed, kernel: readonly number[]): Window {
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
