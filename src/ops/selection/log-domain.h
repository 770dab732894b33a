/**
 * What Sinkhorn's sweeps and their gradient share (sinkhorn.ts): rows of L = X / temperature less potentials, their exponentials,
 * sums in lanes. Elementwise double arithmetic and a fixed number of lanes: the same bits on every instruction set.
 */
#pragma once
#include "../conv2d/vector.h"
#include "kernel.h"
#include "math.h"

namespace subbit::SUBBIT_ISA {

/** largestCodebook in codebook.ts. */
constexpr int kLargestRow = 512;

/** Rows that a thread takes at once; sums of columns are merged by this, whatever the number of threads. */
constexpr int kRowsPerTask = 32;

constexpr int kSumLanes = 16;

/**
 * e^x for x <= 0 (a little above does no harm), relative error below 1e-11: Taylor series to degree 9, whose next term is at most
 * (ln 2 / 2)^10 / 10! = 7e-12. Below -400 e^-400 = 1e-174, so that a product with a gradient that is as small is zero rather than
 * denormal: with -700, those made the gradient of a cold plan 1.35 times as slow.
 */
inline double ExpNonPositive(double x) {
  constexpr double kInverseLn2 = 1.44269504088896338700e+00;
  const double y = x < -400 ? -400 : x;
  const double shifted = y * kInverseLn2 + kRoundToInteger;
  const double k = shifted - kRoundToInteger;
  const double r = (y - k * kLn2High) - k * kLn2Low;
  // 1 / 9! .. 1
  constexpr double kSeries[] = {1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1, 1};
  double sum = kSeries[0];
#pragma GCC unroll 9
  for (int i = 1; i < 10; ++i) sum = sum * r + kSeries[i];
  return sum * PowerOfTwo(shifted);
}

inline double SumOfLanes(const double* lanes) {
  double sum = 0;
  for (int k = 0; k < kSumLanes; ++k) sum += lanes[k];
  return sum;
}

inline double SumOfRow(const double* x, int count) {
  double lanes[kSumLanes] = {};
  int i = 0;
  for (; i + kSumLanes <= count; i += kSumLanes) {
    for (int k = 0; k < kSumLanes; ++k) lanes[k] += x[i + k];
  }
  for (; i < count; ++i) lanes[i % kSumLanes] += x[i];
  return SumOfLanes(lanes);
}

inline double SumOfProducts(const double* x, const double* y, int count) {
  double lanes[kSumLanes] = {};
  int i = 0;
  for (; i + kSumLanes <= count; i += kSumLanes) {
    for (int k = 0; k < kSumLanes; ++k) lanes[k] += x[i + k] * y[i + k];
  }
  for (; i < count; ++i) lanes[i % kSumLanes] += x[i] * y[i];
  return SumOfLanes(lanes);
}

/** NaN is passed over; it comes back with the sums. */
inline double LargestOfRow(const double* x, int count) {
  double lanes[kSumLanes];
  for (int k = 0; k < kSumLanes; ++k) lanes[k] = -__builtin_inf();
  int i = 0;
  for (; i + kSumLanes <= count; i += kSumLanes) {
    for (int k = 0; k < kSumLanes; ++k) lanes[k] = x[i + k] > lanes[k] ? x[i + k] : lanes[k];
  }
  double largest = -__builtin_inf();
  for (; i < count; ++i) largest = x[i] > largest ? x[i] : largest;
  for (int k = 0; k < kSumLanes; ++k) largest = lanes[k] > largest ? lanes[k] : largest;
  return largest;
}

/** e[j] = e^(x[j] scale - row - columns[j]), where that is at most 1. */
inline void PlanRow(const float* x, double scale, double row, const double* columns, int size, double* __restrict e) {
  for (int j = 0; j < size; ++j) e[j] = ExpNonPositive(x[j] * scale - row - columns[j]);
}

/** 1 / temperature, which comes as a pair of floats. */
template <class Params>
inline double ScaleOf(const Params& p) {
  return 1 / (static_cast<double>(p.temperature) + static_cast<double>(p.temperatureRest));
}

/** Where the vector of a sweep begins in `potentials`: 0, of the rows; 1, of the columns. A number's rest is `size` behind it. */
inline ptrdiff_t PotentialsAt(int sweep, int vector, int size) { return static_cast<ptrdiff_t>(2 * sweep + vector) * 2 * size; }

}  // namespace subbit::SUBBIT_ISA
