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

/** sums[t * codewords + j]: of x over the filters of position j. */
void SumByPosition(const CodewordGradientParams& p, const float* x, const int16_t* index, double* sums, double* partials, Pool& pool) {
  const int chunks = CeilDiv(p.filters, kFiltersPerChunk);
  // By element, then by chunk.
  pool.Run(p.length * chunks, [=, &p](int task, int) {
    const int chunk = task % chunks;
    const int end = Min((chunk + 1) * kFiltersPerChunk, p.filters);
    const float* of = x + static_cast<ptrdiff_t>(task / chunks) * p.filters;
    double* partial = partials + static_cast<ptrdiff_t>(task) * p.codewords;
    for (int j = 0; j < p.codewords; ++j) partial[j] = 0;
    for (int f = chunk * kFiltersPerChunk; f < end; ++f) partial[index[f]] += of[f];
  });
  for (int t = 0; t < p.length; ++t) {
    for (int j = 0; j < p.codewords; ++j) {
      double sum = 0;
      for (int chunk = 0; chunk < chunks; ++chunk) sum += partials[static_cast<ptrdiff_t>(t * chunks + chunk) * p.codewords + j];
      sums[t * p.codewords + j] = sum;
    }
  }
}

double SumOfSquares(const double* x, int count) {
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += x[i] * x[i];
  return sum;
}

}  // namespace

void CodewordGradient(const CodewordGradientParams& p, const CodewordGradientBuffers& b, Pool& pool) {
  const int count = p.length * p.codewords;
  const int chunks = CeilDiv(p.filters, kFiltersPerChunk);
  double* gradient = static_cast<double*>(pool.Scratch(0, static_cast<size_t>(count) * (2 + chunks) * sizeof(double)));
  double* sums = gradient + count;
  double* partials = sums + count;
  SumByPosition(p, b.dy.f32(), b.index.i16(), gradient, partials, pool);
  double factor = 0;
  if (p.pull != 0) {
    SumByPosition(p, b.filter.f32(), b.index.i16(), sums, partials, pool);
    const double power = SumOfSquares(sums, count);
    if (power > 0) factor = p.pull * __builtin_sqrt(SumOfSquares(gradient, count) / power);
  }
  float* dCodewords = b.dCodewords.f32();
  for (int t = 0; t < p.length; ++t) {
    for (int j = 0; j < p.codewords; ++j) {
      const int i = t * p.codewords + j;
      const double pulled = factor == 0 ? gradient[i] : gradient[i] - factor * sums[i];
      dCodewords[j * p.length + t] = static_cast<float>(pulled);
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
