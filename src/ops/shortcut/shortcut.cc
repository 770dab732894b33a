/** The parameter-free shortcut; see shortcut.ts. */
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void StrideShortcut(const StrideShortcutParams& p, const StrideShortcutBuffers& b, Pool& pool) {
  pool.Run(p.batch * p.outHeight, [&](int task, int) {
    const int sample = task / p.outHeight;
    const int row = task % p.outHeight;
    const float* x = b.x.f32() + static_cast<ptrdiff_t>(sample * p.height + row * p.stride) * p.width * p.channels;
    float* y = b.y.f32() + static_cast<ptrdiff_t>(task) * p.outWidth * p.outChannels;
    for (int column = 0; column < p.outWidth; ++column) {
      for (int c = 0; c < p.channels; ++c) y[c] = x[c];
      for (int c = p.channels; c < p.outChannels; ++c) y[c] = 0;
      x += p.stride * p.channels;
      y += p.outChannels;
    }
  });
}

void StrideShortcutGradient(const StrideShortcutGradientParams& p, const StrideShortcutGradientBuffers& b, Pool& pool) {
  pool.Run(p.batch * p.height, [&](int task, int) {
    const int sample = task / p.height;
    const int row = task % p.height;
    float* dx = b.dx.f32() + static_cast<ptrdiff_t>(task) * p.width * p.channels;
    for (int i = 0; i < p.width * p.channels; ++i) dx[i] = 0;
    if (row % p.stride != 0) return;
    const float* dy = b.dy.f32() + static_cast<ptrdiff_t>(sample * p.outHeight + row / p.stride) * p.outWidth * p.outChannels;
    for (int column = 0; column < p.outWidth; ++column) {
      for (int c = 0; c < p.channels; ++c) dx[c] = dy[c];
      dx += p.stride * p.channels;
      dy += p.outChannels;
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
