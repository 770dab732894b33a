/** Sums over a tensor, in double, in pieces of fixed size merged in order. */
#pragma once
#include "rows.h"

namespace subbit::SUBBIT_ISA {

/** The sum of term(i) over first .. end - 1. */
template <class Term>
inline double SumOfPiece(int first, int end, const Term& term) {
  constexpr int kSums = 16;
  double sums[kSums] = {};
  int i = first;
  for (; i + kSums <= end; i += kSums) {
    for (int k = 0; k < kSums; ++k) sums[k] += term(i + k);
  }
  for (; i < end; ++i) sums[0] += term(i);
  double sum = 0;
  for (double each : sums) sum += each;
  return sum;
}

/** The sum of piece(first, end) over the pieces of 0 .. count - 1, one partial sum per task. */
template <class Piece>
inline double SumOfPieces(Pool& pool, int count, const Piece& piece) {
  const int tasks = (count + kElementsPerTask - 1) / kElementsPerTask;
  double* partial = static_cast<double*>(pool.Scratch(0, tasks * sizeof(double)));
  ForElements(pool, count, [=](int first, int end) { partial[first / kElementsPerTask] = piece(first, end); });
  double total = 0;
  for (int task = 0; task < tasks; ++task) total += partial[task];
  return total;
}

/** The sum of term(i) over 0 .. count - 1. */
template <class Term>
inline double SumOf(Pool& pool, int count, const Term& term) {
  return SumOfPieces(pool, count, [=](int first, int end) { return SumOfPiece(first, end, term); });
}

}  // namespace subbit::SUBBIT_ISA
