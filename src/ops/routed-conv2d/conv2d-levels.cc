/** Convolution to levels, a few samples at a time, and the gradient of its bias; see routed-conv2d.ts. */
#include "../elementwise/scaled.h"
#include "../pool/window-maximum.h"
#include "ops.h"
#include "windows.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** Channels of one window, from the convolution's output to levels and routes. */
struct WindowToLevels {
  /** The convolution's output at the first of the taps. */
  const float* y;
  WindowTaps taps;
  const float* bias;
  float max;
  uint8_t* levels;
  uint8_t* route;

  template <int kCount, int kVectors>
  inline void Run(int c) const {
    Lanes<float, kCount> largest[kVectors] = {};
    Lanes<int32_t, kCount> number[kVectors] = {};
    const auto value = [&](ptrdiff_t at, int v) {
      return LoadLanes<kCount>(y + at + c + v * kCount) + LoadLanes<kCount>(bias + c + v * kCount);
    };
    FindMaximum<kCount, kVectors>(taps, largest, value, [&](Lanes<int32_t, kCount> wins, int tap, ptrdiff_t, int v) {
      number[v] = wins ? Lanes<int32_t, kCount>{} + tap : number[v];
    });
    for (int v = 0; v < kVectors; ++v) Finish<kCount>(largest[v], number[v], c + v * kCount);
  }

  /** clip, quantize-unit and the route, as levels.h rounds. */
  template <int kCount>
  inline void Finish(Lanes<float, kCount> z, Lanes<int32_t, kCount> at, int c) const {
    using Floats = Lanes<float, kCount>;
    using Integers = Lanes<int32_t, kCount>;
    constexpr float kRounding = 12582912.0f;
    const Floats zero = {};
    const Floats positive = z > zero ? z : zero;
    const Floats clipped = positive < 1 ? positive : zero + 1;
    const Integers level = (Integers)(clipped * max + kRounding) & 0xff;
    const Integers passes = (z > zero) & (z < 1);
    StoreLanes<kCount>(levels + c, __builtin_convertvector(level, Lanes<uint8_t, kCount>));
    StoreLanes<kCount>(route + c, __builtin_convertvector((at & passes) | (kNowhere & ~passes), Lanes<uint8_t, kCount>));
  }
};

/** One row of one sample's windows. */
inline void FinishRow(const RoutedWindows& w, const float* y, const float* bias, int row, float max, uint8_t* levels, uint8_t* route) {
  for (int column = 0; column < w.pooledWidth; ++column, levels += w.channels, route += w.channels) {
    const int top = row * w.stride - w.top;
    const int left = column * w.stride - w.left;
    const WindowTaps taps = TapsInside(top, left, w.size, w.height, w.width, w.channels);
    ForRegisters<kLanes>(w.channels, WindowToLevels{y + taps.place, taps, bias, max, levels, route});
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
  Conv2dParams c = PlainConvolution<Conv2dParams>(p);
  c.filter = p.filter;
  Conv2dBuffers buffers = {};
  buffers.filter = b.filter;
  buffers.y.data = y;
  buffers.scratch = b.scratch;
  for (int n = 0; n < p.batch; n += p.samplesAtOnce) {
    c.batch = p.batch - n < p.samplesAtOnce ? p.batch - n : p.samplesAtOnce;
    buffers.x.data = b.x.u8() + n * xBytes;
    Conv2d(c, buffers, pool);
    pool.Run(c.batch * p.pooledHeight, [&](int task, int) {
      const int sample = task / p.pooledHeight;
      const int row = task % p.pooledHeight;
      const ptrdiff_t out = (static_cast<ptrdiff_t>(n + sample) * p.pooledHeight + row) * pooledRow;
      FinishRow(w, y + sample * convolved, b.bias.f32(), row, max, b.levels.u8() + out, b.route.u8() + out);
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
