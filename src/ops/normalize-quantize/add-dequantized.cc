/** Residual streams; see add-dequantized.ts. */
#include "../elementwise/scaled.h"
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void AddDequantized(const AddDequantizedParams& p, const AddDequantizedBuffers& t, Pool& pool) {
  const Scaled b = {t.b.data, p.bKind, p.bStep, p.bScaleCount, t.bScale.f32()};
  const int elements = p.elements;
  const int count = p.samples * elements;
  const float* a = t.a.f32();
  float* y = t.y.f32();
  b.With([&](const auto* integers) {
    ForElements(pool, count, [=](int first, int end) {
      for (int start = first; start < end;) {
        // Elements start .. stop - 1 have one factor.
        const int sample = start / elements;
        const int stop = b.scaleCount > 1 && (sample + 1) * elements < end ? (sample + 1) * elements : end;
        const float factor = b.FactorOf(sample);
        const float* __restrict left = a;
        const auto* __restrict right = integers;
        float* __restrict out = y;
        for (int i = start; i < stop; ++i) out[i] = left[i] + RealOf(right[i], factor);
        start = stop;
      }
    });
  });
}

}  // namespace subbit::SUBBIT_ISA
