/**
 * Exponential, logarithm and hyperbolic tangent in double precision, without a library (WebAssembly has none) and without
 * branches, so that loops over them vectorise. Relative errors are below 5e-16: rounded to float32, a result differs from
 * the rounded result of JavaScript's Math functions for about one argument in 100 million. NaN stays NaN.
 *
 *     e^y = 2^k e^r          k = round(y / ln 2), |r| <= ln 2 / 2, Taylor series of e^r to degree 13
 *     e^y - 1                2^k (e^r - 1) + (2^k - 1): without cancellation near 0, where k = 0
 *     tanh a                 (e^2a - 1) / ((e^2a - 1) + 2)
 *     ln x = k ln 2 + ln z   z = x / 2^k in sqrt(1/2) .. sqrt(2), fdlibm's rational form of ln z
 */
#pragma once
#include <stdint.h>

namespace subbit::SUBBIT_ISA {

/** Adding it rounds a double below 2^51 to an integer, which then stands in the low bits (two's complement). */
inline constexpr double kRoundToInteger = 0x1.8p52;

/** ln 2 in two parts; the first has so few bits that its product with a small integer is exact. */
inline constexpr double kLn2High = 6.93147180369123816490e-01;
inline constexpr double kLn2Low = 1.90821492927058770002e-10;

/** 2^k for -1022 <= k <= 1023, k given as k + kRoundToInteger. */
inline double PowerOfTwo(double shifted) {
  return __builtin_bit_cast(double, (__builtin_bit_cast(uint64_t, shifted) + 1023) << 52);
}

struct ReducedExponent {
  double k;
  /** e^r - 1 */
  double fraction;
};

/** y = k ln 2 + r for |y| < 1100. */
inline ReducedExponent ReduceExponent(double y) {
  constexpr double kInverseLn2 = 1.44269504088896338700e+00;
  const double k = (y * kInverseLn2 + kRoundToInteger) - kRoundToInteger;
  const double r = (y - k * kLn2High) - k * kLn2Low;
  // 1 / 13! .. 1 / 2!
  constexpr double kSeries[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
                                1.0 / 5040,       1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      1.0 / 2};
  double sum = kSeries[0];
  // Unrolled, or the loop around would not be vectorised.
#pragma GCC unroll 12
  for (int i = 1; i < 12; ++i) sum = sum * r + kSeries[i];
  return {k, r + r * r * sum};
}

/** e^x: 0 below -746, infinity above 710. */
inline double Exp(double x) {
  const double above = x < -746 ? -746 : x;
  const double y = above > 710 ? 710 : above;
  const ReducedExponent reduced = ReduceExponent(y);
  // In two steps, because 2^k alone may be below or above the normal numbers.
  const double half = reduced.k * 0.5 + kRoundToInteger;
  const double rest = (reduced.k - (half - kRoundToInteger)) + kRoundToInteger;
  return (1 + reduced.fraction) * PowerOfTwo(half) * PowerOfTwo(rest);
}

/** ln x for normal x > 0; infinity and NaN stay as they are. */
inline double Log(double x) {
  constexpr uint64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  const uint64_t bits = __builtin_bit_cast(uint64_t, x);
  // k + 1023, and k: without a signed shift of 64 bits or a conversion, which AVX2 has not.
  constexpr uint64_t kBias = 1023;
  const uint64_t exponent = (bits - kSqrtHalf + (kBias << 52)) >> 52;
  const double k = __builtin_bit_cast(double, exponent | 0x4330000000000000) - (0x1p52 + 1023);
  const double f = __builtin_bit_cast(double, bits - ((exponent - kBias) << 52)) - 1;
  const double s = f / (2 + f);
  const double z = s * s;
  const double w = z * z;
  const double odd = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  const double even = z * (6.666666666666735130e-01 +
                           w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  const double square = 0.5 * f * f;
  const double result = k * kLn2High - ((square - (s * (square + (odd + even)) + k * kLn2Low)) - f);
  return x - x == 0 ? result : x;
}

inline double Tanh(double x) {
  const double magnitude = __builtin_fabs(x);
  // tanh 20 is 1 in double precision.
  const double a = magnitude > 20 ? 20 : magnitude;
  const ReducedExponent reduced = ReduceExponent(2 * a);
  const double scale = PowerOfTwo(reduced.k + kRoundToInteger);
  const double m = scale * reduced.fraction + (scale - 1);
  return __builtin_copysign(m / (m + 2), x);
}

}  // namespace subbit::SUBBIT_ISA
