/**
 * The way back through Sinkhorn's sweeps; see sinkhorn.ts. One pass per sweep with one exponential per element: S = Q f, where
 * f_j = e^(c_j - c'_j) is a number per column, so the column step and the row step of a sweep share it. Gradients of the logits are
 * summed over the sweeps in float32, all others in double.
 */
#include "log-domain.h"
#include "ops.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** A sweep, seen from behind. */
struct Sweep {
  const double* rows;
  const double* columns;
  const double* dColumns;
  /** f_j */
  const double* factors;
  bool isLast;
};

struct Gradient {
  const float* x;
  const float* dPlan;
  float* dLogits;
  double scale;
  int size;
  /** Of dPlan. */
  int columns;

  /** sums -= A of one row */
  void PlanSums(const Sweep& sweep, int i, double* __restrict sums) const {
    double q[kLargestRow];
    PlanRow(x + static_cast<ptrdiff_t>(i) * size, scale, sweep.rows[i], sweep.columns, columns, q);
    const float* d = dPlan + static_cast<ptrdiff_t>(i) * columns;
    for (int j = 0; j < columns; ++j) sums[j] -= q[j] * d[j];
  }

  /** sums += dc' of one row */
  void Row(const Sweep& sweep, int i, double* __restrict sums) const {
    const int n = size;
    const double* dc = sweep.dColumns;
    const double* f = sweep.factors;
    double q[kLargestRow];
    PlanRow(x + static_cast<ptrdiff_t>(i) * n, scale, sweep.rows[i], sweep.columns, n, q);
    double a[kLargestRow];
    double dRow = -SumOfProducts(q, dc, n);
    if (sweep.isLast) {
      const float* d = dPlan + static_cast<ptrdiff_t>(i) * columns;
      for (int j = 0; j < columns; ++j) a[j] = q[j] * d[j];
      dRow -= SumOfRow(a, columns);
    }
    float* __restrict out = dLogits + static_cast<ptrdiff_t>(i) * n;
    // Both steps of the sweep, and what is left of the row step for the columns.
    const double factor = scale;
    for (int j = 0; j < n; ++j) {
      const double s = q[j] * f[j] * dRow;
      sums[j] -= s;
      q[j] = (q[j] * dc[j] + s) * factor;
    }
    if (sweep.isLast) {
      for (int j = 0; j < columns; ++j) q[j] += a[j] * factor;
      for (int j = 0; j < n; ++j) out[j] = static_cast<float>(q[j]);
    } else {
      for (int j = 0; j < n; ++j) out[j] += static_cast<float>(q[j]);
    }
  }
};

/** What the float pair of `potentials` stands for. */
void Restore(const float* potentials, int size, double* vector) {
  for (int k = 0; k < size; ++k) vector[k] = static_cast<double>(potentials[k]) + static_cast<double>(potentials[size + k]);
}

}  // namespace

void SinkhornGradient(const SinkhornGradientParams& p, const SinkhornGradientBuffers& b, Pool& pool) {
  const int size = p.size;
  const int tasks = CeilDiv(size, kRowsPerTask);
  double* memory = static_cast<double*>(pool.Scratch(0, static_cast<size_t>(tasks + 4) * size * sizeof(double)));
  double* rows = memory;
  double* columns = memory + size;
  double* dColumns = memory + 2 * size;
  double* factors = memory + 3 * size;
  double* partials = memory + 4 * size;
  const Gradient gradient = {b.logits.f32(), b.dPlan.f32(), b.dLogits.f32(), ScaleOf(p), size, p.columns};
  Sweep sweep = {rows, columns, dColumns, factors, true};

  /** dColumns = the sums over all rows that `row` adds to. */
  const auto forRows = [&](const auto& row) {
    pool.Run(tasks, [&](int task, int) {
      double* sums = partials + static_cast<ptrdiff_t>(task) * size;
      for (int j = 0; j < size; ++j) sums[j] = 0;
      for (int i = task * kRowsPerTask; i < Min((task + 1) * kRowsPerTask, size); ++i) row(i, sums);
    });
    for (int j = 0; j < size; ++j) dColumns[j] = 0;
    for (int task = 0; task < tasks; ++task) {
      const double* sums = partials + static_cast<ptrdiff_t>(task) * size;
      for (int j = 0; j < size; ++j) dColumns[j] += sums[j];
    }
  };

  for (int at = p.sweeps - 1; at >= 0; --at) {
    const float* potentials = b.potentials.f32();
    sweep.isLast = at == p.sweeps - 1;
    Restore(potentials + PotentialsAt(at, 0, size), size, rows);
    Restore(potentials + PotentialsAt(at, 1, size), size, columns);
    for (int j = 0; j < size; ++j) factors[j] = 0;
    if (at > 0) Restore(potentials + PotentialsAt(at - 1, 1, size), size, factors);
    for (int j = 0; j < size; ++j) factors[j] = Exp(columns[j] - factors[j]);
    if (sweep.isLast) forRows([&](int i, double* sums) { gradient.PlanSums(sweep, i, sums); });
    forRows([&](int i, double* sums) { gradient.Row(sweep, i, sums); });
  }
}

}  // namespace subbit::SUBBIT_ISA
