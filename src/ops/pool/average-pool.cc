/** Average pooling; see average-pool.ts. Channels are inside, so that compilers vectorise over them. */
#include "kernel.h"
#include "ops.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** Positions first .. end - 1 of a window along an axis, inside of the image. */
struct Inside {
  int first, end;
};

inline Inside PixelsInside(int out, int stride, int size, int pad, int extent) {
  const int first = out * stride - pad;
  return {first < 0 ? 0 : first, first + size < extent ? first + size : extent};
}

}  // namespace

void AveragePool(const AveragePoolParams& p, const AveragePoolBuffers& b, Pool& pool) {
  const int channels = p.channels;
  pool.Run(p.batch * p.outHeight, [&](int task, int thread) {
    double* __restrict sums = static_cast<double*>(pool.Scratch(thread, channels * sizeof(double)));
    const ptrdiff_t image = static_cast<ptrdiff_t>(task / p.outHeight) * p.height * p.width * channels;
    const Inside rows = PixelsInside(task % p.outHeight, p.stride, p.size, p.padTop, p.height);
    for (int ow = 0; ow < p.outWidth; ++ow) {
      const Inside columns = PixelsInside(ow, p.stride, p.size, p.padLeft, p.width);
      for (int c = 0; c < channels; ++c) sums[c] = 0;
      for (int h = rows.first; h < rows.end; ++h) {
        for (int w = columns.first; w < columns.end; ++w) {
          const float* x = b.x.f32() + image + (static_cast<ptrdiff_t>(h) * p.width + w) * channels;
          for (int c = 0; c < channels; ++c) sums[c] += x[c];
        }
      }
      const int pixels = (rows.end - rows.first) * (columns.end - columns.first);
      float* y = b.y.f32() + (static_cast<ptrdiff_t>(task) * p.outWidth + ow) * channels;
      for (int c = 0; c < channels; ++c) y[c] = static_cast<float>(sums[c] / pixels);
    }
  });
}

void AveragePoolGradient(const AveragePoolGradientParams& p, const AveragePoolGradientBuffers& b, Pool& pool) {
  const int channels = p.channels;
  const ptrdiff_t image = static_cast<ptrdiff_t>(p.height) * p.width * channels;
  pool.Run(p.batch, [&](int sample, int) {
    float* dx = b.dx.f32() + sample * image;
    for (ptrdiff_t i = 0; i < image; ++i) dx[i] = 0;
    for (int oh = 0; oh < p.outHeight; ++oh) {
      const Inside rows = PixelsInside(oh, p.stride, p.size, p.padTop, p.height);
      for (int ow = 0; ow < p.outWidth; ++ow) {
        const Inside columns = PixelsInside(ow, p.stride, p.size, p.padLeft, p.width);
        const float pixels = static_cast<float>((rows.end - rows.first) * (columns.end - columns.first));
        const ptrdiff_t out = (static_cast<ptrdiff_t>(sample) * p.outHeight + oh) * p.outWidth + ow;
        const float* __restrict dy = b.dy.f32() + out * channels;
        for (int h = rows.first; h < rows.end; ++h) {
          for (int w = columns.first; w < columns.end; ++w) {
            float* __restrict target = dx + (static_cast<ptrdiff_t>(h) * p.width + w) * channels;
            for (int c = 0; c < channels; ++c) target[c] += dy[c] / pixels;
          }
        }
      }
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
