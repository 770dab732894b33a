/** Gradients of codewords and plan; see codeword-gradient.ts. */
#include "../conv2d/vector.h"
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** filtersPerChunk in codeword-gradient.ts */
constexpr int kFiltersPerChunk = 16384;
constexpr int kLargestLength = 9;
constexpr int kLargestCodebook = 512;

}  // namespace

void CodewordGradient(const CodewordGradientParams& p, const CodewordGradientBuffers& b, Pool& pool) {
  const int chunks = CeilDiv(p.filters, kFiltersPerChunk);
  // By element, then by chunk.
  const int tasks = p.length * chunks;
  double* partials = static_cast<double*>(pool.Scratch(0, static_cast<size_t>(tasks) * p.codewords * sizeof(double)));
  pool.Run(tasks, [&](int task, int) {
    const int chunk = task % chunks;
    const int end = Min((chunk + 1) * kFiltersPerChunk, p.filters);
    const float* dy = b.dy.f32() + static_cast<ptrdiff_t>(task / chunks) * p.filters;
    const int16_t* index = b.index.i16();
    double* partial = partials + static_cast<ptrdiff_t>(task) * p.codewords;
    for (int j = 0; j < p.codewords; ++j) partial[j] = 0;
    for (int f = chunk * kFiltersPerChunk; f < end; ++f) partial[index[f]] += dy[f];
  });
  for (int t = 0; t < p.length; ++t) {
    for (int j = 0; j < p.codewords; ++j) {
      double sum = 0;
      for (int chunk = 0; chunk < chunks; ++chunk) sum += partials[static_cast<ptrdiff_t>(t * chunks + chunk) * p.codewords + j];
      b.dCodewords.f32()[j * p.length + t] = static_cast<float>(sum);
    }
  }
}

void PlanGradient(const PlanGradientParams& p, const PlanGradientBuffers& b, Pool& pool) {
  const int codewords = p.codewords;
  const int length = p.length;
  // By element, so that loops over positions vectorise.
  double* elements = static_cast<double*>(pool.Scratch(0, kLargestLength * kLargestCodebook * sizeof(double)));
  for (int t = 0; t < length; ++t) {
    for (int j = 0; j < codewords; ++j) elements[t * codewords + j] = b.dCodewords.f32()[j * length + t];
  }
  float* dPlan = b.dPlan.f32();
  ForRows(pool, 1 << length, codewords, [=](int first, int end) {
    for (int id = first; id < end; ++id) {
      double sums[kLargestCodebook];
      for (int j = 0; j < codewords; ++j) sums[j] = 0;
      for (int t = 0; t < length; ++t) {
        const double sign = id >> (length - 1 - t) & 1 ? 1 : -1;
        const double* of = elements + t * codewords;
        for (int j = 0; j < codewords; ++j) sums[j] += sign * of[j];
      }
      float* __restrict row = dPlan + static_cast<ptrdiff_t>(id) * codewords;
      for (int j = 0; j < codewords; ++j) row[j] = static_cast<float>(sums[j]);
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
