// build: fp-contract=fast
/**
 * conv2d on the run kernel. Two cases shed dimensions first, because the micro-kernel wants long rows of outputs and long
 * runs: a filter as large as the image is a dense layer, and under a 1x1 filter an image is one row of pixels.
 *
 * Scratch: a scale per padded output channel, a scale per sample, then the filters in panels (of a dense layer: decoded x).
 */
#include "dense.h"
#include "ops.h"
#include "run-convolution.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** Rows of the filter matrix [KH * KW * C][K] that one task packs. */
constexpr int kRowsPerTask = 512;

void PackFilters(const Elements& filter, int rows, int columns, float* packed, Pool& pool) {
  const int pieces = CeilDiv(rows, kRowsPerTask);
  pool.Run(PanelsOf(columns) * pieces, [&](int task, int) {
    const int panel = task / pieces;
    const ptrdiff_t first = task % pieces * kRowsPerTask;
    float* out = packed + PanelStart(panel, rows) + first * PanelVectors(panel, columns) * kLanes;
    PackRows(filter, first, Min(first + kRowsPerTask, rows), columns, panel, out);
  });
}

}  // namespace

void Conv2d(const Conv2dParams& p, const Conv2dBuffers& b, Pool& pool) {
  const Elements x = {p.x, b.x, p.inChannels};
  const Elements filter = {p.filter, b.filter, p.outChannels};
  const int depth = p.kernelHeight * p.kernelWidth * p.inChannels;
  float* channelScale = b.scratch.f32();
  float* sampleScale = channelScale + PaddedColumns(p.outChannels);
  float* rest = sampleScale + p.batch;
  for (int k = 0; k < PaddedColumns(p.outChannels); ++k) {
    channelScale[k] = k < p.outChannels ? ScaleAt(b.filterScale, p.filterScaleCount, k, 1) : 0;
  }
  for (int n = 0; n < p.batch; ++n) sampleScale[n] = ScaleAt(b.xScale, p.xScaleCount, n, p.factor);

  if (IsDense(p)) {
    const DenseProduct d = {x, p.batch, depth, p.outChannels, p.exactTerms, sampleScale, channelScale, b.y.f32(), rest};
    MultiplyDense(d, [&](int panel, float* out) { PackRows(filter, 0, depth, p.outChannels, panel, out); }, pool);
    return;
  }
  PackFilters(filter, depth, p.outChannels, rest, pool);
  RunConvolution c;
  c.images = {x, p.height, p.width, p.inChannels};
  c.batch = p.batch;
  c.top = p.padTop;
  c.left = p.padLeft;
  c.step = p.stride;
  c.windowHeight = p.kernelHeight;
  c.windowWidth = p.kernelWidth;
  c.rows = p.outHeight;
  c.columns = p.outWidth;
  if (IsPointwise(p)) {
    c.images.height = c.rows = 1;
    c.images.width = c.columns = p.height * p.width;
  }
  c.outChannels = p.outChannels;
  c.yPixel = p.outChannels;
  c.yRow = c.columns * c.yPixel;
  c.yImage = c.rows * c.yRow;
  c.exactTerms = p.exactTerms;
  c.channelScale = channelScale;
  c.sampleScale = sampleScale;
  const Phase phase = {c.rows, c.columns, 0, 0, c.windowHeight, c.windowWidth, rest, b.y.f32()};
  Convolve(c, 1, [&](int) { return phase; }, pool);
}

}  // namespace subbit::SUBBIT_ISA
