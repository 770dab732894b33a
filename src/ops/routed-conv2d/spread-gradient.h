/** Pooled gradients spread over the pixels that their routes name; see routed-conv2d.ts. */
#pragma once
#include "../conv2d/vector.h"
#include "../elementwise/scaled.h"
#include "../integer/lanes.h"
#include "windows.h"

namespace subbit::SUBBIT_ISA {

struct RoutedGradient {
  RoutedWindows windows;
  /** [N, pooledHeight, pooledWidth, channels] */
  Scaled dy;
  const uint8_t* route;
};

/** Channels of one pixel. `dy` and `route` are those of its window. */
template <class T>
struct SpreadPixel {
  const T* dy;
  const uint8_t* route;
  float factor;
  int tap;
  float* out;

  template <int kCount, int kVectors>
  inline void Run(int c) const {
    using Floats = Lanes<float, kCount>;
    using Integers = Lanes<int32_t, kCount>;
    using Shorts = Lanes<int16_t, kCount>;
    const int16_t here = static_cast<int16_t>(tap);
    for (int v = 0; v < kVectors; ++v, c += kCount) {
      // From bytes to words in two steps: GCC makes one of them element by element.
      const Shorts way = __builtin_convertvector(LoadLanes<kCount>(route + c), Shorts);
      const Integers isHere = __builtin_convertvector((Shorts)(way == here), Integers);
      StoreLanes<kCount>(out + c, (Floats)((Integers)RealLanes<kCount>(c) & isHere));
    }
  }

  SpreadPixel(const T* dy, const uint8_t* route, float factor, int tap, float* out)
      : dy(dy), route(route), factor(factor), tap(tap), out(out) {}

 private:
  template <int kCount>
  inline Lanes<float, kCount> RealLanes(int c) const {
    if constexpr (T(1) / 2 != 0) {
      // Floats are real as they are.
      return LoadLanes<kCount>(dy + c);
    } else {
      const auto integers = __builtin_convertvector(LoadLanes<kCount>(dy + c), Lanes<int32_t, kCount>);
      return __builtin_convertvector(integers, Lanes<float, kCount>) * factor;
    }
  }
};

/** Pixels firstColumn .. endColumn - 1 of a row of sample n: out[pixel][lanes]. */
inline void SpreadRow(const RoutedGradient& g, int n, int row, int firstColumn, int endColumn, int firstChannel, int count,
                      int lanes, float* out) {
  const RoutedWindows& w = g.windows;
  const int pooledRow = (row + w.top) / w.stride;
  const int i = (row + w.top) % w.stride;
  const float factor = g.dy.FactorOf(n);
  const ptrdiff_t windows = (static_cast<ptrdiff_t>(n) * w.pooledHeight + pooledRow) * w.pooledWidth;
  const bool hasWindows = i < w.size && pooledRow < w.pooledHeight;
  g.dy.With([&](const auto* dy) {
    int pooledColumn = (firstColumn + w.left) / w.stride;
    int j = (firstColumn + w.left) % w.stride;
    for (int column = firstColumn; column < endColumn; ++column, out += lanes) {
      if (hasWindows && j < w.size && pooledColumn < w.pooledWidth) {
        const ptrdiff_t at = (windows + pooledColumn) * w.channels + firstChannel;
        ForRegisters<kLanes>(count, SpreadPixel(dy + at, g.route + at, factor, i * w.size + j, out));
        for (int c = count; c < lanes; ++c) out[c] = 0;
      } else {
        for (int c = 0; c < lanes; ++c) out[c] = 0;
      }
      if (++j == w.stride) {
        j = 0;
        ++pooledColumn;
      }
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
