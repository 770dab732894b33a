/**
 * Results of bytes: an invocation writes four, a whole word. What stands behind the last element of the last word is padding, for
 * which nothing needs to be right.
 */
import type { WgslPass } from '../core/wgsl.js';

/** A pass that writes `count` bytes to `slot`. `code` has `fn byteAt(i: u32) -> u32`, which gives 0 .. 255. */
export function bytesPass(slot: string, count: number, code: string): WgslPass {
  return {
    count: Math.ceil(count / 4),
    code: `
${code}
fn run(w: u32) {
  let i = 4u * w;
  set_word_${slot}(w, byteAt(i) | (byteAt(i + 1u) << 8u) | (byteAt(i + 2u) << 16u) | (byteAt(i + 3u) << 24u));
}`,
  };
}
