/** The small operations between the layers; see elementwise.ts. */
#include "ops.h"
#include "row-sums.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void Add(const AddParams& p, const AddBuffers& t, Pool& pool) {
  const float* a = t.a.f32();
  const float* b = t.b.f32();
  float* __restrict y = t.y.f32();
  ForElements(pool, p.count, [=](int first, int end) {
    for (int i = first; i < end; ++i) y[i] = a[i] + b[i];
  });
}

void AddBias(const AddBiasParams& p, const AddBiasBuffers& b, Pool& pool) {
  const int channels = p.channels;
  const float* x = b.x.f32();
  const float* bias = b.bias.f32();
  float* y = b.y.f32();
  ForRows(pool, p.rows, channels, [=](int first, int end) {
    for (int row = first; row < end; ++row) {
      const float* __restrict in = x + static_cast<ptrdiff_t>(row) * channels;
      float* __restrict out = y + static_cast<ptrdiff_t>(row) * channels;
      for (int c = 0; c < channels; ++c) out[c] = in[c] + bias[c];
    }
  });
}

void SumRows(const SumRowsParams& p, const SumRowsBuffers& b, Pool& pool) {
  const int channels = p.channels;
  const int chunks = ChunksOf(p.rows);
  const float* x = b.x.f32();
  double* partial = b.scratch.f64();
  pool.Run(chunks, [&](int chunk, int thread) {
    float* sums = static_cast<float*>(pool.Scratch(thread, channels * sizeof(float)));
    double* total = partial + static_cast<ptrdiff_t>(chunk) * channels;
    for (int c = 0; c < channels; ++c) total[c] = 0;
    SumOverRows(chunk * kRowsPerChunk, EndOfChunk(chunk, p.rows), channels, sums, total, [=](int row) {
      const float* in = x + static_cast<ptrdiff_t>(row) * channels;
      return [=](int c) { return in[c]; };
    });
  });
  for (int c = 0; c < channels; ++c) b.sum.f32()[c] = static_cast<float>(SumOfChunks(partial, chunks, channels, c));
}

void Fill(const FillParams& p, const FillBuffers& b, Pool& pool) {
  float* y = b.y.f32();
  const float value = p.value;
  ForElements(pool, p.count, [=](int first, int end) {
    for (int i = first; i < end; ++i) y[i] = value;
  });
}

}  // namespace subbit::SUBBIT_ISA
