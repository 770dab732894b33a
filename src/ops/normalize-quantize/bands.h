/**
 * How the fused ops cut an image: into bands that stay in the first cache while one short loop after another works on them.
 * With windows a band is one row of windows and the image rows up to the next one; otherwise it is a run of whole pixels.
 * Bands never cross a sample, so each has one scale.
 */
#pragma once
#include "../conv2d/vector.h"
#include "kernel.h"

namespace subbit::SUBBIT_ISA {

struct PoolWindows {
  int batch, height, width, channels;
  int outHeight, outWidth;
  int size, stride, padTop, padLeft;
  bool isPooled;
  int period;
  int tasksPerSample;

  int elements() const { return height * width * channels; }
  int outElements() const { return outHeight * outWidth * channels; }
  /** Elements of a band without windows: whole periods. */
  int run() const { return period * Max(1, kRunElements / period); }
  int bandsPerSample() const { return isPooled ? outHeight : CeilDiv(elements(), run()); }

  /** First image row of band `oh`; that of the band after the last is the image's height. */
  int FirstRow(int oh) const { return oh == 0 ? 0 : oh == outHeight ? height : oh * stride - padTop; }
  int LargestBand() const {
    if (!isPooled) return Min(run(), elements());
    int rows = 0;
    for (int oh = 0; oh < outHeight; ++oh) rows = Max(rows, FirstRow(oh + 1) - FirstRow(oh));
    return rows * width * channels;
  }
  /** Whether every pixel lies in a window. */
  bool CoverImage() const {
    return stride == size && outHeight * size - padTop >= height && outWidth * size - padLeft >= width;
  }

  static constexpr int kRunElements = 2048;
};

template <class Params>
inline PoolWindows PoolWindowsOf(const Params& p) {
  return {p.batch,  p.height, p.width,  p.channels, p.outHeight,     p.outWidth, p.size,
          p.stride, p.padTop, p.padLeft, p.isPooled != 0, p.period, p.tasksPerSample};
}

struct PoolBand {
  int sample;
  /** Row of windows, and its first image row. */
  int oh;
  int firstRow;
  /** Elements of the image, from the sample's first, and of the output. */
  int first, count;
  int outFirst, outCount;
};

inline PoolBand PoolBandOf(const PoolWindows& w, int sample, int index) {
  if (!w.isPooled) {
    const int first = index * w.run();
    const int count = Min(w.run(), w.elements() - first);
    return {sample, 0, 0, first, count, first, count};
  }
  const int row = w.width * w.channels;
  const int outRow = w.outWidth * w.channels;
  const int firstRow = w.FirstRow(index);
  return {sample, index, firstRow, firstRow * row, (w.FirstRow(index + 1) - firstRow) * row, index * outRow, outRow};
}

/** Bands first .. end - 1 of a sample are one task. */
struct Task {
  int sample;
  Range bands;
};

inline Task TaskOf(const PoolWindows& w, int task) {
  return {task / w.tasksPerSample, PartOf(task % w.tasksPerSample, w.tasksPerSample, w.bandsPerSample())};
}

/** A thread's memory for one band. */
struct Workspace {
  /** Of the image: x - mean (x itself where there is no mean), z, and dz. */
  float* centred;
  float* z;
  float* dz;
  /** Of the windows: the maximum of z, `centred` where it was, dz, and the tap that it was at. */
  float* best;
  float* bestCentred;
  float* bestDz;
  int32_t* tap;
  /** As much as was asked for. */
  float* rest;
};

inline Workspace WorkspaceOf(Pool& pool, int thread, const PoolWindows& w, int rest) {
  // Not a multiple of a page apart: processors take loads and stores at one place of two pages for the same, and wait.
  const ptrdiff_t band = CeilDiv(w.LargestBand(), 16) * 16 + 48;
  const ptrdiff_t windows = w.isPooled ? CeilDiv(w.outWidth * w.channels, 16) * 16 : 0;
  float* memory = static_cast<float*>(pool.Scratch(thread, (3 * band + 4 * windows + rest) * sizeof(float)));
  float* out = memory + 3 * band;
  return {memory,        memory + band, memory + 2 * band, out, out + windows, out + 2 * windows, reinterpret_cast<int32_t*>(out + 3 * windows),
          out + 4 * windows};
}

}  // namespace subbit::SUBBIT_ISA
