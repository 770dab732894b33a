/**
 * The micro-kernel of conv2d and of its input gradient: kPixels outputs that lie side by side, times kVectors vectors of
 * output channels.
 *
 * In NHWC memory the elements under one row of a filter are consecutive: a *run* of kernelWidth * channels floats. The
 * window of an output is kernelHeight runs at a constant distance, and the window of its right neighbour is the same
 * runs `pixelStride` floats further on. So, with the filters packed in the order of the runs (panels.h),
 *
 *     for each run, for each l in the run:   sum[i][v] += image[run][l + i * pixelStride] * filters[run][l][v]
 *
 * is the whole convolution: no im2col matrix, no branch at a border (images are padded), one broadcast per pixel and
 * one load per vector of filters for kPixels * kVectors multiply-adds.
 */
#pragma once
#include "panels.h"

namespace subbit::SUBBIT_ISA {

struct RunTile {
  /** Start of the first pixel's window. */
  const float* image;
  ptrdiff_t pixelStride;
  int runs;
  int runLength;
  ptrdiff_t runStride;
  /** Run r: [runLength][kVectors * kLanes] at filters + r * filterStride. */
  const float* filters;
  ptrdiff_t filterStride;
  /** y[i * yStride + v] = sum * (pixelScale[i * pixelScaleStep] * channelScale[v]), or += sum without scales. */
  float* y;
  ptrdiff_t yStride;
  bool adds;
  const float* pixelScale;
  int pixelScaleStep;
  const float* channelScale;
};

template <int kPixels, int kVectors>
void MultiplyRuns(const RunTile& shared) {
  const RunTile tile = shared;
  Vec sum[kPixels][kVectors] = {};
  for (int run = 0; run < tile.runs; ++run) {
    const float* image = tile.image + run * tile.runStride;
    const float* filters = tile.filters + run * tile.filterStride;
    for (int l = 0; l < tile.runLength; ++l) {
      Vec filter[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) filter[v] = Load(filters + v * kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < kPixels; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[i][v] += image[i * tile.pixelStride + l] * filter[v];
      }
      filters += kVectors * kLanes;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kPixels; ++i) {
    float* y = tile.y + i * tile.yStride;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      if (tile.adds) {
        Store(y + v * kLanes, Load(y + v * kLanes) + sum[i][v]);
      } else {
        const Vec scale = tile.pixelScale[i * tile.pixelScaleStep] * Load(tile.channelScale + v * kLanes);
        Store(y + v * kLanes, sum[i][v] * scale);
      }
    }
  }
}

using RunKernel = void (*)(const RunTile&);

template <int kVectors, int... kSizes>
RunKernel RunKernelAt(int index) {
  static constexpr RunKernel kKernels[] = {MultiplyRuns<kSizes, kVectors>...};
  return kKernels[index];
}

/** The instance for a tile of `pixels` in 1 .. MaxTile(vectors) and `vectors` in 1 .. kMaxVectors. */
inline RunKernel SelectRunKernel(int pixels, int vectors) {
  if constexpr (kRegisters == 32) {
    if (vectors == 3) return RunKernelAt<3, 1, 2, 3, 4, 5, 6, 7, 8, 9>(pixels - 1);
    if (vectors == 2) return RunKernelAt<2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>(pixels - 1);
    return RunKernelAt<1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>(pixels - 1);
  } else if constexpr (kLoadsFirst) {
    if (vectors == 2) return RunKernelAt<2, 1, 2, 3, 4>(pixels - 1);
    return RunKernelAt<1, 1, 2, 3, 4, 5, 6>(pixels - 1);
  } else {
    if (vectors == 2) return RunKernelAt<2, 1, 2, 3, 4, 5, 6>(pixels - 1);
    return RunKernelAt<1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>(pixels - 1);
  }
}

}  // namespace subbit::SUBBIT_ISA
