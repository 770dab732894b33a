/** Quantizers of weights; see weights.ts. */
#include "levels.h"
#include "magnitude.h"
#include "math.h"
#include "ops.h"
#include "sum-of.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** The largest |x|. */
float LargestOf(Pool& pool, int count, const float* x) {
  const int tasks = (count + kElementsPerTask - 1) / kElementsPerTask;
  float* partial = static_cast<float*>(pool.Scratch(0, tasks * sizeof(float)));
  ForElements(pool, count, [=](int first, int end) {
    partial[first / kElementsPerTask] = LargestMagnitude(x + first, end - first);
  });
  return LargestMagnitude(partial, tasks);
}

}  // namespace

void MeanAbs(const MeanAbsParams& p, const MeanAbsBuffers& b, Pool& pool) {
  const float* x = b.x.f32();
  const double sum = SumOf(pool, p.count, [=](int i) { return static_cast<double>(__builtin_fabsf(x[i])); });
  b.mean.f32()[0] = static_cast<float>(sum / p.count);
}

void MeanAbsPerChannel(const MeanAbsPerChannelParams& p, const MeanAbsPerChannelBuffers& b, Pool& pool) {
  constexpr int kChannels = 64;
  const int channels = p.channels;
  const float* x = b.x.f32();
  float* mean = b.mean.f32();
  pool.Run((channels + kChannels - 1) / kChannels, [=, rows = p.rows](int task, int) {
    const int first = task * kChannels;
    const int count = channels - first < kChannels ? channels - first : kChannels;
    double sums[kChannels] = {};
    for (int row = 0; row < rows; ++row) {
      const float* at = x + static_cast<ptrdiff_t>(row) * channels + first;
      for (int c = 0; c < count; ++c) sums[c] += static_cast<double>(__builtin_fabsf(at[c]));
    }
    for (int c = 0; c < count; ++c) mean[first + c] = static_cast<float>(sums[c] / rows);
  });
}

void QuantizeSign(const QuantizeSignParams& p, const QuantizeSignBuffers& b, Pool& pool) {
  const float* x = b.x.f32();
  uint8_t* __restrict levels = b.levels.u8();
  ForElements(pool, p.count, [=](int first, int end) {
    for (int i = first; i < end; ++i) levels[i] = x[i] >= 0;
  });
}

void MaxAbsTanh(const MaxAbsTanhParams& p, const MaxAbsTanhBuffers& b, Pool& pool) {
  b.max.f32()[0] = static_cast<float>(Tanh(LargestOf(pool, p.count, b.x.f32())));
}

void QuantizeTanh(const QuantizeTanhParams& p, const QuantizeTanhBuffers& b, Pool& pool) {
  const float max = b.max.f32()[0];
  const float inverse = max > 0 ? 0.5f / max : 0;
  const float count = static_cast<float>(p.levels);
  const float* x = b.x.f32();
  uint8_t* __restrict levels = b.levels.u8();
  ForElements(pool, p.count, [=](int first, int end) {
    for (int i = first; i < end; ++i) {
      const float r = static_cast<float>(Tanh(x[i])) * inverse + 0.5f;
      levels[i] = RoundToLevel(r * count, count);
    }
  });
}

void QuantizeTanhGradient(const QuantizeTanhGradientParams& p, const QuantizeTanhGradientBuffers& b, Pool& pool) {
  const double max = b.max.f32()[0];
  const float* x = b.x.f32();
  const float* dLevels = b.dLevels.f32();
  float* __restrict dx = b.dx.f32();
  if (max == 0) {
    for (int i = 0; i < p.count; ++i) dx[i] = 0;
    return;
  }
  ForElements(pool, p.count, [=](int first, int end) {
    for (int i = first; i < end; ++i) {
      const double t = Tanh(x[i]);
      dx[i] = static_cast<float>(dLevels[i] * (1 - t * t) / max);
    }
  });
  const double products = SumOf(pool, p.count, [=](int i) { return dLevels[i] * Tanh(x[i]); });
  const float largest = LargestOf(pool, p.count, x);
  int at = 0;
  while (at < p.count - 1 && __builtin_fabsf(x[at]) != largest) ++at;
  const double t = Tanh(x[at]);
  const double sign = (t > 0) - (t < 0);
  dx[at] = static_cast<float>(dx[at] - products / (max * max) * sign * (1 - t * t));
}

}  // namespace subbit::SUBBIT_ISA
