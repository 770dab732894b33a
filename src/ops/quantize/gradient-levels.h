/** The levels of gradients; see gradients.ts. */
#pragma once
#include "levels.h"
#include "philox.h"

namespace subbit::SUBBIT_ISA {

/** smallestMax in gradients.ts */
constexpr float kSmallestMax = 0x1p-100f;

/** The noise of elements `first` and following. */
struct Noise {
  int32_t seed;
  int32_t stream;
  uint32_t step;
  int first;
};

/** Levels of `count` elements of a sample whose largest magnitude is `largest`. */
inline void QuantizeGradientElements(const float* dy, float largest, float max, const Noise& noise, int count, uint8_t* levels) {
  const float half = max / 2;
  const float inverse = largest > kSmallestMax ? half / largest : 0;
  const int first = noise.first;
  ForUniform(noise.seed, noise.stream, noise.step, first, first + count, [=](int at, int n, const float* __restrict uniform) {
    const float* __restrict in = dy + (at - first);
    uint8_t* __restrict out = levels + (at - first);
    for (int k = 0; k < n; ++k) out[k] = RoundToLevel((in[k] * inverse + half) + (uniform[k] - 0.5f), max);
  });
}

}  // namespace subbit::SUBBIT_ISA
