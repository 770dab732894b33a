/** Two images side by side; see concat.ts. */
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

template <class T>
void Join(const ConcatParams& p, const T* a, const T* b, T* y, Pool& pool) {
  const int channels = p.channelsA + p.channelsB;
  ForRows(pool, p.rows, channels, [=](int first, int end) {
    for (int row = first; row < end; ++row) {
      const T* left = a + static_cast<ptrdiff_t>(row) * p.channelsA;
      const T* right = b + static_cast<ptrdiff_t>(row) * p.channelsB;
      T* __restrict out = y + static_cast<ptrdiff_t>(row) * channels;
      for (int c = 0; c < p.channelsA; ++c) out[c] = left[c];
      for (int c = 0; c < p.channelsB; ++c) out[p.channelsA + c] = right[c];
    }
  });
}

}  // namespace

/** Elements are copied, so floats go as the integers of their size. */
void Concat(const ConcatParams& p, const ConcatBuffers& b, Pool& pool) {
  if (p.elementBytes == 1) {
    Join(p, b.a.u8(), b.b.u8(), b.y.u8(), pool);
  } else {
    Join(p, b.a.i32(), b.b.i32(), b.y.i32(), pool);
  }
}

void ConcatGradient(const ConcatGradientParams& p, const ConcatGradientBuffers& b, Pool& pool) {
  const int channels = p.channelsA + p.channelsB;
  const float* dy = b.dy.f32();
  float* dA = b.dA.f32();
  float* dB = b.dB.f32();
  ForRows(pool, p.rows, channels, [=](int first, int end) {
    for (int row = first; row < end; ++row) {
      const float* in = dy + static_cast<ptrdiff_t>(row) * channels;
      float* __restrict left = dA + static_cast<ptrdiff_t>(row) * p.channelsA;
      float* __restrict right = dB + static_cast<ptrdiff_t>(row) * p.channelsB;
      for (int c = 0; c < p.channelsA; ++c) left[c] = in[c];
      for (int c = 0; c < p.channelsB; ++c) right[c] = in[p.channelsA + c];
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
