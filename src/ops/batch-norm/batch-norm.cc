/**
 * Batch normalisation; see batch-norm.ts. Statistics and gradient sums take chunks of rows: within a chunk, which stays in the
 * cache, few rows are summed in float and those sums in double; chunks are merged in order.
 */
#include "../conv2d/vector.h"
#include "../elementwise/row-sums.h"
#include "../elementwise/scaled.h"
#include "deviation.h"
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** Mean and sum of squared deviations of a chunk, from the mean rounded to float. */
template <class T>
inline void FloatStatistics(const BatchStatisticsParams& p, const T* elements, const Scaled& x, Range rows, Pool& pool, int thread,
                            double* mean, double* square) {
  const int channels = p.channels;
  const int rowsPerSample = p.rows / p.samples;
  float* sums = static_cast<float*>(pool.Scratch(thread, 2 * channels * sizeof(float)));
  float* __restrict centre = sums + channels;
  for (int c = 0; c < channels; ++c) mean[c] = square[c] = 0;
  const auto rowOf = [=](int row) {
    const T* in = elements + static_cast<ptrdiff_t>(row) * channels;
    const float factor = x.scaleCount > 1 ? x.FactorOf(row / rowsPerSample) : x.FactorOf(0);
    return [=](int c) { return RealOf(in[c], factor); };
  };
  SumOverRows(rows.first, rows.end, channels, sums, mean, rowOf);
  // The merge knows the rounded mean.
  for (int c = 0; c < channels; ++c) {
    mean[c] /= rows.size();
    centre[c] = static_cast<float>(mean[c]);
  }
  SumOverRows(rows.first, rows.end, channels, sums, square, [=](int row) {
    const auto real = rowOf(row);
    return [=](int c) {
      const float deviation = real(c) - centre[c];
      return deviation * deviation;
    };
  });
  for (int c = 0; c < channels; ++c) {
    const double shift = mean[c] - centre[c];
    square[c] -= rows.size() * shift * shift;
  }
}

/** Elements in a row of sums over few channels: whole pixels. */
constexpr int kSumElements = 256;

/** Whether sums of at least as many squares as make it worth while fit 32 bits, and all have one factor. */
inline bool SumsExactly(const BatchStatisticsParams& p) {
  return p.xKind != kFloats && p.xScaleCount <= 1 && p.xMax <= (1 << 13);
}

/**
 * The same of integers: sums of the integers and of their squares are exact in one pass, so that nothing is lost when the
 * square of the mean is taken away.
 */
template <class T>
inline void ExactStatistics(const BatchStatisticsParams& p, const T* elements, float factor, Range rows, Pool& pool, int thread,
                            double* mean, double* square) {
  const int channels = p.channels;
  const int period = channels * Max(1, kSumElements / channels);
  const int count = rows.size() * channels;
  const int periodsPerSum = static_cast<int>(0x7fffffff / (static_cast<int64_t>(p.xMax) * p.xMax + 1));
  int32_t* __restrict sums = static_cast<int32_t*>(pool.Scratch(thread, 2 * period * sizeof(int32_t)));
  int32_t* __restrict products = sums + period;
  for (int c = 0; c < channels; ++c) mean[c] = square[c] = 0;
  for (int start = 0; start < count;) {
    for (int i = 0; i < 2 * period; ++i) sums[i] = 0;
    for (int k = 0; k < periodsPerSum && start < count; ++k, start += period) {
      const T* __restrict in = elements + static_cast<ptrdiff_t>(rows.first) * channels + start;
      const int n = Min(period, count - start);
      for (int i = 0; i < n; ++i) {
        const int32_t each = static_cast<int32_t>(in[i]);
        sums[i] += each;
        products[i] += each * each;
      }
    }
    for (int i = 0; i < period; i += channels) {
      for (int c = 0; c < channels; ++c) {
        mean[c] += sums[i + c];
        square[c] += products[i + c];
      }
    }
  }
  const double unit = factor;
  for (int c = 0; c < channels; ++c) {
    square[c] = unit * unit * (square[c] - mean[c] * mean[c] / rows.size());
    mean[c] = unit * mean[c] / rows.size();
  }
}

}  // namespace

void BatchStatistics(const BatchStatisticsParams& p, const BatchStatisticsBuffers& b, Pool& pool) {
  const int channels = p.channels;
  const int chunks = ChunksOf(p.rows);
  const Scaled x = {b.x.data, p.xKind, p.xStep, p.xScaleCount, b.xScale.f32()};
  const bool isExact = SumsExactly(p);
  double* means = b.scratch.f64();
  double* squares = means + static_cast<ptrdiff_t>(chunks) * channels;
  pool.Run(chunks, [&](int chunk, int thread) {
    const Range rows = {chunk * kRowsPerChunk, EndOfChunk(chunk, p.rows)};
    double* mean = means + static_cast<ptrdiff_t>(chunk) * channels;
    double* square = squares + static_cast<ptrdiff_t>(chunk) * channels;
    x.With([&](const auto* elements) {
      if (isExact) {
        ExactStatistics(p, elements, x.FactorOf(0), rows, pool, thread, mean, square);
      } else {
        FloatStatistics(p, elements, x, rows, pool, thread, mean, square);
      }
    });
  });
  for (int c = 0; c < channels; ++c) {
    double sum = 0;
    for (int chunk = 0; chunk < chunks; ++chunk) {
      sum += means[static_cast<ptrdiff_t>(chunk) * channels + c] * (EndOfChunk(chunk, p.rows) - chunk * kRowsPerChunk);
    }
    const double mean = sum / p.rows;
    double square = 0;
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const double shift = means[static_cast<ptrdiff_t>(chunk) * channels + c] - mean;
      square += squares[static_cast<ptrdiff_t>(chunk) * channels + c] + (EndOfChunk(chunk, p.rows) - chunk * kRowsPerChunk) * shift * shift;
    }
    b.mean.f32()[c] = static_cast<float>(mean);
    b.variance.f32()[c] = static_cast<float>(square > 0 ? square / p.rows : 0);
  }
}

void BatchNormalize(const BatchNormalizeParams& p, const BatchNormalizeBuffers& b, Pool& pool) {
  const int channels = p.channels;
  float* scale = static_cast<float*>(pool.Scratch(0, channels * sizeof(float)));
  for (int c = 0; c < channels; ++c) scale[c] = b.gamma.f32()[c] * InverseDeviation(b.variance.f32()[c], p.epsilon);
  const float* mean = b.mean.f32();
  const float* beta = b.beta.f32();
  ForRows(pool, p.rows, channels, [&](int first, int end) {
    for (int row = first; row < end; ++row) {
      const float* __restrict x = b.x.f32() + static_cast<ptrdiff_t>(row) * channels;
      float* __restrict y = b.y.f32() + static_cast<ptrdiff_t>(row) * channels;
      for (int c = 0; c < channels; ++c) y[c] = (x[c] - mean[c]) * scale[c] + beta[c];
    }
  });
}

void UpdateRunningStatistics(const UpdateRunningStatisticsParams& p, const UpdateRunningStatisticsBuffers& b, Pool&) {
  float* mean = b.runningMean.f32();
  float* variance = b.runningVariance.f32();
  for (int c = 0; c < p.channels; ++c) {
    mean[c] = p.kept * mean[c] + p.added * b.mean.f32()[c];
    variance[c] = p.kept * variance[c] + p.added * (p.unbias * b.variance.f32()[c]);
  }
}

void BatchNormGradientSums(const BatchNormGradientSumsParams& p, const BatchNormGradientSumsBuffers& b, Pool& pool) {
  const int channels = p.channels;
  const int chunks = ChunksOf(p.rows);
  const float* x = b.x.f32();
  const float* dy = b.dy.f32();
  const float* mean = b.mean.f32();
  double* products = b.scratch.f64();
  double* plain = products + static_cast<ptrdiff_t>(chunks) * channels;
  pool.Run(chunks, [&](int chunk, int thread) {
    float* sums = static_cast<float*>(pool.Scratch(thread, channels * sizeof(float)));
    double* product = products + static_cast<ptrdiff_t>(chunk) * channels;
    double* sum = plain + static_cast<ptrdiff_t>(chunk) * channels;
    for (int c = 0; c < channels; ++c) product[c] = sum[c] = 0;
    const int start = chunk * kRowsPerChunk;
    const int end = EndOfChunk(chunk, p.rows);
    SumOverRows(start, end, channels, sums, product, [=](int row) {
      const ptrdiff_t at = static_cast<ptrdiff_t>(row) * channels;
      return [=](int c) { return (x[at + c] - mean[c]) * dy[at + c]; };
    });
    SumOverRows(start, end, channels, sums, sum, [=](int row) {
      const float* in = dy + static_cast<ptrdiff_t>(row) * channels;
      return [=](int c) { return in[c]; };
    });
  });
  for (int c = 0; c < channels; ++c) {
    const double product = SumOfChunks(products, chunks, channels, c);
    b.dGamma.f32()[c] = static_cast<float>(product * InverseDeviation(b.variance.f32()[c], p.epsilon));
    b.dBeta.f32()[c] = static_cast<float>(SumOfChunks(plain, chunks, channels, c));
  }
}

void BatchNormGradient(const BatchNormGradientParams& p, const BatchNormGradientBuffers& b, Pool& pool) {
  const int channels = p.channels;
  float* scale = static_cast<float*>(pool.Scratch(0, 3 * channels * sizeof(float)));
  float* slope = scale + channels;
  float* offset = slope + channels;
  // In double, because a float does not hold every number of rows; the quotient is rounded to float as one of floats would be.
  const double rows = p.rows;
  for (int c = 0; c < channels; ++c) {
    const float inverse = InverseDeviation(b.variance.f32()[c], p.epsilon);
    scale[c] = b.gamma.f32()[c] * inverse;
    slope[c] = static_cast<float>(b.dGamma.f32()[c] / rows) * inverse;
    offset[c] = static_cast<float>(b.dBeta.f32()[c] / rows);
  }
  const float* mean = b.mean.f32();
  ForRows(pool, p.rows, channels, [&](int first, int end) {
    for (int row = first; row < end; ++row) {
      const float* __restrict x = b.x.f32() + static_cast<ptrdiff_t>(row) * channels;
      const float* __restrict dy = b.dy.f32() + static_cast<ptrdiff_t>(row) * channels;
      float* __restrict dx = b.dx.f32() + static_cast<ptrdiff_t>(row) * channels;
      for (int c = 0; c < channels; ++c) dx[c] = ((dy[c] - offset[c]) - (x[c] - mean[c]) * slope[c]) * scale[c];
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
