/** How a window (filter or pool) slides over an image: padding and output size. */
import { SubbitError } from '../../util/errors.js';

/**
 * 'same': as many outputs as inputs divided by the stride, rounded up; the padding is split, the odd one after (ONNX
 * SAME_UPPER, TensorFlow). 'valid': no padding. A number: that many on every side (PyTorch).
 */
export type Padding = 'same' | 'valid' | number;

/** `size` is what the window spans, of a dilated filter from its first tap to its last. */
export function slide(extent: number, size: number, stride: number, padding: Padding): { before: number; out: number } {
  if (padding === 'same') {
    const out = Math.ceil(extent / stride);
    return { before: Math.floor(Math.max(0, (out - 1) * stride + size - extent) / 2), out };
  }
  const before = padding === 'valid' ? 0 : padding;
  const out = Math.floor((extent + 2 * before - size) / stride) + 1;
  if (out < 1)
    throw new SubbitError(
      `a window of ${size} does not fit ${extent} pixels with padding ${before}; use a larger image`,
    );
  return { before, out };
}
