/** Quantizer of gradients; see gradients.ts. */
#include "levels.h"
#include "ops.h"
#include "philox.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** smallestMax in gradients.ts */
constexpr float kSmallestMax = 0x1p-100f;

}  // namespace

void MaxAbsPerSample(const MaxAbsPerSampleParams& p, const MaxAbsPerSampleBuffers& b, Pool& pool) {
  pool.Run(p.samples, [&](int sample, int) {
    const float* x = b.x.f32() + static_cast<ptrdiff_t>(sample) * p.elements;
    // One maximum per lane: a single one would be a chain of dependent comparisons.
    constexpr int kLanes = 32;
    float largest[kLanes] = {};
    int i = 0;
    for (; i + kLanes <= p.elements; i += kLanes) {
      for (int k = 0; k < kLanes; ++k) {
        const float magnitude = __builtin_fabsf(x[i + k]);
        largest[k] = magnitude > largest[k] ? magnitude : largest[k];
      }
    }
    float result = 0;
    for (float each : largest) result = each > result ? each : result;
    for (; i < p.elements; ++i) {
      const float magnitude = __builtin_fabsf(x[i]);
      result = magnitude > result ? magnitude : result;
    }
    b.max.f32()[sample] = result;
  });
}

void QuantizeGradient(const QuantizeGradientParams& p, const QuantizeGradientBuffers& b, Pool& pool) {
  const float max = static_cast<float>(p.levels);
  const float half = max / 2;
  const uint32_t step = static_cast<uint32_t>(b.step.i32()[0]);
  const float* dy = b.dy.f32();
  uint8_t* levels = b.levels.u8();
  ForElements(pool, p.samples * p.elements, [&](int first, int end) {
    int i = first;
    while (i < end) {
      const int sample = i / p.elements;
      const int stop = (sample + 1) * p.elements < end ? (sample + 1) * p.elements : end;
      const float largest = b.max.f32()[sample];
      const float inverse = largest > kSmallestMax ? half / largest : 0;
      ForUniform(p.seed, p.stream, step, i, stop, [&](int at, float uniform) {
        levels[at] = RoundToLevel((dy[at] * inverse + half) + (uniform - 0.5f), max);
      });
      i = stop;
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
