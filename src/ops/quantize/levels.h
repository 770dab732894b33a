/** Rounding to levels, as rounding.ts: half to even, clamped to min .. max, NaN to min. */
#pragma once
#include <stdint.h>

namespace subbit::SUBBIT_ISA {

/**
 * Adding 1.5 * 2^23 rounds to even and leaves the integer in the low bits. The bounds are integers, so clamping may come before or
 * after; the comparisons are those of the processors' minimum and maximum, and NaN, which is smaller than nothing, passes the
 * first and not the second.
 */
inline int32_t RoundTo(float x, float min, float max) {
  constexpr float kRounding = 12582912.0f;
  const float rounded = (max < x ? max : x) + kRounding;
  const float least = min + kRounding;
  return __builtin_bit_cast(int32_t, rounded > least ? rounded : least) - __builtin_bit_cast(int32_t, kRounding);
}

inline uint8_t RoundToLevel(float x, float max) { return static_cast<uint8_t>(RoundTo(x, 0, max)); }

}  // namespace subbit::SUBBIT_ISA
