/**
 * Sums over rows, per channel: few rows in float, those sums in double, one double per chunk of rows, chunks merged in order. So
 * the order never depends on the number of threads.
 */
#pragma once
#include "rows.h"

namespace subbit::SUBBIT_ISA {

/**
 * total[c] += the sum over rows start .. end - 1 of rowOf(row)(c), where rowOf gives a function of the channel. `sums` holds
 * `channels` floats.
 */
template <class RowOf>
inline void SumOverRows(int start, int end, int channels, float* __restrict sums, double* __restrict total, const RowOf& rowOf) {
  for (int first = start; first < end; first += kRowsPerFloatSum) {
    const int stop = first + kRowsPerFloatSum < end ? first + kRowsPerFloatSum : end;
    for (int c = 0; c < channels; ++c) sums[c] = 0;
    for (int row = first; row < stop; ++row) {
      const auto term = rowOf(row);
      for (int c = 0; c < channels; ++c) sums[c] += term(c);
    }
    for (int c = 0; c < channels; ++c) total[c] += sums[c];
  }
}

inline int EndOfChunk(int chunk, int rows) { return rows - chunk * kRowsPerChunk < kRowsPerChunk ? rows : (chunk + 1) * kRowsPerChunk; }

/** The sum of a channel over the chunks of partial[chunks, channels]. */
inline double SumOfChunks(const double* partial, int chunks, int channels, int c) {
  double sum = 0;
  for (int chunk = 0; chunk < chunks; ++chunk) sum += partial[static_cast<ptrdiff_t>(chunk) * channels + c];
  return sum;
}

}  // namespace subbit::SUBBIT_ISA
