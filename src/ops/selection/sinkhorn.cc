/**
 * Sinkhorn's sweeps; see sinkhorn.ts. A sweep is one pass with one exponential per element: the terms of a row's log-sum-exp, divided
 * by their sum, are e^(L - c' - r), and their sums over the rows say what the columns' potentials c' lack. Only a column whose terms
 * are all so small that they are not right in that sum is done by itself.
 */
#include "log-domain.h"
#include "ops.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** In smaller sums the terms that should be below e^-400 = 1e-174 (log-domain.h) would show. */
constexpr double kSmallestSum = 1e-160;

struct Sweeper {
  const float* x;
  double scale;
  int size;
  double* rows;
  double* columns;

  /** The potential of a row; `sums` gets its share of the columns' sums. */
  void Row(int i, double* __restrict sums) const {
    const int n = size;
    const float* in = x + static_cast<ptrdiff_t>(i) * n;
    const double factor = scale;
    const double* c = columns;
    double terms[kLargestRow];
    for (int j = 0; j < n; ++j) terms[j] = in[j] * factor - c[j];
    const double max = LargestOfRow(terms, n);
    for (int j = 0; j < n; ++j) terms[j] = ExpNonPositive(terms[j] - max);
    const double sum = SumOfRow(terms, n);
    rows[i] = max + Log(sum);
    const double inverse = 1 / sum;
    for (int j = 0; j < n; ++j) sums[j] += terms[j] * inverse;
  }

  /** The potential of a column from the rows' alone. */
  double Column(int j) const {
    double terms[kLargestRow];
    for (int i = 0; i < size; ++i) terms[i] = x[static_cast<ptrdiff_t>(i) * size + j] * scale - rows[i];
    const double max = LargestOfRow(terms, size);
    for (int i = 0; i < size; ++i) terms[i] = ExpNonPositive(terms[i] - max);
    return max + Log(SumOfRow(terms, size));
  }
};

void Keep(const double* vector, int size, float* __restrict potentials) {
  for (int k = 0; k < size; ++k) {
    const float number = static_cast<float>(vector[k]);
    potentials[k] = number;
    potentials[size + k] = static_cast<float>(vector[k] - static_cast<double>(number));
  }
}

}  // namespace

void Sinkhorn(const SinkhornParams& p, const SinkhornBuffers& b, Pool& pool) {
  const int size = p.size;
  const int tasks = CeilDiv(size, kRowsPerTask);
  double* memory = static_cast<double*>(pool.Scratch(0, static_cast<size_t>(tasks + 2) * size * sizeof(double)));
  double* partials = memory + 2 * size;
  const Sweeper sweeper = {b.logits.f32(), ScaleOf(p), size, memory, memory + size};
  for (int j = 0; j < size; ++j) sweeper.columns[j] = 0;
  for (int sweep = 0; sweep < p.sweeps; ++sweep) {
    pool.Run(tasks, [&](int task, int) {
      double* sums = partials + static_cast<ptrdiff_t>(task) * size;
      for (int j = 0; j < size; ++j) sums[j] = 0;
      for (int i = task * kRowsPerTask; i < Min((task + 1) * kRowsPerTask, size); ++i) sweeper.Row(i, sums);
    });
    for (int task = 1; task < tasks; ++task) {
      const double* sums = partials + static_cast<ptrdiff_t>(task) * size;
      for (int j = 0; j < size; ++j) partials[j] += sums[j];
    }
    for (int j = 0; j < size; ++j) {
      sweeper.columns[j] = partials[j] < kSmallestSum ? sweeper.Column(j) : sweeper.columns[j] + Log(partials[j]);
    }
    Keep(sweeper.rows, size, b.potentials.f32() + PotentialsAt(sweep, 0, size));
    Keep(sweeper.columns, size, b.potentials.f32() + PotentialsAt(sweep, 1, size));
  }
  pool.Run(tasks, [&](int task, int) {
    for (int i = task * kRowsPerTask; i < Min((task + 1) * kRowsPerTask, size); ++i) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(i) * size;
      double plan[kLargestRow];
      PlanRow(sweeper.x + row, sweeper.scale, sweeper.rows[i], sweeper.columns, size, plan);
      float* __restrict out = b.plan.f32() + row;
      for (int j = 0; j < size; ++j) out[j] = static_cast<float>(plan[j]);
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
