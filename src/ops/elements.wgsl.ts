/** Kernels that compute each element of a result by itself: bytes and halves are put together to words. */
import type { DType } from '../core/tensor.js';
import type { WgslPass } from '../core/wgsl.js';

export const elementsPerWord: Readonly<Record<DType, 1 | 2 | 4>> = { f32: 1, i32: 1, i16: 2, u8: 4 };

/**
 * `code` is WGSL with `fn bits(i: u32) -> u32`, the i-th element's bits, of which the lowest count. It may be asked for up to three elements
 * beyond `count`, whose bits are padding.
 */
export function eachElement(slot: string, dtype: DType, count: number, code: string): WgslPass {
  const perWord = elementsPerWord[dtype];
  const size = 32 / perWord;
  return {
    count: Math.ceil(count / perWord),
    code: `
${code}
fn run(w: u32) {
  var word = 0u;
  for (var j = 0u; j < ${perWord}u; j++) { word = insertBits(word, bits(${perWord}u * w + j), ${size}u * j, ${size}u); }
  set_word_${slot}(w, word);
}`,
  };
}
