// build: fp-contract=fast
/**
 * The gradient of a convolution's input, as convolutions of dy (stride 1) on the run kernel.
 *
 * With stride s, rows h of the image that have the same a = (h + padTop) mod s meet the same filter rows
 * kh = a + s * t, t = 0 .. T_a - 1, at output rows oh = (h + padTop - a) / s - t. For consecutive such h, oh is consecutive:
 * one *phase* per (a, b), rows and columns, is a convolution with stride 1 of the taps t in reversed order. Its filters
 * are the transposed slices filter[a + s * t][b + s * u] ([C][K] -> [K][C]); its outputs are every s-th pixel of dx.
 *
 * All phases read one padded copy of dy. With q = floor(padTop / s) and P = ceil(KH / s) - 1, the first h of a phase has
 * oh = q or q + 1 at t = 0, and the copy begins P - q rows before dy: the first window of phase a then begins at row
 * P + (oh - q) - (T_a - 1) >= 0. Columns alike. A phase without taps (stride > filter) has sums of no terms: zeros.
 *
 * Groups and dilation have paths of their own, in which strides are not phases: the filter is reversed, and taps that fall
 * between the pixels of dy are left out (taps.h).
 *
 * Scratch: a scale of 1 per padded output channel (of every group), a scale per sample, then the filters, phase after phase,
 * in panels (of a dense layer: decoded dy).
 */
#include "dense.h"
#include "depthwise.h"
#include "grouped.h"
#include "ops.h"
#include "run-convolution.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** One dimension of the geometry: rows or columns. */
struct Axis {
  int stride;
  int kernel;
  int pad;
  int extent;

  /** Taps of phase a. */
  int Taps(int a) const { return a < kernel ? CeilDiv(kernel - a, stride) : 0; }
  /** Taps of the phases before a. */
  int TapsBefore(int a) const {
    int taps = 0;
    for (int i = 0; i < a; ++i) taps += Taps(i);
    return taps;
  }
  /** First row of phase a, and how many there are. */
  int First(int a) const { return (a - pad % stride + stride) % stride; }
  int Count(int a) const { return First(a) < extent ? CeilDiv(extent - First(a), stride) : 0; }
  /** P and q of the file's head. */
  int Reach() const { return CeilDiv(kernel, stride) - 1; }
  int Origin() const { return pad / stride; }
  /** Row of the padded copy where the first window of phase a begins. */
  int FirstWindow(int a) const { return Reach() + (First(a) + pad - a) / stride - Origin() - (Taps(a) - 1); }
  /** Rows of the padded copy that the windows at one position of all phases span. */
  int Window() const { return Reach() + (stride == 1 ? 1 : 2); }
};

struct Axes {
  Axis rows;
  Axis columns;
};

/** Where phase (a, b) begins in the packed filters. */
ptrdiff_t PhaseStart(const Axes& axes, int a, int b, int matrixSize) {
  const ptrdiff_t taps = axes.rows.TapsBefore(a) * axes.columns.kernel + axes.rows.Taps(a) * axes.columns.TapsBefore(b);
  return taps * matrixSize;
}

void PackFilters(const Conv2dInputGradientParams& p, const Elements& filter, const float* filterScale, const Axes& axes,
                 float* packed, Pool& pool) {
  const int panels = PanelsOf(p.inChannels);
  pool.Run(p.kernelHeight * p.kernelWidth * panels, [&](int task, int) {
    const int panel = task % panels;
    const int kh = task / panels / p.kernelWidth;
    const int kw = task / panels % p.kernelWidth;
    const int rowPhase = kh % p.stride;
    const int columnPhase = kw % p.stride;
    const int rowTaps = axes.rows.Taps(rowPhase);
    const int columnTaps = axes.columns.Taps(columnPhase);
    const int tap = (rowTaps - 1 - kh / p.stride) * columnTaps + columnTaps - 1 - kw / p.stride;
    float* out = packed + PhaseStart(axes, rowPhase, columnPhase, p.outChannels * PaddedColumns(p.inChannels)) +
                 PanelStart(panel, rowTaps * columnTaps * p.outChannels) +
                 static_cast<ptrdiff_t>(tap) * p.outChannels * PanelVectors(panel, p.inChannels) * kLanes;
    const ptrdiff_t firstRow = static_cast<ptrdiff_t>(kh * p.kernelWidth + kw) * p.inChannels;
    PackTransposed(filter, firstRow, p.inChannels, p.outChannels, filterScale, panel, out);
  });
}

void InputGradientByChannels(const Conv2dInputGradientParams& p, const Conv2dInputGradientBuffers& b, const float* filterScale,
                             const float* sampleScale, const float* ones, float* filters, Pool& pool) {
  const Elements filter = {p.filter, b.filter, p.outChannels};
  const ptrdiff_t padded = PaddedColumns(p.inChannels);
  const int taps = p.kernelHeight * p.kernelWidth;
  for (int tap = 0; tap < taps; ++tap) {
    float* out = filters + (taps - 1 - tap) * padded;
    Decode(filter, static_cast<ptrdiff_t>(tap) * p.outChannels, p.outChannels, out);
    for (int k = 0; filterScale != nullptr && k < p.outChannels; ++k) out[k] *= filterScale[k];
    FillZero(out + p.outChannels, padded - p.outChannels);
  }
  const Images dy = {{p.dy, b.dy, p.outChannels}, p.outHeight, p.outWidth, p.outChannels};
  ConvolveDepthwise({dy, p.batch, BackwardAxes(p), p.height, p.width, filters, sampleScale, ones, b.dx.f32()}, pool);
}

void InputGradientByGroups(const Conv2dInputGradientParams& p, const Conv2dInputGradientBuffers& b, const float* filterScale,
                           const float* sampleScale, const float* ones, float* filters, Pool& pool) {
  const int channels = p.inChannels / p.groups;
  const GroupedFilter filter = {{p.filter, b.filter, p.outChannels},
                                p.kernelHeight * p.kernelWidth,
                                channels,
                                p.outChannels / p.groups,
                                MergedGroups(p.groups, channels)};
  GroupedConvolution c;
  c.images = {{p.dy, b.dy, p.outChannels}, p.outHeight, p.outWidth, p.outChannels};
  c.batch = p.batch;
  c.groups = p.groups / filter.merged;
  c.axes = BackwardAxes(p);
  c.rows = p.height;
  c.columns = p.width;
  c.outChannels = p.inChannels;
  c.exactTerms = p.exactTerms;
  c.filters = filters;
  c.sampleScale = sampleScale;
  c.channelScale = ones;
  c.y = b.dx.f32();
  // The packed filter is the stored one transposed, its taps in reversed order.
  const int columns = c.groupOutputs();
  const int depth = filter.columns();
  pool.Run(c.groups, [&](int group, int thread) {
    float* copy = static_cast<float*>(pool.Scratch(thread, sizeof(float) * filter.rows() * depth));
    const Elements decoded = DecodeGroup(filter, group, copy);
    const float* scale = filterScale == nullptr ? nullptr : filterScale + group * depth;
    float* packed = filters + static_cast<ptrdiff_t>(group) * c.filterRows() * PaddedColumns(columns);
    for (int panel = 0; panel < PanelsOf(columns); ++panel) {
      const ptrdiff_t tapFloats = static_cast<ptrdiff_t>(depth) * PanelVectors(panel, columns) * kLanes;
      float* out = packed + PanelStart(panel, c.filterRows());
      for (ptrdiff_t tap = filter.taps - 1; tap >= 0; --tap, out += tapFloats) {
        PackTransposed(decoded, tap * columns, columns, depth, scale, panel, out);
      }
    }
  });
  ConvolveGroups(c, pool);
}

}  // namespace

void Conv2dInputGradient(const Conv2dInputGradientParams& p, const Conv2dInputGradientBuffers& b, Pool& pool) {
  const Elements dy = {p.dy, b.dy, p.outChannels};
  const Elements filter = {p.filter, b.filter, p.outChannels};
  const bool isPerChannel = p.filterScaleCount > 1;
  const float* filterScale = isPerChannel ? b.filterScale.f32() : nullptr;
  const float filterFactor = isPerChannel ? 1 : ScaleAt(b.filterScale, p.filterScaleCount, 0, 1);
  const bool isDense = IsPlain(p) && IsDense(p);
  const int columns = isDense ? p.kernelHeight * p.kernelWidth * p.inChannels : p.inChannels;
  const bool isByChannels = IsDepthwise(p) && p.kernelHeight * p.kernelWidth <= p.exactTerms;
  const int scaleGroups = isByChannels ? 1 : p.groups / MergedGroups(p.groups, p.inChannels / p.groups);
  const int scales = scaleGroups * PaddedColumns(columns / scaleGroups);
  float* channelScale = b.scratch.f32();
  float* sampleScale = channelScale + scales;
  float* rest = sampleScale + p.batch;
  for (int c = 0; c < scales; ++c) channelScale[c] = 1;
  for (int n = 0; n < p.batch; ++n) sampleScale[n] = ScaleAt(b.dyScale, p.dyScaleCount, n, p.factor) * filterFactor;

  if (!IsPlain(p)) {
    const auto compute = isByChannels ? InputGradientByChannels : InputGradientByGroups;
    compute(p, b, filterScale, sampleScale, channelScale, rest, pool);
    return;
  }
  if (isDense) {
    const DenseProduct d = {dy, p.batch, p.outChannels, columns, p.exactTerms, sampleScale, channelScale, b.dx.f32(), rest};
    const auto pack = [&](int panel, float* out) {
      PackTransposed(filter, 0, columns, p.outChannels, filterScale, panel, out);
    };
    MultiplyDense(d, pack, pool);
    return;
  }
  const Axes axes = {{p.stride, p.kernelHeight, p.padTop, p.height}, {p.stride, p.kernelWidth, p.padLeft, p.width}};
  PackFilters(p, filter, filterScale, axes, rest, pool);
  const ptrdiff_t pixel = p.inChannels;
  RunConvolution c;
  c.images = {dy, p.outHeight, p.outWidth, p.outChannels};
  c.batch = p.batch;
  c.step = 1;
  c.top = axes.rows.Reach() - axes.rows.Origin();
  c.left = axes.columns.Reach() - axes.columns.Origin();
  c.windowHeight = axes.rows.Window();
  c.windowWidth = axes.columns.Window();
  c.rows = CeilDiv(p.height, p.stride);
  c.columns = CeilDiv(p.width, p.stride);
  c.outChannels = p.inChannels;
  c.yPixel = p.stride * pixel;
  c.yRow = p.stride * p.width * pixel;
  c.yImage = p.height * p.width * pixel;
  c.exactTerms = p.exactTerms;
  c.channelScale = channelScale;
  c.sampleScale = sampleScale;
  if (IsPointwise(p)) {
    c.images.height = c.rows = 1;
    c.images.width = c.columns = p.height * p.width;
    const Phase phase = {1, c.columns, 0, 0, 1, 1, rest, b.dx.f32()};
    Convolve(c, 1, [&](int) { return phase; }, pool);
    return;
  }
  Convolve(c, p.stride * p.stride, [&](int index) {
    const int row = index / p.stride;
    const int column = index % p.stride;
    const ptrdiff_t first = static_cast<ptrdiff_t>(axes.rows.First(row)) * p.width + axes.columns.First(column);
    const ptrdiff_t start = PhaseStart(axes, row, column, p.outChannels * PaddedColumns(p.inChannels));
    return Phase{axes.rows.Count(row),
                 axes.columns.Count(column),
                 axes.rows.FirstWindow(row),
                 axes.columns.FirstWindow(column),
                 axes.rows.Taps(row),
                 axes.columns.Taps(column),
                 rest + start,
                 b.dx.f32() + first * pixel};
  }, pool);
}

}  // namespace subbit::SUBBIT_ISA
