/** Quantizer of gradients; see gradients.ts. */
#include "levels.h"
#include "magnitude.h"
#include "ops.h"
#include "philox.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** smallestMax in gradients.ts */
constexpr float kSmallestMax = 0x1p-100f;

}  // namespace

void MaxAbsPerSample(const MaxAbsPerSampleParams& p, const MaxAbsPerSampleBuffers& b, Pool& pool) {
  ForRows(pool, p.samples, p.elements, [&](int first, int end) {
    for (int sample = first; sample < end; ++sample) {
      b.max.f32()[sample] = LargestMagnitude(b.x.f32() + static_cast<ptrdiff_t>(sample) * p.elements, p.elements);
    }
  });
}

void QuantizeGradient(const QuantizeGradientParams& p, const QuantizeGradientBuffers& b, Pool& pool) {
  const float max = static_cast<float>(p.levels);
  const float half = max / 2;
  const uint32_t step = static_cast<uint32_t>(b.step.i32()[0]);
  const float* dy = b.dy.f32();
  uint8_t* levels = b.levels.u8();
  ForElements(pool, p.samples * p.elements, [=, &p](int first, int end) {
    int i = first;
    while (i < end) {
      const int sample = i / p.elements;
      const int stop = (sample + 1) * p.elements < end ? (sample + 1) * p.elements : end;
      const float largest = b.max.f32()[sample];
      const float inverse = largest > kSmallestMax ? half / largest : 0;
      ForUniform(p.seed, p.stream, step, i, stop, [=](int at, int count, const float* __restrict uniform) {
        const float* in = dy + at;
        uint8_t* __restrict out = levels + at;
        for (int k = 0; k < count; ++k) out[k] = RoundToLevel((in[k] * inverse + half) + (uniform[k] - 0.5f), max);
      });
      i = stop;
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
