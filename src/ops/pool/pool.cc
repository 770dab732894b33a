/** Pooling; see pool.ts. Windows are walked tap by tap with the channels inside, so that compilers vectorise over channels. */
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** Row `oh` of one sample's output. The first tap inside the image starts; another wins only when it is larger. */
template <class T>
inline void MaxPoolRow(const MaxPoolParams& p, const T* x, int oh, T* y, uint8_t* index) {
  const int channels = p.channels;
  for (int ow = 0; ow < p.outWidth; ++ow) {
    T* __restrict best = y + static_cast<ptrdiff_t>(ow) * channels;
    uint8_t* __restrict at = index + static_cast<ptrdiff_t>(ow) * channels;
    bool isFirst = true;
    for (int i = 0; i < p.size; ++i) {
      const int h = oh * p.stride + i - p.padTop;
      if (h < 0 || h >= p.height) continue;
      for (int j = 0; j < p.size; ++j) {
        const int w = ow * p.stride + j - p.padLeft;
        if (w < 0 || w >= p.width) continue;
        const T* __restrict v = x + (static_cast<ptrdiff_t>(h) * p.width + w) * channels;
        const uint8_t tap = static_cast<uint8_t>(i * p.size + j);
        if (isFirst) {
          for (int c = 0; c < channels; ++c) {
            best[c] = v[c];
            at[c] = tap;
          }
        } else {
          for (int c = 0; c < channels; ++c) {
            at[c] = v[c] > best[c] ? tap : at[c];
            best[c] = v[c] > best[c] ? v[c] : best[c];
          }
        }
        isFirst = false;
      }
    }
  }
}

}  // namespace

void MaxPool(const MaxPoolParams& p, const MaxPoolBuffers& b, Pool& pool) {
  const ptrdiff_t image = static_cast<ptrdiff_t>(p.height) * p.width * p.channels;
  const ptrdiff_t row = static_cast<ptrdiff_t>(p.outWidth) * p.channels;
  ForRows(pool, p.batch * p.outHeight, p.outWidth * p.channels, [&](int first, int end) {
    for (int i = first; i < end; ++i) {
      const int sample = i / p.outHeight;
      const int oh = i % p.outHeight;
      uint8_t* index = b.index.u8() + i * row;
      if (p.isReal) {
        MaxPoolRow<float>(p, b.x.f32() + sample * image, oh, b.y.f32() + i * row, index);
      } else {
        MaxPoolRow<uint8_t>(p, b.x.u8() + sample * image, oh, b.y.u8() + i * row, index);
      }
    }
  });
}

void MaxPoolGradient(const MaxPoolGradientParams& p, const MaxPoolGradientBuffers& b, Pool& pool) {
  const ptrdiff_t image = static_cast<ptrdiff_t>(p.height) * p.width * p.channels;
  const ptrdiff_t outImage = static_cast<ptrdiff_t>(p.outHeight) * p.outWidth * p.channels;
  pool.Run(p.batch, [&](int sample, int) {
    float* dx = b.dx.f32() + sample * image;
    for (ptrdiff_t i = 0; i < image; ++i) dx[i] = 0;
    for (int oh = 0; oh < p.outHeight; ++oh) {
      for (int ow = 0; ow < p.outWidth; ++ow) {
        const ptrdiff_t out = sample * outImage + (static_cast<ptrdiff_t>(oh) * p.outWidth + ow) * p.channels;
        const float* __restrict dy = b.dy.f32() + out;
        const uint8_t* __restrict index = b.index.u8() + out;
        for (int i = 0; i < p.size; ++i) {
          const int h = oh * p.stride + i - p.padTop;
          if (h < 0 || h >= p.height) continue;
          for (int j = 0; j < p.size; ++j) {
            const int w = ow * p.stride + j - p.padLeft;
            if (w < 0 || w >= p.width) continue;
            float* __restrict target = dx + (static_cast<ptrdiff_t>(h) * p.width + w) * p.channels;
            const uint8_t tap = static_cast<uint8_t>(i * p.size + j);
            for (int c = 0; c < p.channels; ++c) target[c] += index[c] == tap ? dy[c] : 0;
          }
        }
      }
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
