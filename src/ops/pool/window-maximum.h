/**
 * The maximum over one window, all its pixels in registers: compilers would make a loop over channels for each pixel into
 * masked stores, whose results the next pixel waits for.
 */
#pragma once
#include "../conv2d/vector.h"
#include "../integer/lanes.h"
#include "kernel.h"

namespace subbit::SUBBIT_ISA {

/** The pixels of a window that lie inside of the image. */
struct WindowTaps {
  int rows, columns;
  /** Elements from the image's first to the first of these, and from there to the next row and column. */
  ptrdiff_t place, row, column;
  /** Number of the first tap, and numbers from row to row. */
  int first, rowTaps;
};

/** Of a window of size x size pixels whose first one is (top, left), which may lie outside. */
inline WindowTaps TapsInside(int top, int left, int size, int height, int width, int channels) {
  const Range rows = PositionsInside(top, 1, size, height);
  const Range columns = PositionsInside(left, 1, size, width);
  const ptrdiff_t row = static_cast<ptrdiff_t>(width) * channels;
  const ptrdiff_t place = (top + rows.first) * row + static_cast<ptrdiff_t>(left + columns.first) * channels;
  return {rows.size(), columns.size(), place, row, channels, rows.first * size + columns.first, size};
}

/**
 * largest[v]: maximum of value(at, v) over the taps, `at` counted from the first one. take(wins, tap, at, v) hears of every tap in
 * which lanes it is the largest so far; the first tap wins against nobody, another one only when it is larger.
 */
template <int kCount, int kVectors, class Value, class Take>
SUBBIT_INLINE void FindMaximum(const WindowTaps& taps, Lanes<float, kCount>* largest, const Value& value, const Take& take) {
  for (int v = 0; v < kVectors; ++v) {
    largest[v] = value(0, v);
    take(Lanes<int32_t, kCount>{} - 1, taps.first, 0, v);
  }
  for (int i = 0; i < taps.rows; ++i) {
    for (int j = i == 0 ? 1 : 0; j < taps.columns; ++j) {
      const ptrdiff_t at = i * taps.row + j * taps.column;
      for (int v = 0; v < kVectors; ++v) {
        const Lanes<float, kCount> each = value(at, v);
        const Lanes<int32_t, kCount> wins = each > largest[v];
        largest[v] = wins ? each : largest[v];
        take(wins, taps.first + i * taps.rowTaps + j, at, v);
      }
    }
  }
}

}  // namespace subbit::SUBBIT_ISA
