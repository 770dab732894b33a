/** A leaky relu with a learned kink, slope and offset per channel; see rprelu.ts. */
#include "../elementwise/row-sums.h"
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void Rprelu(const RpreluParams& p, const RpreluBuffers& b, Pool& pool) {
  const int channels = p.channels;
  const float* gamma = b.gamma.f32();
  const float* beta = b.beta.f32();
  const float* zeta = b.zeta.f32();
  const float* x = b.x.f32();
  float* y = b.y.f32();
  ForRows(pool, p.rows, channels, [=](int first, int end) {
    for (int row = first; row < end; ++row) {
      const float* __restrict in = x + static_cast<ptrdiff_t>(row) * channels;
      float* __restrict out = y + static_cast<ptrdiff_t>(row) * channels;
      for (int c = 0; c < channels; ++c) {
        const float distance = in[c] - gamma[c];
        const float below = beta[c] * distance;
        out[c] = (distance > 0 ? distance : below) + zeta[c];
      }
    }
  });
}

void RpreluGradient(const RpreluGradientParams& p, const RpreluGradientBuffers& b, Pool& pool) {
  const int channels = p.channels;
  const int chunks = ChunksOf(p.rows);
  const float* gamma = b.gamma.f32();
  const float* beta = b.beta.f32();
  const float* x = b.x.f32();
  const float* dy = b.dy.f32();
  float* dx = b.dx.f32();
  const ptrdiff_t partials = static_cast<ptrdiff_t>(chunks) * channels;
  double* passed = b.scratch.f64();
  double* below = passed + partials;
  double* all = below + partials;
  pool.Run(chunks, [&](int chunk, int thread) {
    float* sums = static_cast<float*>(pool.Scratch(thread, channels * sizeof(float)));
    const ptrdiff_t own = static_cast<ptrdiff_t>(chunk) * channels;
    for (int c = 0; c < channels; ++c) passed[own + c] = below[own + c] = all[own + c] = 0;
    const int end = EndOfChunk(chunk, p.rows);
    // As many rows at a time as go into one float sum: they stay in the first cache for all three sums.
    for (int first = chunk * kRowsPerChunk; first < end; first += kRowsPerFloatSum) {
      const int stop = first + kRowsPerFloatSum < end ? first + kRowsPerFloatSum : end;
      for (int row = first; row < stop; ++row) {
        const ptrdiff_t at = static_cast<ptrdiff_t>(row) * channels;
        const float* __restrict in = x + at;
        const float* __restrict gradient = dy + at;
        float* __restrict out = dx + at;
        for (int c = 0; c < channels; ++c) {
          const float leaked = beta[c] * gradient[c];
          out[c] = in[c] - gamma[c] > 0 ? gradient[c] : leaked;
        }
      }
      SumOverRows(first, stop, channels, sums, passed + own, [=](int row) {
        const float* in = dx + static_cast<ptrdiff_t>(row) * channels;
        return [=](int c) { return in[c]; };
      });
      SumOverRows(first, stop, channels, sums, below + own, [=](int row) {
        const ptrdiff_t at = static_cast<ptrdiff_t>(row) * channels;
        return [=](int c) {
          const float distance = x[at + c] - gamma[c];
          const float product = distance * dy[at + c];
          return distance > 0 ? 0 : product;
        };
      });
      SumOverRows(first, stop, channels, sums, all + own, [=](int row) {
        const float* in = dy + static_cast<ptrdiff_t>(row) * channels;
        return [=](int c) { return in[c]; };
      });
    }
  });
  for (int c = 0; c < channels; ++c) {
    b.dGamma.f32()[c] = static_cast<float>(-SumOfChunks(passed, chunks, channels, c));
    b.dBeta.f32()[c] = static_cast<float>(SumOfChunks(below, chunks, channels, c));
    b.dZeta.f32()[c] = static_cast<float>(SumOfChunks(all, chunks, channels, c));
  }
}

}  // namespace subbit::SUBBIT_ISA
