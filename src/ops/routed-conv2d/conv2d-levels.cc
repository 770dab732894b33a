/** Convolution to levels, a few samples at a time, and the gradient of its bias; see routed-conv2d.ts. */
#include "../activation/kinds.h"
#include "../elementwise/scaled.h"
#include "../quantize/levels.h"
#include "ops.h"
#include "windows.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** The largest z of every channel of one window, and where it was. */
struct Maxima {
  float* __restrict best;
  int32_t* __restrict at;
};

inline void FindMaxima(const RoutedWindows& w, const float* y, const float* bias, int row, int column, const Maxima& maxima) {
  const int channels = w.channels;
  bool isFirst = true;
  for (int i = 0; i < w.size; ++i) {
    const int h = row * w.stride + i - w.top;
    if (h < 0 || h >= w.height) continue;
    for (int j = 0; j < w.size; ++j) {
      const int column0 = column * w.stride + j - w.left;
      if (column0 < 0 || column0 >= w.width) continue;
      const float* __restrict v = y + (static_cast<ptrdiff_t>(h) * w.width + column0) * channels;
      const int32_t tap = i * w.size + j;
      if (isFirst) {
        for (int c = 0; c < channels; ++c) {
          maxima.best[c] = v[c] + bias[c];
          maxima.at[c] = tap;
        }
      } else {
        for (int c = 0; c < channels; ++c) {
          const float z = v[c] + bias[c];
          maxima.at[c] = z > maxima.best[c] ? tap : maxima.at[c];
          maxima.best[c] = z > maxima.best[c] ? z : maxima.best[c];
        }
      }
      isFirst = false;
    }
  }
}

/** One row of one sample's windows. */
inline void FinishRow(const RoutedWindows& w, const float* y, const float* bias, int row, float max, const Maxima& maxima,
                      uint8_t* levels, uint8_t* route) {
  const int channels = w.channels;
  for (int column = 0; column < w.pooledWidth; ++column, levels += channels, route += channels) {
    FindMaxima(w, y, bias, row, column, maxima);
    uint8_t* __restrict level = levels;
    uint8_t* __restrict way = route;
    for (int c = 0; c < channels; ++c) {
      const float z = maxima.best[c];
      level[c] = RoundToLevel(Activated<kClip>(z) * max, max);
      way[c] = static_cast<uint8_t>(z > 0 && z < 1 ? maxima.at[c] : kNowhere);
    }
  }
}

}  // namespace

void Conv2dLevels(const Conv2dLevelsParams& p, const Conv2dLevelsBuffers& b, Pool& pool) {
  const RoutedWindows w(p);
  const float max = static_cast<float>(p.levels);
  const ptrdiff_t xBytes = static_cast<ptrdiff_t>(p.height) * p.width * p.inChannels * p.xBytes;
  const ptrdiff_t convolved = static_cast<ptrdiff_t>(p.outHeight) * p.outWidth * p.outChannels;
  const ptrdiff_t pooledRow = static_cast<ptrdiff_t>(p.pooledWidth) * p.outChannels;
  float* y = reinterpret_cast<float*>(b.scratch.u8() + (p.convolutionScratch + 63) / 64 * 64);
  Conv2dParams c = {};
  c.height = p.height;
  c.width = p.width;
  c.inChannels = p.inChannels;
  c.outHeight = p.outHeight;
  c.outWidth = p.outWidth;
  c.outChannels = p.outChannels;
  c.kernelHeight = p.kernelHeight;
  c.kernelWidth = p.kernelWidth;
  c.stride = p.stride;
  c.dilation = p.dilation;
  c.groups = p.groups;
  c.padTop = p.padTop;
  c.padLeft = p.padLeft;
  c.factor = p.factor;
  c.x = p.x;
  c.filter = p.filter;
  c.exactTerms = 0x7fffffff;
  Conv2dBuffers buffers = {};
  buffers.filter = b.filter;
  buffers.y.data = y;
  buffers.scratch = b.scratch;
  for (int n = 0; n < p.batch; n += p.samplesAtOnce) {
    c.batch = p.batch - n < p.samplesAtOnce ? p.batch - n : p.samplesAtOnce;
    buffers.x.data = b.x.u8() + n * xBytes;
    Conv2d(c, buffers, pool);
    pool.Run(c.batch * p.pooledHeight, [&](int task, int thread) {
      float* best = static_cast<float*>(pool.Scratch(thread, p.outChannels * 2 * sizeof(float)));
      const Maxima maxima = {best, reinterpret_cast<int32_t*>(best + p.outChannels)};
      const int sample = task / p.pooledHeight;
      const int row = task % p.pooledHeight;
      const ptrdiff_t out = (static_cast<ptrdiff_t>(n + sample) * p.pooledHeight + row) * pooledRow;
      FinishRow(w, y + sample * convolved, b.bias.f32(), row, max, maxima, b.levels.u8() + out, b.route.u8() + out);
    });
  }
}

void RoutedBiasGradient(const RoutedBiasGradientParams& p, const RoutedBiasGradientBuffers& b, Pool& pool) {
  const Scaled dy = {b.dy.data, p.dyKind, p.dyStep, p.dyScaleCount, b.dyScale.f32()};
  const int channels = p.channels;
  double* sums = b.scratch.f64();
  pool.Run(p.samples, [&](int sample, int thread) {
    float* __restrict partial = static_cast<float*>(pool.Scratch(thread, channels * sizeof(float)));
    double* __restrict sum = sums + static_cast<ptrdiff_t>(sample) * channels;
    const float factor = dy.FactorOf(sample);
    for (int c = 0; c < channels; ++c) sum[c] = 0;
    dy.With([&](const auto* elements) {
      // Few enough pixels that the float sum's rounding does not show.
      constexpr int kPixels = 16;
      for (int first = 0; first < p.pixels; first += kPixels) {
        const int end = first + kPixels < p.pixels ? first + kPixels : p.pixels;
        for (int c = 0; c < channels; ++c) partial[c] = 0;
        for (int pixel = first; pixel < end; ++pixel) {
          const ptrdiff_t at = (static_cast<ptrdiff_t>(sample) * p.pixels + pixel) * channels;
          const auto* __restrict v = elements + at;
          const uint8_t* __restrict way = b.route.u8() + at;
          for (int c = 0; c < channels; ++c) partial[c] += way[c] == kNowhere ? 0 : RealOf(v[c], factor);
        }
        for (int c = 0; c < channels; ++c) sum[c] += partial[c];
      }
    });
  });
  for (int c = 0; c < channels; ++c) {
    double total = 0;
    for (int sample = 0; sample < p.samples; ++sample) total += sums[static_cast<ptrdiff_t>(sample) * channels + c];
    b.dBias.f32()[c] = static_cast<float>(total);
  }
}

}  // namespace subbit::SUBBIT_ISA
