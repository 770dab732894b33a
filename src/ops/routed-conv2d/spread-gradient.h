/** Pooled gradients spread over the pixels that their routes name; see routed-conv2d.ts. */
#pragma once
#include "../elementwise/scaled.h"
#include "windows.h"

namespace subbit::SUBBIT_ISA {

struct RoutedGradient {
  RoutedWindows windows;
  /** [N, pooledHeight, pooledWidth, channels] */
  Scaled dy;
  const uint8_t* route;
};

/** Channels first .. first + count - 1 of one pixel, with zeros up to `lanes`. `at` is the element of dy and route. */
template <class T>
inline void SpreadPixel(const T* __restrict dy, const uint8_t* __restrict route, float factor, int tap, int count, int lanes,
                        float* __restrict out) {
  for (int c = 0; c < count; ++c) out[c] = route[c] == tap ? RealOf(dy[c], factor) : 0;
  for (int c = count; c < lanes; ++c) out[c] = 0;
}

/** Pixels firstColumn .. endColumn - 1 of a row of sample n: out[pixel][lanes]. */
inline void SpreadRow(const RoutedGradient& g, int n, int row, int firstColumn, int endColumn, int firstChannel, int count,
                      int lanes, float* out) {
  const RoutedWindows& w = g.windows;
  const int pooledRow = (row + w.top) / w.stride;
  const int i = (row + w.top) % w.stride;
  const float factor = g.dy.FactorOf(n);
  g.dy.With([&](const auto* dy) {
    for (int column = firstColumn; column < endColumn; ++column, out += lanes) {
      const int pooledColumn = (column + w.left) / w.stride;
      const int j = (column + w.left) % w.stride;
      if (i >= w.size || j >= w.size || pooledRow >= w.pooledHeight || pooledColumn >= w.pooledWidth) {
        for (int c = 0; c < lanes; ++c) out[c] = 0;
        continue;
      }
      const ptrdiff_t window = (static_cast<ptrdiff_t>(n) * w.pooledHeight + pooledRow) * w.pooledWidth + pooledColumn;
      const ptrdiff_t at = window * w.channels + firstChannel;
      SpreadPixel(dy + at, g.route + at, factor, i * w.size + j, count, lanes, out);
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
