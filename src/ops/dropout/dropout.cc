/** Dropout; see dropout.ts. */
#include "ops.h"
#include "philox.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void Dropout(const DropoutParams& p, const DropoutBuffers& b, Pool& pool) {
  const uint32_t step = static_cast<uint32_t>(b.step.i32()[0]);
  ForElements(pool, p.count, [&](int first, int end) {
    if (p.isReal) {
      const float* x = b.x.f32();
      float* y = b.y.f32();
      ForUniform(p.seed, p.stream, step, first, end, [&](int i, float uniform) { y[i] = uniform >= p.rate ? x[i] * p.factor : 0; });
    } else {
      const uint8_t* x = b.x.u8();
      uint8_t* y = b.y.u8();
      ForUniform(p.seed, p.stream, step, first, end, [&](int i, float uniform) { y[i] = uniform >= p.rate ? x[i] : 0; });
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
