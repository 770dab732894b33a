/** Combined scales; see scales.ts. */
#include "ops.h"

namespace subbit::SUBBIT_ISA {

void CombineScales(const CombineScalesParams& p, const CombineScalesBuffers& b, Pool&) {
  const float* a = b.a.f32();
  const float scale = b.b.f32()[0];
  float* __restrict y = b.y.f32();
  for (int i = 0; i < p.count; ++i) y[i] = (a[i] * p.factor) * scale;
}

}  // namespace subbit::SUBBIT_ISA
