// build: fp-contract=fast
/**
 * conv2d on the run kernel. Two cases shed dimensions first, because the micro-kernel wants long rows of outputs and long
 * runs: a filter as large as the image is a dense layer, and under a 1x1 filter an image is one row of pixels. Groups and
 * dilation have paths of their own.
 *
 * Scratch: a scale per padded output channel (of every group), a scale per sample, then the filters in panels (of a dense
 * layer: decoded x).
 */
#include "dense.h"
#include "depthwise.h"
#include "grouped.h"
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

/** out[group][padded outputs of the group] */
void FillChannelScales(const Conv2dParams& p, const Tensor& filterScale, int groups, float* out) {
  const int outputs = p.outChannels / groups;
  const int padded = PaddedColumns(outputs);
  for (int i = 0; i < groups * padded; ++i) {
    const int column = i % padded;
    const int k = i / padded * outputs + column;
    out[i] = column < outputs ? ScaleAt(filterScale, p.filterScaleCount, k, 1) : 0;
  }
}

void Conv2dByChannels(const Conv2dParams& p, const Conv2dBuffers& b, const float* sampleScale, const float* channelScale,
                      float* filters, Pool& pool) {
  const Elements filter = {p.filter, b.filter, p.outChannels};
  const ptrdiff_t padded = PaddedColumns(p.outChannels);
  for (int tap = 0; tap < p.kernelHeight * p.kernelWidth; ++tap) {
    Decode(filter, static_cast<ptrdiff_t>(tap) * p.outChannels, p.outChannels, filters + tap * padded);
    FillZero(filters + tap * padded + p.outChannels, padded - p.outChannels);
  }
  const Images x = {{p.x, b.x, p.inChannels}, p.height, p.width, p.inChannels};
  ConvolveDepthwise({x, p.batch, ForwardAxes(p), p.outHeight, p.outWidth, filters, sampleScale, channelScale, b.y.f32()}, pool);
}

void Conv2dByGroups(const Conv2dParams& p, const Conv2dBuffers& b, const float* sampleScale, const float* channelScale,
                    float* filters, Pool& pool) {
  const int outputs = p.outChannels / p.groups;
  const GroupedFilter filter = {{p.filter, b.filter, p.outChannels},
                                p.kernelHeight * p.kernelWidth,
                                p.inChannels / p.groups,
                                outputs,
                                MergedGroups(p.groups, outputs)};
  GroupedConvolution c;
  c.images = {{p.x, b.x, p.inChannels}, p.height, p.width, p.inChannels};
  c.batch = p.batch;
  c.groups = p.groups / filter.merged;
  c.axes = ForwardAxes(p);
  c.rows = p.outHeight;
  c.columns = p.outWidth;
  c.outChannels = p.outChannels;
  c.exactTerms = p.exactTerms;
  c.filters = filters;
  c.sampleScale = sampleScale;
  c.channelScale = channelScale;
  c.y = b.y.f32();
  const int rows = filter.rows();
  const int columns = filter.columns();
  pool.Run(c.groups, [&](int group, int thread) {
    float* copy = static_cast<float*>(pool.Scratch(thread, sizeof(float) * rows * columns));
    const Elements decoded = DecodeGroup(filter, group, copy);
    float* packed = filters + static_cast<ptrdiff_t>(group) * rows * PaddedColumns(columns);
    for (int panel = 0; panel < PanelsOf(columns); ++panel) {
      PackRows(decoded, 0, rows, columns, panel, packed + PanelStart(panel, rows));
    }
  });
  ConvolveGroups(c, pool);
}

}  // namespace

void Conv2d(const Conv2dParams& p, const Conv2dBuffers& b, Pool& pool) {
  const Elements x = {p.x, b.x, p.inChannels};
  const Elements filter = {p.filter, b.filter, p.outChannels};
  const int depth = p.kernelHeight * p.kernelWidth * p.inChannels;
  const bool isByChannels = IsDepthwise(p) && p.kernelHeight * p.kernelWidth <= p.exactTerms;
  const int scaleGroups = isByChannels ? 1 : p.groups / MergedGroups(p.groups, p.outChannels / p.groups);
  float* channelScale = b.scratch.f32();
  float* sampleScale = channelScale + scaleGroups * PaddedColumns(p.outChannels / scaleGroups);
  float* rest = sampleScale + p.batch;
  FillChannelScales(p, b.filterScale, scaleGroups, channelScale);
  for (int n = 0; n < p.batch; ++n) sampleScale[n] = ScaleAt(b.xScale, p.xScaleCount, n, p.factor);

  if (!IsPlain(p)) {
    const auto convolve = isByChannels ? Conv2dByChannels : Conv2dByGroups;
    convolve(p, b, sampleScale, channelScale, rest, pool);
    return;
  }
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
