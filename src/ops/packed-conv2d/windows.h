/**
 * How the bit-plane and dot-product kernels walk a convolution.
 *
 * Both hold the filter of a group as *blocks* of kBlock output channels and see a *window* (the bytes or bits under one
 * output pixel) as a short list of pieces at constant offsets from the pixel's first one. A micro-kernel multiplies the
 * windows of some output pixels, which may lie anywhere, with one or two blocks.
 *
 * A task is a *band*, some output rows of an image, and a range of blocks. What the band reads is first copied, padded and
 * in the family's own form, into the thread's scratch; a thread that computes several ranges of blocks of one band copies
 * once. Work is cut by the shapes alone, never by the number of threads.
 *
 * Two cases shed dimensions: the samples of a dense layer (a filter as large as the image) and the pixels of a pointwise
 * one become the pixels of a single row.
 */
#pragma once
#include "kernel.h"
#include "simd.h"

namespace subbit::SUBBIT_ISA {

/** Output channels per block of a packed filter, the same for all instruction sets. */
inline constexpr int kBlock = 16;

struct Windows {
  int batch;
  int height;
  int width;
  int inChannels;
  int outHeight;
  int outWidth;
  int outChannels;
  int kernelHeight;
  int kernelWidth;
  int stride;
  int dilation;
  int padTop;
  int padLeft;
  int groups;

  int taps() const { return kernelHeight * kernelWidth; }
  int groupInputs() const { return inChannels / groups; }
  int groupOutputs() const { return outChannels / groups; }
  int groupBlocks() const { return CeilDiv(groupOutputs(), kBlock); }
};

/** What a micro-kernel computes at once. */
struct TileSize {
  int pixels;
  int blocks;
};

/** Part of an output: rows x columns of image n, blocks of one group. */
struct Band {
  int n;
  Range rows;
  Range columns;
  int group;
  Range blocks;

  int pixels() const { return rows.size() * columns.size(); }
};

/** Part of an image that a band reads; rows and columns may lie outside of the image. */
struct Rectangle {
  Range rows;
  Range columns;

  int pixels() const { return rows.size() * columns.size(); }
};

/**
 * Takes the geometry from an op's params. `channelUnit`: the window of a dense layer is one run of memory in the family's
 * form when its channels are a multiple of this.
 */
template <class Params>
Windows MakeWindows(const Params& p, int channelUnit) {
  Windows w = {p.batch,       p.height,       p.width,       p.inChannels, p.outHeight, p.outWidth, p.outChannels,
               p.kernelHeight, p.kernelWidth, p.stride,      p.dilation,   p.padTop,    p.padLeft,  p.groups};
  const bool isUnpadded = w.padTop == 0 && w.padLeft == 0;
  const bool isDense = isUnpadded && w.kernelHeight == w.height && w.kernelWidth == w.width && w.outHeight == 1 &&
                       w.outWidth == 1 && w.dilation == 1 && w.groups == 1;
  if (isDense && (w.taps() == 1 || w.inChannels % channelUnit == 0)) {
    w.inChannels *= w.taps();
    w.kernelHeight = w.kernelWidth = w.stride = w.height = w.width = 1;
  }
  const bool keepsSize = w.stride == 1 && w.outHeight == w.height && w.outWidth == w.width;
  if (isUnpadded && w.taps() == 1 && keepsSize) {
    w.width = w.outWidth = w.batch * w.height * w.width;
    w.batch = w.height = w.outHeight = 1;
  }
  return w;
}

/** What the band reads. */
inline Rectangle RectangleOf(const Windows& w, const Band& band) {
  const int top = band.rows.first * w.stride - w.padTop;
  const int left = band.columns.first * w.stride - w.padLeft;
  return {{top, top + (band.rows.size() - 1) * w.stride + (w.kernelHeight - 1) * w.dilation + 1},
          {left, left + (band.columns.size() - 1) * w.stride + (w.kernelWidth - 1) * w.dilation + 1}};
}

/**
 * Runs body(band, thread, isNew) for all parts; isNew unless the thread's last call had the same pixels and group.
 * Bytes of x and of the filter decide what is cut: rows, so that few tasks read an image, or blocks, so that few read the
 * filter.
 */
template <class Body>
void ForBands(const Windows& w, double filterBytes, Pool& pool, const Body& body) {
  // Of levels a cache line: two threads that wrote to one line would slow each other down (1.4 times, 256 channels, 14x14).
  constexpr int kBlocksPerUnit = 64 / kBlock;
  constexpr int kTasks = 16;
  constexpr double kProductsPerTask = 1 << 20;
  /** Input bytes of a band: its packed form and the outputs stay in the second-level cache. */
  constexpr double kBandBytes = 128 << 10;
  const double window = static_cast<double>(w.taps()) * w.groupInputs();
  const double products = window * w.batch * w.outHeight * w.outWidth * w.outChannels;
  const int tasks = products > kTasks * kProductsPerTask ? kTasks : 1 + static_cast<int>(products / kProductsPerTask);
  const double imageBytes = static_cast<double>(w.outHeight) * w.outWidth * w.stride * w.stride * w.groupInputs();
  const int lines = w.outHeight > 1 ? w.outHeight : w.outWidth;
  const int units = CeilDiv(w.groupBlocks(), kBlocksPerUnit);
  const int wanted = CeilDiv(tasks, w.batch * w.groups);
  const int least = 1 + static_cast<int>(imageBytes / kBandBytes);
  const int cuts = imageBytes > filterBytes / w.groups ? wanted : CeilDiv(wanted, units);
  const int linesPerBand = CeilDiv(lines, Min(lines, Max(cuts, least)));
  const int bands = CeilDiv(lines, linesPerBand);
  const int ranges = Min(units, Max(1, wanted / bands));
  int held[Pool::kMaxThreads];
  for (int i = 0; i < pool.threads(); ++i) held[i] = -1;
  pool.Run(w.batch * bands * w.groups * ranges, [&](int task, int thread) {
    const int pixels = task / ranges;
    const Range part = PartOf(task % ranges, ranges, units);
    const int index = pixels / w.groups % bands;
    const Range cut = {index * linesPerBand, Min((index + 1) * linesPerBand, lines)};
    Band band;
    band.n = pixels / w.groups / bands;
    band.rows = w.outHeight > 1 ? cut : Range{0, 1};
    band.columns = w.outHeight > 1 ? Range{0, w.outWidth} : cut;
    band.group = pixels % w.groups;
    band.blocks = {part.first * kBlocksPerUnit, Min(part.end * kBlocksPerUnit, w.groupBlocks())};
    body(band, thread, held[thread] != pixels);
    held[thread] = pixels;
  });
}

/**
 * The pixels of a band's rectangle, in runs of a row, numbered from 0: inside(x's bytes of the group, first pixel, count), the
 * next pixel inChannels further on; outside(first pixel, count) for padding.
 */
template <class Inside, class Outside>
void ForRuns(const Windows& w, const uint8_t* x, const Band& band, const Inside& inside, const Outside& outside) {
  const Rectangle read = RectangleOf(w, band);
  const int width = read.columns.size();
  const int first = Min(Max(-read.columns.first, 0), width);
  const int end = Max(Min(w.width - read.columns.first, width), first);
  int i = 0;
  for (int h = read.rows.first; h < read.rows.end; ++h, i += width) {
    if (h < 0 || h >= w.height || first == end) {
      outside(i, width);
      continue;
    }
    if (first > 0) outside(i, first);
    const ptrdiff_t pixel = (static_cast<ptrdiff_t>(band.n) * w.height + h) * w.width + read.columns.first + first;
    inside(x + pixel * w.inChannels + band.group * w.groupInputs(), i + first, end - first);
    if (end < width) outside(i + end, width - end);
  }
}

/** For every output pixel of the band: the pixel of its rectangle where the window begins. */
inline void WindowStarts(const Windows& w, const Band& band, int32_t* starts) {
  const int rows = band.rows.size();
  const int columns = band.columns.size();
  const int stride = w.stride;
  const int stepRow = RectangleOf(w, band).columns.size() * stride;
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) *starts++ = r * stepRow + c * stride;
  }
}

/** The bytes' sum over the window and the group's channels, for every pixel of the band; `pixelSums` is scratch. */
inline void SumWindows(const Windows& w, const uint8_t* x, const Band& band, int32_t* pixelSums, int32_t* sums) {
  const int channels = w.groupInputs();
  ForRuns(
      w, x, band,
      [&](const uint8_t* bytes, int first, int count) {
        for (int i = 0; i < count; ++i, bytes += w.inChannels) pixelSums[first + i] = SumOfBytes(bytes, channels);
      },
      [&](int first, int count) {
        for (int i = 0; i < count; ++i) pixelSums[first + i] = 0;
      });
  const Rectangle read = RectangleOf(w, band);
  const int readWidth = read.columns.size();
  const int columns = band.columns.size();
  // Along the rows in place (what is read lies never before what is written), then across them.
  for (int h = 0; h < read.rows.size(); ++h) {
    int32_t* row = pixelSums + h * readWidth;
    for (int c = 0; c < columns; ++c) {
      int32_t sum = 0;
      for (int kw = 0; kw < w.kernelWidth; ++kw) sum += row[c * w.stride + kw * w.dilation];
      row[c] = sum;
    }
  }
  for (int r = 0; r < band.rows.size(); ++r) {
    int32_t* __restrict out = sums + r * columns;
    for (int c = 0; c < columns; ++c) out[c] = 0;
    for (int kh = 0; kh < w.kernelHeight; ++kh) {
      const int32_t* in = pixelSums + (r * w.stride + kh * w.dilation) * readWidth;
      for (int c = 0; c < columns; ++c) out[c] += in[c];
    }
  }
}

}  // namespace subbit::SUBBIT_ISA
