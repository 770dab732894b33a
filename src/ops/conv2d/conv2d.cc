// build: fp-contract=fast
/**
 * conv2d on the run kernel. Two cases shed dimensions first, because the micro-kernel wants long rows of outputs and long
 * runs:
 *
 *     1x1 filter, stride 1, no padding        an image is one row of height * width pixels
 *     filter as large as the image, 1 output  the batch is one image of `batch` pixels with KH * KW * C channels
 *
 * Scratch: packed filters, then channel scales (padded like a panel), then sample scales.
 */
#include "ops.h"
#include "run-convolution.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** Rows of the filter matrix [KH * KW * C][K] that one task packs. */
constexpr int kPackRows = 512;

void PackFilters(const Conv2dParams& p, const Tensor& filter, float* packed, Pool& pool) {
  const int rows = p.kernelHeight * p.kernelWidth * p.inChannels;
  const int pieces = CeilDiv(rows, kPackRows);
  pool.Run(PanelsOf(p.outChannels) * pieces, [&](int task, int) {
    const int panel = task / pieces;
    const int first = task % pieces * kPackRows;
    float* out = packed + PanelStart(panel, rows) + static_cast<ptrdiff_t>(first) * PanelVectors(panel, p.outChannels) * kLanes;
    PackPanelRows(p.filter, filter, first, Min(first + kPackRows, rows), p.outChannels, panel, out);
  });
}

}  // namespace

void Conv2d(const Conv2dParams& p, const Conv2dBuffers& b, Pool& pool) {
  const int rows = p.kernelHeight * p.kernelWidth * p.inChannels;
  float* packed = b.scratch.f32();
  float* channelScale = packed + static_cast<ptrdiff_t>(rows) * PaddedColumns(p.outChannels);
  float* sampleScale = channelScale + PaddedColumns(p.outChannels);
  PackFilters(p, b.filter, packed, pool);
  for (int k = 0; k < PaddedColumns(p.outChannels); ++k) {
    channelScale[k] = k < p.outChannels ? ScaleAt(b.filterScale, p.filterScaleCount, k, 1) : 0;
  }
  for (int n = 0; n < p.batch; ++n) sampleScale[n] = ScaleAt(b.xScale, p.xScaleCount, n, p.factor);

  const bool isUnpadded = p.padTop == 0 && p.padLeft == 0;
  const bool coversImage = isUnpadded && p.outHeight == 1 && p.outWidth == 1 && p.kernelHeight == p.height && p.kernelWidth == p.width;
  const bool isPointwise = isUnpadded && p.stride == 1 && p.kernelHeight == 1 && p.kernelWidth == 1 && p.outHeight == p.height && p.outWidth == p.width;
  RunConvolution c = {
      .images = {p.x, b.x, p.height, p.width, p.inChannels, p.inChannels},
      .batch = p.batch,
      .top = p.padTop,
      .left = p.padLeft,
      .step = p.stride,
      .windowHeight = p.kernelHeight,
      .windowWidth = p.kernelWidth,
      .rows = p.outHeight,
      .columns = p.outWidth,
      .outChannels = p.outChannels,
      .exactTerms = p.exactTerms,
      .channelScale = channelScale,
      .sampleScale = sampleScale,
      .samplesArePixels = coversImage,
  };
  if (coversImage) {
    c.images.height = 1;
    c.images.width = p.batch;
    c.images.channels = rows;
    c.batch = c.step = c.windowHeight = c.windowWidth = 1;
    c.columns = p.batch;
  } else if (isPointwise) {
    c.images.height = c.rows = 1;
    c.images.width = c.columns = p.height * p.width;
  }
  c.yPixel = p.outChannels;
  c.yRow = static_cast<ptrdiff_t>(c.columns) * c.yPixel;
  c.yImage = c.rows * c.yRow;
  Phase phase = {
      .rows = c.rows,
      .columns = c.columns,
      .firstRow = 0,
      .firstColumn = 0,
      .runs = c.windowHeight,
      .taps = c.windowWidth,
      .filters = packed,
      .y = b.y.f32(),
  };
  Convolve(c, 1, [&](int) { return phase; }, pool);
}

}  // namespace subbit::SUBBIT_ISA
