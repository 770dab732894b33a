/**
 * The micro-kernel of the filter gradient: kPositions consecutive positions of one filter row (kw * C + c: consecutive
 * in a padded NHWC image), times kVectors vectors of output channels, summed over the pixels of a band:
 *
 *     for each pixel:   sum[i][v] += x[pixel + tap][i] * dy[pixel][v]
 *
 * The sums stay in registers over the whole band, and dy comes as a panel (panels.h): one stream. Tile as in run-kernel.h.
 */
#pragma once
#include "panels.h"

namespace subbit::SUBBIT_ISA {

inline constexpr int kMaxPositions = kRegisters == 32 ? 12 : 6;

struct OuterTile {
  /** Position 0 at the first pixel. */
  const float* x;
  ptrdiff_t xPixel;
  ptrdiff_t xRow;
  /** [rows * columns][kVectors * kLanes] */
  const float* dy;
  int rows;
  int columns;
  /** out[i * outStride + v] (+)= scale * sum */
  float* out;
  ptrdiff_t outStride;
  float scale;
  bool isFirst;
};

template <int kPositions, int kVectors>
void MultiplyOuter(const OuterTile& tile) {
  Vec sum[kPositions][kVectors] = {};
  const float* dy = tile.dy;
  for (int row = 0; row < tile.rows; ++row) {
    const float* x = tile.x + row * tile.xRow;
    for (int column = 0; column < tile.columns; ++column) {
      Vec right[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) right[v] = Load(dy + v * kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < kPositions; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[i][v] += x[i] * right[v];
      }
      x += tile.xPixel;
      dy += kVectors * kLanes;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kPositions; ++i) {
    float* out = tile.out + i * tile.outStride;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const Vec product = tile.scale * sum[i][v];
      Store(out + v * kLanes, tile.isFirst ? product : Load(out + v * kLanes) + product);
    }
  }
}

using OuterKernel = void (*)(const OuterTile&);

template <int kVectors, int... kIndex>
struct OuterKernelRow {
  static constexpr OuterKernel kernels[] = {MultiplyOuter<kIndex, kVectors>...};
};

/** The instance for `positions` in 1 .. kMaxPositions and `vectors` in 1 .. kPanelVectors. */
inline OuterKernel SelectOuterKernel(int positions, int vectors) {
#if defined(__AVX512F__) || defined(__aarch64__)
  using One = OuterKernelRow<1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;
  using Two = OuterKernelRow<2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;
#else
  using One = OuterKernelRow<1, 1, 2, 3, 4, 5, 6>;
  using Two = OuterKernelRow<2, 1, 2, 3, 4, 5, 6>;
#endif
  return vectors == 1 ? One::kernels[positions - 1] : Two::kernels[positions - 1];
}

}  // namespace subbit::SUBBIT_ISA
