/** Pooling of integers; see integer-pool.ts. Channels are inside, so that compilers vectorise over them. */
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

template <class T>
void MaxPoolRows(const IntegerMaxPoolParams& p, const T* x, T* y, Pool& pool) {
  pool.Run(p.batch * p.outHeight, [&](int task, int) {
    const int n = task / p.outHeight;
    const int oh = task % p.outHeight;
    const int channels = p.channels;
    for (int ow = 0; ow < p.outWidth; ++ow) {
      T* __restrict best = y + (static_cast<ptrdiff_t>(task) * p.outWidth + ow) * channels;
      bool isFirst = true;
      for (int i = 0; i < p.size; ++i) {
        const int h = oh * p.stride + i - p.padTop;
        if (h < 0 || h >= p.height) continue;
        for (int j = 0; j < p.size; ++j) {
          const int w = ow * p.stride + j - p.padLeft;
          if (w < 0 || w >= p.width) continue;
          const T* __restrict v = x + ((static_cast<ptrdiff_t>(n) * p.height + h) * p.width + w) * channels;
          if (isFirst) {
            for (int c = 0; c < channels; ++c) best[c] = v[c];
          } else {
            for (int c = 0; c < channels; ++c) best[c] = v[c] > best[c] ? v[c] : best[c];
          }
          isFirst = false;
        }
      }
    }
  });
}

template <class T>
void SumPixels(const SumPoolParams& p, const T* x, int32_t* y, Pool& pool) {
  pool.Run(p.batch, [&](int n, int) {
    const int channels = p.channels;
    int32_t* __restrict sum = y + static_cast<ptrdiff_t>(n) * channels;
    for (int c = 0; c < channels; ++c) sum[c] = 0;
    for (int i = 0; i < p.pixels; ++i) {
      const T* __restrict pixel = x + (static_cast<ptrdiff_t>(n) * p.pixels + i) * channels;
      for (int c = 0; c < channels; ++c) sum[c] += pixel[c];
    }
    for (int c = 0; c < channels; ++c) sum[c] = p.x.multiplier * sum[c] - p.pixels * p.x.offset[c < 4 ? c : 0];
  });
}

}  // namespace

void IntegerMaxPool(const IntegerMaxPoolParams& p, const IntegerMaxPoolBuffers& b, Pool& pool) {
  if (p.isByte) {
    MaxPoolRows(p, b.x.u8(), b.y.u8(), pool);
  } else {
    MaxPoolRows(p, b.x.i32(), b.y.i32(), pool);
  }
}

void SumPool(const SumPoolParams& p, const SumPoolBuffers& b, Pool& pool) {
  if (p.isByte) {
    SumPixels(p, b.x.u8(), b.y.i32(), pool);
  } else {
    SumPixels(p, b.x.i32(), b.y.i32(), pool);
  }
}

}  // namespace subbit::SUBBIT_ISA
