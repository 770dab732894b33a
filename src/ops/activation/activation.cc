/** Activation functions and their slopes; see activation.ts. */
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** activationKinds in activation.ts. */
enum Kind { kRelu = 0, kClip = 1, kCabs = 2 };

inline float Absolute(float v) { return __builtin_fabsf(v); }

}  // namespace

void Activate(const ActivateParams& p, const ActivateBuffers& b, Pool& pool) {
  const float* x = b.x.f32();
  float* __restrict y = b.y.f32();
  const int kind = p.kind;
  ForElements(pool, p.count, [=](int first, int end) {
    if (kind == kRelu) {
      for (int i = first; i < end; ++i) y[i] = x[i] < 0 ? 0 : x[i];
    } else if (kind == kClip) {
      for (int i = first; i < end; ++i) {
        const float positive = x[i] < 0 ? 0 : x[i];
        y[i] = positive > 1 ? 1 : positive;
      }
    } else {
      for (int i = first; i < end; ++i) y[i] = Absolute(x[i]) >= 1 ? 1 : Absolute(x[i]);
    }
  });
}

void ActivateGradient(const ActivateGradientParams& p, const ActivateGradientBuffers& b, Pool& pool) {
  const float* x = b.x.f32();
  const float* dy = b.dy.f32();
  float* __restrict dx = b.dx.f32();
  const int kind = p.kind;
  ForElements(pool, p.count, [=](int first, int end) {
    if (kind == kRelu) {
      for (int i = first; i < end; ++i) dx[i] = x[i] > 0 ? dy[i] : 0;
    } else if (kind == kClip) {
      for (int i = first; i < end; ++i) {
        const float below = x[i] < 1 ? dy[i] : 0;
        dx[i] = x[i] > 0 ? below : 0;
      }
    } else {
      for (int i = first; i < end; ++i) {
        const float sign = static_cast<float>((x[i] > 0) - (x[i] < 0));
        dx[i] = Absolute(x[i]) < 1 ? sign * dy[i] : 0;
      }
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
