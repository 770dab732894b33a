/** Quantizer of gradients; see gradients.ts. */
#include "gradient-levels.h"
#include "magnitude.h"
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void MaxAbsPerSample(const MaxAbsPerSampleParams& p, const MaxAbsPerSampleBuffers& b, Pool& pool) {
  ForRows(pool, p.samples, p.elements, [&](int first, int end) {
    for (int sample = first; sample < end; ++sample) {
      b.max.f32()[sample] = LargestMagnitude(b.x.f32() + static_cast<ptrdiff_t>(sample) * p.elements, p.elements);
    }
  });
}

void QuantizeGradient(const QuantizeGradientParams& p, const QuantizeGradientBuffers& b, Pool& pool) {
  const float max = static_cast<float>(p.levels);
  const uint32_t step = static_cast<uint32_t>(b.step.i32()[0]);
  const float* dy = b.dy.f32();
  uint8_t* levels = b.levels.u8();
  ForElements(pool, p.samples * p.elements, [=, &p](int first, int end) {
    for (int start = first; start < end;) {
      const int sample = start / p.elements;
      const int stop = (sample + 1) * p.elements < end ? (sample + 1) * p.elements : end;
      QuantizeGradientElements(dy + start, b.max.f32()[sample], max, {p.seed, p.stream, step, start}, stop - start, levels + start);
      start = stop;
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
