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
 * A filter as large as the image is one matrix product with the samples as pixels and KH * KW * C outputs, as in conv2d.
 *
 * Scratch: packed filters (phases one after another), a scale of 1 per output channel, then sample scales.
 */
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

/** filter[matrix][c0 + v][k] -> out[k][v], with a scale per output channel k where there is one. */
void TransposeSlice(const Conv2dInputGradientParams& p, const Conv2dInputGradientBuffers& b, ptrdiff_t matrix, int columns, int panel, float* out) {
  const int lanes = PanelVectors(panel, columns) * kLanes;
  const int count = PanelColumns(panel, columns);
  const bool isPerChannel = p.filterScaleCount > 1;
  constexpr int kBlock = 64;
  float row[kBlock];
  for (int k0 = 0; k0 < p.outChannels; k0 += kBlock) {
    const int block = Min(kBlock, p.outChannels - k0);
    for (int v = 0; v < lanes; ++v) {
      if (v < count) {
        const ptrdiff_t start = (matrix + panel * kPanelLanes + v) * p.outChannels + k0;
        Decode(p.filter, b.filter, start, block, p.outChannels, row);
        if (isPerChannel) {
          for (int k = 0; k < block; ++k) row[k] *= b.filterScale.f32()[k0 + k];
        }
      } else {
        for (int k = 0; k < block; ++k) row[k] = 0;
      }
      for (int k = 0; k < block; ++k) out[static_cast<ptrdiff_t>(k0 + k) * lanes + v] = row[k];
    }
  }
}

/** Where phase (a, b) begins in the packed filters. */
ptrdiff_t PhaseStart(const Axes& axes, int a, int b, int matrixSize) {
  return static_cast<ptrdiff_t>(axes.rows.TapsBefore(a) * axes.columns.kernel + axes.rows.Taps(a) * axes.columns.TapsBefore(b)) * matrixSize;
}

void PackFilters(const Conv2dInputGradientParams& p, const Conv2dInputGradientBuffers& b, const Axes& axes, float* packed, Pool& pool) {
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
    TransposeSlice(p, b, static_cast<ptrdiff_t>(kh * p.kernelWidth + kw) * p.inChannels, p.inChannels, panel, out);
  });
}

}  // namespace

void Conv2dInputGradient(const Conv2dInputGradientParams& p, const Conv2dInputGradientBuffers& b, Pool& pool) {
  const bool isUnpadded = p.padTop == 0 && p.padLeft == 0;
  const bool coversImage = isUnpadded && p.outHeight == 1 && p.outWidth == 1 && p.kernelHeight == p.height && p.kernelWidth == p.width;
  const bool isPointwise = isUnpadded && p.stride == 1 && p.kernelHeight == 1 && p.kernelWidth == 1 && p.outHeight == p.height && p.outWidth == p.width;
  const int taps = p.kernelHeight * p.kernelWidth;
  const int outputs = coversImage ? taps * p.inChannels : p.inChannels;
  const Axes axes = {{p.stride, p.kernelHeight, p.padTop, p.height}, {p.stride, p.kernelWidth, p.padLeft, p.width}};

  float* packed = b.scratch.f32();
  float* channelScale = packed + static_cast<ptrdiff_t>(taps) * p.outChannels * PaddedColumns(p.inChannels);
  float* sampleScale = channelScale + PaddedColumns(outputs);
  const float filterFactor = p.filterScaleCount > 1 ? 1 : ScaleAt(b.filterScale, p.filterScaleCount, 0, 1);
  for (int c = 0; c < PaddedColumns(outputs); ++c) channelScale[c] = 1;
  for (int n = 0; n < p.batch; ++n) sampleScale[n] = ScaleAt(b.dyScale, p.dyScaleCount, n, p.factor) * filterFactor;

  RunConvolution c = {
      .images = {p.dy, b.dy, p.outHeight, p.outWidth, p.outChannels, p.outChannels},
      .batch = p.batch,
      .top = axes.rows.Reach() - axes.rows.Origin(),
      .left = axes.columns.Reach() - axes.columns.Origin(),
      .step = 1,
      .windowHeight = axes.rows.Window(),
      .windowWidth = axes.columns.Window(),
      .rows = CeilDiv(p.height, p.stride),
      .columns = CeilDiv(p.width, p.stride),
      .outChannels = outputs,
      .exactTerms = p.exactTerms,
      .channelScale = channelScale,
      .sampleScale = sampleScale,
      .samplesArePixels = coversImage,
  };
  const ptrdiff_t pixel = p.inChannels;
  c.yPixel = p.stride * pixel;
  c.yRow = p.stride * p.width * pixel;
  c.yImage = p.height * p.width * pixel;
  if (coversImage) {
    pool.Run(PanelsOf(outputs), [&](int panel, int) {
      TransposeSlice(p, b, 0, outputs, panel, packed + PanelStart(panel, p.outChannels));
    });
    c.images.width = c.columns = p.batch;
    c.batch = c.rows = c.windowHeight = c.windowWidth = 1;
    c.top = c.left = 0;
    c.yPixel = outputs;
  } else {
    PackFilters(p, b, axes, packed, pool);
    if (isPointwise) {
      c.images.height = c.rows = 1;
      c.images.width = c.columns = p.height * p.width;
    }
  }
  if (coversImage || isPointwise) {
    const Phase phase = {
        .rows = 1, .columns = c.columns, .firstRow = 0, .firstColumn = 0, .runs = 1, .taps = 1, .filters = packed, .y = b.dx.f32()};
    Convolve(c, 1, [&](int) { return phase; }, pool);
    return;
  }
  Convolve(c, p.stride * p.stride, [&](int index) {
    const int row = index / p.stride;
    const int column = index % p.stride;
    return Phase{
        .rows = axes.rows.Count(row),
        .columns = axes.columns.Count(column),
        .firstRow = axes.rows.FirstWindow(row),
        .firstColumn = axes.columns.FirstWindow(column),
        .runs = axes.rows.Taps(row),
        .taps = axes.columns.Taps(column),
        .filters = packed + PhaseStart(axes, row, column, p.outChannels * PaddedColumns(p.inChannels)),
        .y = b.dx.f32() + (static_cast<ptrdiff_t>(axes.rows.First(row)) * p.width + axes.columns.First(column)) * pixel,
    };
  }, pool);
}

}  // namespace subbit::SUBBIT_ISA
