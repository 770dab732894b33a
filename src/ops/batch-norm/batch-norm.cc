/**
 * Batch normalisation; see batch-norm.ts. Statistics and gradient sums take chunks of rows: within a chunk, which stays in the
 * cache, few rows are summed in float and those sums in double; chunks are merged in order.
 */
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

inline float InverseDeviation(float variance, float epsilon) { return 1.0f / __builtin_sqrtf(variance + epsilon); }

/** total[c] += the sum over rows start .. end - 1 of term(row pointer offset, c). `sums` holds `channels` floats. */
template <class Term>
inline void SumOverRows(int start, int end, int channels, float* __restrict sums, double* __restrict total, const Term& term) {
  for (int first = start; first < end; first += kRowsPerFloatSum) {
    const int stop = first + kRowsPerFloatSum < end ? first + kRowsPerFloatSum : end;
    for (int c = 0; c < channels; ++c) sums[c] = 0;
    for (int row = first; row < stop; ++row) {
      const ptrdiff_t at = static_cast<ptrdiff_t>(row) * channels;
      for (int c = 0; c < channels; ++c) sums[c] += term(at, c);
    }
    for (int c = 0; c < channels; ++c) total[c] += sums[c];
  }
}

inline int EndOfChunk(int chunk, int rows) { return rows - chunk * kRowsPerChunk < kRowsPerChunk ? rows : (chunk + 1) * kRowsPerChunk; }

}  // namespace

void BatchStatistics(const BatchStatisticsParams& p, const BatchStatisticsBuffers& b, Pool& pool) {
  const int channels = p.channels;
  const int chunks = ChunksOf(p.rows);
  const float* x = b.x.f32();
  double* means = b.scratch.f64();
  double* squares = means + static_cast<ptrdiff_t>(chunks) * channels;
  pool.Run(chunks, [&](int chunk, int thread) {
    float* sums = static_cast<float*>(pool.Scratch(thread, 2 * channels * sizeof(float)));
    float* __restrict centre = sums + channels;
    double* mean = means + static_cast<ptrdiff_t>(chunk) * channels;
    double* square = squares + static_cast<ptrdiff_t>(chunk) * channels;
    const int start = chunk * kRowsPerChunk;
    const int end = EndOfChunk(chunk, p.rows);
    for (int c = 0; c < channels; ++c) mean[c] = square[c] = 0;
    SumOverRows(start, end, channels, sums, mean, [=](ptrdiff_t at, int c) { return x[at + c]; });
    // Deviations are taken from the mean rounded to float; the merge knows the rounded one.
    for (int c = 0; c < channels; ++c) {
      mean[c] /= end - start;
      centre[c] = static_cast<float>(mean[c]);
    }
    SumOverRows(start, end, channels, sums, square, [=](ptrdiff_t at, int c) {
      const float deviation = x[at + c] - centre[c];
      return deviation * deviation;
    });
    for (int c = 0; c < channels; ++c) {
      const double shift = mean[c] - centre[c];
      square[c] -= (end - start) * shift * shift;
    }
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
    SumOverRows(start, end, channels, sums, product, [=](ptrdiff_t at, int c) { return (x[at + c] - mean[c]) * dy[at + c]; });
    SumOverRows(start, end, channels, sums, sum, [=](ptrdiff_t at, int c) { return dy[at + c]; });
  });
  for (int c = 0; c < channels; ++c) {
    double product = 0;
    double sum = 0;
    for (int chunk = 0; chunk < chunks; ++chunk) {
      product += products[static_cast<ptrdiff_t>(chunk) * channels + c];
      sum += plain[static_cast<ptrdiff_t>(chunk) * channels + c];
    }
    b.dGamma.f32()[c] = static_cast<float>(product * InverseDeviation(b.variance.f32()[c], p.epsilon));
    b.dBeta.f32()[c] = static_cast<float>(sum);
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
