/** Activation functions and their slopes; see activation.ts. */
#include "kinds.h"
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void Activate(const ActivateParams& p, const ActivateBuffers& b, Pool& pool) {
  const float* x = b.x.f32();
  float* __restrict y = b.y.f32();
  WithActivation(p.kind, [&](auto kind) {
    ForElements(pool, p.count, [=](int first, int end) {
      for (int i = first; i < end; ++i) y[i] = Activated<kind.value>(x[i]);
    });
  });
}

void ActivateGradient(const ActivateGradientParams& p, const ActivateGradientBuffers& b, Pool& pool) {
  const float* x = b.x.f32();
  const float* dy = b.dy.f32();
  float* __restrict dx = b.dx.f32();
  WithActivation(p.kind, [&](auto kind) {
    ForElements(pool, p.count, [=](int first, int end) {
      for (int i = first; i < end; ++i) dx[i] = Slope<kind.value>(x[i], dy[i]);
    });
  });
}

}  // namespace subbit::SUBBIT_ISA
