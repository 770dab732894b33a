/**
 * The micro-kernel of the filter gradient: kPositions consecutive positions of the filter (input channels c, or kw * C + c:
 * both are consecutive in an NHWC image), times kVectors vectors of output channels, summed over pixels:
 *
 *     for each pixel:   sum[i][v] += x[pixel + tap][i] * dy[pixel][v]
 *
 * The sums stay in registers over all pixels, and dy comes as a panel (panels.h), which is one stream.
 */
#pragma once
#include "panels.h"

namespace subbit::SUBBIT_ISA {

struct OuterTile {
  int samples;
  int rows;
  int columns;
  /** Position 0 at the first pixel, and floats from pixel to pixel, row to row, sample to sample. */
  const float* x;
  ptrdiff_t xPixel;
  ptrdiff_t xRow;
  ptrdiff_t xSample;
  /** dy likewise. */
  const float* dy;
  ptrdiff_t dyPixel;
  ptrdiff_t dyRow;
  ptrdiff_t dySample;
  /** out[i * outStride + v] (+)= scale * sum */
  float* out;
  ptrdiff_t outStride;
  float scale;
  bool isFirst;
};

template <int kPositions, int kVectors>
void MultiplyOuter(const OuterTile& shared) {
  const OuterTile tile = shared;
  Vec sum[kPositions][kVectors] = {};
  for (int sample = 0; sample < tile.samples; ++sample) {
    for (int row = 0; row < tile.rows; ++row) {
      const float* x = tile.x + sample * tile.xSample + row * tile.xRow;
      const float* dy = tile.dy + sample * tile.dySample + row * tile.dyRow;
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
        dy += tile.dyPixel;
      }
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

template <int kVectors, int... kSizes>
OuterKernel OuterKernelAt(int index) {
  static constexpr OuterKernel kKernels[] = {MultiplyOuter<kSizes, kVectors>...};
  return kKernels[index];
}

/** The instance for `positions` in 1 .. MaxTile(vectors) and `vectors` in 1 .. kMaxVectors. */
inline OuterKernel SelectOuterKernel(int positions, int vectors) {
  if constexpr (kRegisters == 32) {
    if (vectors == 3) return OuterKernelAt<3, 1, 2, 3, 4, 5, 6, 7, 8, 9>(positions - 1);
    if (vectors == 2) return OuterKernelAt<2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>(positions - 1);
    return OuterKernelAt<1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>(positions - 1);
  } else if constexpr (kLoadsFirst) {
    if (vectors == 2) return OuterKernelAt<2, 1, 2, 3, 4>(positions - 1);
    return OuterKernelAt<1, 1, 2, 3, 4, 5, 6>(positions - 1);
  } else {
    if (vectors == 2) return OuterKernelAt<2, 1, 2, 3, 4, 5, 6>(positions - 1);
    return OuterKernelAt<1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>(positions - 1);
  }
}

}  // namespace subbit::SUBBIT_ISA
