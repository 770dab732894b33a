/**
 * What the fused ops know of each channel, repeated over whole pixels up to the period (normalize-quantize.ts): a loop then runs
 * over hundreds of elements whatever the number of channels.
 */
#pragma once
#include "../batch-norm/deviation.h"
#include "kernel.h"

namespace subbit::SUBBIT_ISA {

enum Normalization { kNothing, kBias, kStatistics };

struct Channels {
  Normalization normalization;
  int period;
  /** z = (x - mean) * scale + beta */
  float* mean;
  float* scale;
  float* beta;
  /** dx = ((dz - offset) - (x - mean) * slope) * scale */
  float* slope;
  float* offset;
};

/** Repeats the first `channels` of `period` numbers. */
inline void Repeat(float* numbers, int channels, int period) {
  for (int i = channels; i < period; ++i) numbers[i] = numbers[i - channels];
}

/** `memory` holds five numbers per element of the period (channelBytes). */
template <class Params, class Buffers>
inline Channels ChannelsOf(const Params& p, const Buffers& b, float* memory) {
  const int period = p.period;
  const Normalization normalization = b.mean.present() ? kStatistics : b.beta.present() ? kBias : kNothing;
  const Channels c = {normalization,       period, memory, memory + period, memory + 2 * period, memory + 3 * period,
                      memory + 4 * period};
  if (normalization == kNothing) return c;
  for (int i = 0; i < p.channels; ++i) c.beta[i] = b.beta.f32()[i];
  Repeat(c.beta, p.channels, period);
  if (normalization == kBias) return c;
  for (int i = 0; i < p.channels; ++i) {
    c.mean[i] = b.mean.f32()[i];
    c.scale[i] = b.gamma.f32()[i] * InverseDeviation(b.variance.f32()[i], p.epsilon);
  }
  Repeat(c.mean, p.channels, period);
  Repeat(c.scale, p.channels, period);
  return c;
}

/** The same with what the gradient takes from the sums of dz, rounded as batch-norm-gradient does. */
template <class Params, class Buffers>
inline Channels GradientChannelsOf(const Params& p, const Buffers& b, float* memory) {
  const Channels c = ChannelsOf(p, b, memory);
  if (c.normalization != kStatistics) return c;
  const double rows = static_cast<double>(p.batch) * p.height * p.width;
  for (int i = 0; i < p.channels; ++i) {
    c.slope[i] = static_cast<float>(b.dGamma.f32()[i] / rows) * InverseDeviation(b.variance.f32()[i], p.epsilon);
    c.offset[i] = static_cast<float>(b.dBeta.f32()[i] / rows);
  }
  Repeat(c.slope, p.channels, c.period);
  Repeat(c.offset, p.channels, c.period);
  return c;
}

/** body(start, count) over pieces of one period of a run of `count` elements that begins with a pixel. */
template <class Body>
inline void ForPeriods(int count, int period, const Body& body) {
  for (int start = 0; start < count; start += period) {
    const Body own = body;
    own(start, count - start < period ? count - start : period);
  }
}

}  // namespace subbit::SUBBIT_ISA
