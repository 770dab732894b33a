/**
 * Depthwise convolution: each channel has a filter of its own, so vectors of channels are multiplied element by element:
 *
 *     y[pixel][c] = sum over the taps: x[pixel + tap][c] * filter[tap][c]
 *
 * Taps outside of the image are left out, so nothing is padded. Real images whose channels fill whole vectors are read where
 * they lie; others are decoded, a band of rows at a time.
 */
#pragma once
#include "panels.h"
#include "taps.h"

namespace subbit::SUBBIT_ISA {

/** Vectors of channels at once. */
constexpr int kDepthwiseVectors = 4;

/** Pixels of some rows of one image, as floats: from pixel to pixel and from row to row. */
struct Rows {
  /** Channel 0 (of those that were asked for) of the first pixel of row 0, which may lie before the memory. */
  const float* data;
  ptrdiff_t pixel;
  ptrdiff_t row;
};

/** Floats that ReadRows may write to its copy. */
inline ptrdiff_t RowsFloats(const Images& images, Range rows, Range channels) {
  return static_cast<ptrdiff_t>(rows.size()) * images.width * PaddedColumns(channels.size());
}

/** Some channels of some rows of image n, all of them inside of the image; channels are padded to whole vectors. */
inline Rows ReadRows(const Images& images, int n, Range rows, Range channels, float* copy) {
  const ptrdiff_t image = static_cast<ptrdiff_t>(n) * images.height * images.width;
  Rows view;
  if (images.elements.isReal() && channels.size() % kLanes == 0) {
    view.pixel = images.channels;
    view.row = images.width * view.pixel;
    view.data = images.elements.data.f32() + image * view.pixel + channels.first;
    return view;
  }
  view.pixel = PaddedColumns(channels.size());
  view.row = images.width * view.pixel;
  view.data = copy - rows.first * view.row;
  const ptrdiff_t end = image + static_cast<ptrdiff_t>(rows.end) * images.width;
  ptrdiff_t pixel = image + static_cast<ptrdiff_t>(rows.first) * images.width;
  if (channels.size() == images.channels && view.pixel == images.channels) {
    Decode(images.elements, pixel * view.pixel, rows.size() * view.row, copy);
    return view;
  }
  for (; pixel < end; ++pixel, copy += view.pixel) {
    Decode(images.elements, pixel * images.channels + channels.first, channels.size(), copy);
    FillZero(copy + channels.size(), view.pixel - channels.size());
  }
  return view;
}

struct DepthwiseConvolution {
  Images images;
  int batch;
  TapAxes axes;
  int rows;
  int columns;
  /** [taps][channels padded to whole vectors] */
  const float* filters;
  const float* sampleScale;
  /** Padded to whole vectors. */
  const float* channelScale;
  /** [batch][rows][columns][channels] */
  float* y;
};

/** One output pixel: kVectors vectors of channels from `channel` on, of which the first `count` channels exist. */
template <int kVectors>
void MultiplyPixel(const DepthwiseConvolution& d, const Rows& x, const Reach& row, const Reach& column, int channel, int count,
                   float sampleScale, float* y) {
  const ptrdiff_t filterPixel = PaddedColumns(d.images.channels);
  Vec sum[kVectors] = {};
  for (int i = 0; i < row.count; ++i) {
    const float* image = x.data + (row.source + i * row.sourceStep) * x.row + column.source * x.pixel + channel;
    const int firstTap = (row.firstTap + i * row.tapStep) * d.axes.columns.taps + column.firstTap;
    const float* filter = d.filters + firstTap * filterPixel + channel;
    for (int j = 0; j < column.count; ++j) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[v] += Load(image + v * kLanes) * Load(filter + v * kLanes);
      image += column.sourceStep * x.pixel;
      filter += column.tapStep * filterPixel;
    }
  }
  float whole[kVectors * kLanes];
  float* out = count == kVectors * kLanes ? y : whole;
  for (int v = 0; v < kVectors; ++v) {
    Store(out + v * kLanes, sum[v] * (sampleScale * Load(d.channelScale + channel + v * kLanes)));
  }
  for (int c = 0; out == whole && c < count; ++c) y[c] = whole[c];
}

/** Row `out` of image n, a few vectors of channels after the other. */
inline void MultiplyDepthwiseRow(const DepthwiseConvolution& d, const Rows& x, int n, int out, const Reach* columns) {
  using PixelKernel = void (*)(const DepthwiseConvolution&, const Rows&, const Reach&, const Reach&, int, int, float, float*);
  static constexpr PixelKernel kKernels[] = {MultiplyPixel<1>, MultiplyPixel<2>, MultiplyPixel<3>, MultiplyPixel<4>};
  const int channels = d.images.channels;
  const Reach row = ReachOf(d.axes.rows, out);
  float* y = d.y + (static_cast<ptrdiff_t>(n) * d.rows + out) * d.columns * channels;
  for (int channel = 0; channel < channels; channel += kDepthwiseVectors * kLanes) {
    const int count = Min(kDepthwiseVectors * kLanes, channels - channel);
    const PixelKernel kernel = kKernels[VectorsOf(count) - 1];
    float* pixel = y + channel;
    for (int column = 0; column < d.columns; ++column, pixel += channels) {
      kernel(d, x, row, columns[column], channel, count, d.sampleScale[n], pixel);
    }
  }
}

inline void ConvolveDepthwise(const DepthwiseConvolution& d, Pool& pool) {
  const Range channels = {0, d.images.channels};
  const double products = static_cast<double>(d.axes.taps()) * d.batch * d.rows * d.columns * channels.size();
  const int bands = BandsOf(d.rows, d.batch, products);
  pool.Run(d.batch * bands, [&](int task, int thread) {
    const int n = task / bands;
    const Range band = PartOf(task % bands, bands, d.rows);
    const Range source = SourceOf(d.axes.rows, band);
    const size_t reachBytes = sizeof(Reach) * d.columns;
    const size_t copyBytes = sizeof(float) * RowsFloats(d.images, source, channels);
    char* scratch = static_cast<char*>(pool.Scratch(thread, reachBytes + copyBytes));
    Reach* columns = reinterpret_cast<Reach*>(scratch);
    for (int i = 0; i < d.columns; ++i) columns[i] = ReachOf(d.axes.columns, i);
    const Rows x = ReadRows(d.images, n, source, channels, reinterpret_cast<float*>(scratch + reachBytes));
    for (int row = band.first; row < band.end; ++row) MultiplyDepthwiseRow(d, x, n, row, columns);
  });
}

}  // namespace subbit::SUBBIT_ISA
