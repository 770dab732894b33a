/** The small operations between the layers; see elementwise.ts. */
#include "ops.h"
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
  double* partial = b.scratch.f64();
  pool.Run(chunks, [&](int chunk, int thread) {
    float* __restrict sums = static_cast<float*>(pool.Scratch(thread, channels * sizeof(float)));
    double* __restrict total = partial + static_cast<ptrdiff_t>(chunk) * channels;
    for (int c = 0; c < channels; ++c) total[c] = 0;
    const int end = chunk + 1 < chunks ? (chunk + 1) * kRowsPerChunk : p.rows;
    for (int start = chunk * kRowsPerChunk; start < end; start += kRowsPerFloatSum) {
      const int stop = start + kRowsPerFloatSum < end ? start + kRowsPerFloatSum : end;
      for (int c = 0; c < channels; ++c) sums[c] = 0;
      for (int row = start; row < stop; ++row) {
        const float* __restrict x = b.x.f32() + static_cast<ptrdiff_t>(row) * channels;
        for (int c = 0; c < channels; ++c) sums[c] += x[c];
      }
      for (int c = 0; c < channels; ++c) total[c] += sums[c];
    }
  });
  for (int c = 0; c < channels; ++c) {
    double total = 0;
    for (int chunk = 0; chunk < chunks; ++chunk) total += partial[static_cast<ptrdiff_t>(chunk) * channels + c];
    b.sum.f32()[c] = static_cast<float>(total);
  }
}

void Fill(const FillParams& p, const FillBuffers& b, Pool& pool) {
  float* y = b.y.f32();
  const float value = p.value;
  ForElements(pool, p.count, [=](int first, int end) {
    for (int i = first; i < end; ++i) y[i] = value;
  });
}

}  // namespace subbit::SUBBIT_ISA
