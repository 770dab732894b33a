/** The largest absolute value. NaN is larger than everything, as in Math.max, so that it is not lost. */
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace subbit::SUBBIT_ISA {

/**
 * The bits of the largest absolute value. Without their sign, floats are ordered as their bits are as integers, infinity and then
 * NaN at the end. An integer maximum may be taken in any order, so this loop is vectorised, which one over floats is not.
 */
inline int32_t LargestMagnitudeBits(const float* x, ptrdiff_t count) {
  int32_t largest = 0;
  for (ptrdiff_t i = 0; i < count; ++i) {
    const int32_t magnitude = __builtin_bit_cast(int32_t, x[i]) & 0x7fffffff;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

inline float LargestMagnitude(const float* x, ptrdiff_t count) { return __builtin_bit_cast(float, LargestMagnitudeBits(x, count)); }

}  // namespace subbit::SUBBIT_ISA
