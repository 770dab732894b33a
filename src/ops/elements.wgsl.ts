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
  const first = `${perWord}u * w`;
  return {
    count: Math.ceil(count / perWord),
    code: `
${code}
fn run(w: u32) {
  ${perWord === 1 ? 'let word = bits(w);' : `let word = ${wordOf(dtype, (j) => `bits(${first} + ${j}u)`)};`}
  set_word_${slot}(w, word);
}`,
  };
}

/** A word of elements of less than a word each; `bits` is a WGSL expression for each. */
export function wordOf(dtype: DType, bits: (j: number) => string): string {
  const perWord = elementsPerWord[dtype];
  const size = 32 / perWord;
  return Array.from({ length: perWord }, (_, j) => `((${bits(j)} & ${2 ** size - 1}u) << ${size * j}u)`).join(' | ');
}
