/**
 * Rescaling a single accumulator in WGSL, for the op and for the epilogues of fused convolutions.
 *
 * x * multiplier has up to 47 bits, and WGSL has words of 32. With the sign taken out of the multiplier and x = 2^16 h + l,
 *
 *     x * m = 2^16 (h m) + l m         |h m| < 2^31, 0 <= l m < 2^32
 *
 * which two words hold as high and low half; rounding, shift and bias follow on both.
 */

/** `fn rescaled(x: i32, multiplier: i32, shift: u32, bias: i32, low: i32, high: i32) -> i32`, as rescale.ts has it. */
export const rescaledWgsl = `
fn rescaled(x: i32, multiplier: i32, shift: u32, bias: i32, least: i32, most: i32) -> i32 {
  let m = abs(multiplier);
  let signed = select(x, -x, multiplier < 0);
  let upper = (signed >> 16u) * m;
  let lower = u32(signed & 0xffff) * u32(m);
  var low = lower + (u32(upper) << 16u);
  var high = (upper >> 16u) + select(0, 1, low < lower);
  if (shift > 32u) {
    high += 1 << (shift - 33u);
  } else if (shift > 0u) {
    let half = 1u << (shift - 1u);
    low += half;
    high += select(0, 1, low < half);
  }
  if (shift >= 32u) {
    low = u32(high >> (shift - 32u));
    high = high >> 31u;
  } else if (shift > 0u) {
    low = (low >> shift) | (u32(high) << (32u - shift));
    high = high >> shift;
  }
  low += u32(bias);
  high += (bias >> 31u) + select(0, 1, low < u32(bias));
  let fits = high == (i32(low) >> 31u);
  return clamp(select(select(i32(0x7fffffff), -2147483647 - 1, high < 0), i32(low), fits), least, most);
}`;
