/**
 * Exponential, logarithm and hyperbolic tangent in WGSL, as native/math.h has them, in floats: the language's own may err by
 * thousands of units in the last place (tanh by 1e-5), these by two or three.
 *
 *     e^y = 2^k e^r                      k = round(y / ln 2), |r| <= ln 2 / 2, Taylor series of e^r to degree 7
 *     tanh a = m / (m + 2)               m = e^2a - 1 = 2^k (e^r - 1) + (2^k - 1)
 *     1 - tanh^2 a = 4 (m + 1) / (m + 2)^2          which does not cancel where the tangent is near 1
 *     ln x = k ln 2 + ln z               z = x / 2^k in sqrt(1/2) .. sqrt(2), fdlibm's rational form of ln z
 *
 * ln 2 comes in two parts, of which the first has so few bits that its product with k is exact. Compilers may take NaNs for
 * impossible, so they are known by their bits.
 */

const isNan = `
fn isNan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
`;

const reduceExponent = `
/** k and e^r - 1 */
fn reduceExponent(y: f32) -> vec2f {
  let k = round(y * 1.44269504);
  let r = (y - k * 0.693359375) + k * 2.12194440e-4;
  let series = 0.5 + r * (${1 / 6} + r * (${1 / 24} + r * (${1 / 120} + r * (${1 / 720} + r * ${1 / 5040}))));
  return vec2f(k, r + r * r * series);
}
/** 2^k of a normal result */
fn powerOfTwo(k: i32) -> f32 { return bitcast<f32>(u32(k + 127) << 23u); }
`;

const exponential = `
fn exponential(x: f32) -> f32 {
  let reduced = reduceExponent(clamp(x, -104.0, 89.0));
  let k = i32(reduced.x);
  let half = k / 2;
  let y = (1.0 + reduced.y) * powerOfTwo(half) * powerOfTwo(k - half);
  return select(y, x, isNan(x));
}
`;

const exponentialLess1 = `
/** e^x - 1 for |x| < 0.3 */
fn exponentialLess1(x: f32) -> f32 { return reduceExponent(x).y; }
`;

const logarithm = `
/** ln(1 + f) + k ln 2 in two parts, for 1 + f in sqrt(1/2) .. sqrt(2): the first is k times a few bits, and exact */
fn logarithmOf(k: f32, f: f32) -> vec2f {
  let s = f / (2.0 + f);
  let z = s * s;
  let w = z * z;
  let series = w * (0.40000972152 + w * 0.24279078841) + z * (0.66666662693 + w * 0.28498786688);
  let square = 0.5 * f * f;
  return vec2f(k * 0.693138122558, f - (square - (s * (square + series) + k * 9.05800061e-6)));
}
/** ln x in two parts, for normal x > 0 */
fn logarithmParts(x: f32) -> vec2f {
  let bits = bitcast<u32>(x);
  let exponent = (bits - 0x3f3504f3u + 0x3f800000u) >> 23u;
  let f = bitcast<f32>(bits - ((exponent - 127u) << 23u)) - 1.0;
  return logarithmOf(f32(exponent) - 127.0, f);
}
/** ln x for normal x > 0; infinity and NaN stay as they are. */
fn logarithm(x: f32) -> f32 {
  let parts = logarithmParts(x);
  return select(parts.x + parts.y, x, (bitcast<u32>(x) & 0x7fffffffu) >= 0x7f800000u);
}
/** ln(1 + x) for x > -0.25 */
fn logarithmBeside1(x: f32) -> f32 {
  if (x < 0.4) { return logarithmOf(0.0, x).y; }
  return logarithm(1.0 + x);
}
`;

const tangent = `
/** tanh x, and 1 - tanh^2 x */
fn tangentAndSlope(x: f32) -> vec2f {
  // From here on doubles, which the reference computes in, have no numbers between the tangent and 1.
  let a = abs(x);
  if (a > 19.06) { return vec2f(sign(x), 0.0); }
  let reduced = reduceExponent(2.0 * a);
  let scale = powerOfTwo(i32(reduced.x));
  let m = scale * reduced.y + (scale - 1.0);
  let y = vec2f(sign(x) * (m / (m + 2.0)), 4.0 * (m + 1.0) / ((m + 2.0) * (m + 2.0)));
  return select(y, vec2f(x), isNan(x));
}
`;

/** What a kernel puts in front of its text. */
export const wgslMath = {
  exponential: isNan + reduceExponent + exponential,
  tangent: isNan + reduceExponent + tangent,
  exponentialAndLogarithm: isNan + reduceExponent + exponential + exponentialLess1 + logarithm,
  logarithm,
} as const;
