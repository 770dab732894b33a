/** Dropout; see dropout.ts. */
#include "ops.h"
#include "philox.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

template <class T>
void Drop(const DropoutParams& p, const T* x, T* y, T factor, uint32_t step, Pool& pool) {
  const float rate = p.rate;
  ForElements(pool, p.count, [=, &p](int first, int end) {
    ForUniform(p.seed, p.stream, step, first, end, [=](int at, int count, const float* __restrict uniform) {
      const T* in = x + at;
      T* __restrict out = y + at;
      for (int k = 0; k < count; ++k) {
        const T kept = in[k] * factor;
        out[k] = uniform[k] >= rate ? kept : 0;
      }
    });
  });
}

}  // namespace

void Dropout(const DropoutParams& p, const DropoutBuffers& b, Pool& pool) {
  const uint32_t step = static_cast<uint32_t>(b.step.i32()[0]);
  if (p.isReal) {
    Drop<float>(p, b.x.f32(), b.y.f32(), p.factor, step, pool);
  } else {
    Drop<uint8_t>(p, b.x.u8(), b.y.u8(), 1, step, pool);
  }
}

}  // namespace subbit::SUBBIT_ISA
