/** Gradients of binary weights; see signs.ts. */
#include "../activation/kinds.h"
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void SignGradient(const SignGradientParams& p, const SignGradientBuffers& b, Pool& pool) {
  const int channels = p.channels;
  const float share = p.share;
  const float* x = b.x.f32();
  const float* dy = b.dy.f32();
  const float* scale = b.scale.present() ? b.scale.f32() : nullptr;
  float* __restrict dx = b.dx.f32();
  WithActivation(p.kind, [&](auto kind) {
    ForRows(pool, p.rows, channels, [=](int first, int end) {
      for (int row = first; row < end; ++row) {
        const ptrdiff_t at = static_cast<ptrdiff_t>(row) * channels;
        for (int c = 0; c < channels; ++c) {
          const float slope = 2 * Slope<kind.value>(x[at + c], 1);
          dx[at + c] = (scale == nullptr ? slope : share + scale[c] * slope) * dy[at + c];
        }
      }
    });
  });
}

}  // namespace subbit::SUBBIT_ISA
