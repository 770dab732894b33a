/** Rounding to levels, as rounding.ts: half to even, clamped to 0 .. max, NaN to 0. */
#pragma once
#include <stdint.h>

namespace subbit::SUBBIT_ISA {

/** Clamping comes first: the bounds are integers, so the order does not matter, and then adding 1.5 * 2^23 rounds to even. */
inline uint8_t RoundToLevel(float x, float max) {
  const float positive = x > 0 ? x : 0;
  const float clamped = positive < max ? positive : max;
  constexpr float kRounding = 12582912.0f;
  return static_cast<uint8_t>(static_cast<int32_t>((clamped + kRounding) - kRounding));
}

}  // namespace subbit::SUBBIT_ISA
