/**
 * Drives the run kernel over a batch of images. conv2d is one *phase*; the input gradient of a convolution with stride s
 * has s * s phases, each of which computes every s-th row and column of the result with its own part of the filter.
 *
 * Work is cut by the shapes alone, never by the number of threads: a task is a band of output rows (columns, if there is
 * only one row) of one image and a group of panels. It decodes what its band reads into padded floats in the thread's
 * scratch, or reads a real image where it lies.
 *
 * Padding is not multiplied where that is easy to avoid. Runs that lie outside of the image are left out. Columns outside
 * are part of a run, and cost little in a wide image; where they would cost more than it takes to add sums in memory (7x7
 * outputs; gradients of convolutions without padding, which grow from 5x5 to 7x7), each tap of the run becomes a
 * convolution of its own over the outputs that it reaches. Together 1.8 times faster for 5x5 -> 7x7.
 */
#pragma once
#include "run-row.h"

namespace subbit::SUBBIT_ISA {

/** Columns and rows are counted within the phase: output pixel (r, c) reads the window at row r * step + firstRow. */
struct Phase {
  int rows;
  int columns;
  int firstRow;
  int firstColumn;
  /** Filter rows and columns. */
  int runs;
  int taps;
  /** Panels [runs * taps * channels][outChannels]. */
  const float* filters;
  /** Output pixel (0, 0). */
  float* y;
};

struct RunConvolution {
  Images images;
  int batch;
  /** Zeros before the first row and column. */
  int top;
  int left;
  /** Image rows (columns) from one output to the next. */
  int step;
  /** What the window of an output spans over all phases. */
  int windowHeight;
  int windowWidth;
  /** Outputs of the largest phase. */
  int rows;
  int columns;
  int outChannels;
  /** Floats from one output of a phase to the next in its row, in its column, and in the next image. */
  ptrdiff_t yPixel;
  ptrdiff_t yRow;
  ptrdiff_t yImage;
  int exactTerms;
  /** Scale of each output channel, padded to whole vectors. */
  const float* channelScale;
  const float* sampleScale;
};

/** A decoded band of image n, and the outputs that are to be computed from it. */
struct Band {
  int n;
  const float* image;
  ptrdiff_t rowStride;
  Range rows;
  Range columns;
  Range panels;
};

/** Outputs that tap (column) `tap` of a phase reaches. */
inline Range OutputsOfTap(const RunConvolution& c, const Phase& phase, int tap) {
  return PositionsInside(phase.firstColumn + tap - c.left, c.step, phase.columns, c.images.width);
}

/** Whether a row is faster tap by tap. Adding to an output in memory costs about as much as 8 of its products. */
inline bool SplitsTaps(const RunConvolution& c, const Phase& phase) {
  constexpr int kCostOfAdding = 8;
  if (phase.taps == 1 || phase.runs * phase.taps * c.images.channels > c.exactTerms) return false;
  const int64_t depth = phase.runs * c.images.channels;
  int64_t reached = 0;
  for (int tap = 0; tap < phase.taps; ++tap) reached += OutputsOfTap(c, phase, tap).size();
  const int64_t outputs = static_cast<int64_t>(phase.columns) * phase.taps;
  return reached * depth + outputs * kCostOfAdding < outputs * depth;
}

/** A row tap by tap. Sums of integers stay exact, because the scale comes last. */
inline void MultiplyRowByTaps(const RunConvolution& c, const Phase& phase, const Row& row, Range range) {
  const RunTile& all = row.tile;
  for (int i = range.first; i < range.end; ++i) FillZero(all.y + i * all.yStride, row.columns);
  Row part = row;
  part.tile.adds = true;
  part.tile.runLength = c.images.channels;
  for (int tap = 0; tap < phase.taps; ++tap) {
    const Range reached = OutputsOfTap(c, phase, tap);
    MultiplyRow(part, {Max(range.first, reached.first), Min(range.end, reached.end)});
    part.tile.image += c.images.channels;
    part.tile.filters += c.images.channels * row.vectors * kLanes;
  }
  for (int i = range.first; i < range.end; ++i) {
    float* y = all.y + i * all.yStride;
    for (int v = 0; v < row.columns; ++v) y[v] *= *all.pixelScale * all.channelScale[v];
  }
}

inline void MultiplyBand(const RunConvolution& c, const Phase& phase, const Band& band) {
  const int channels = c.images.channels;
  const Range columns = {band.columns.first, Min(band.columns.end, phase.columns)};
  const bool splitsTaps = SplitsTaps(c, phase);
  Row row;
  row.exactTerms = c.exactTerms;
  row.tile.pixelStride = static_cast<ptrdiff_t>(c.step) * channels;
  row.tile.runLength = phase.taps * channels;
  row.tile.runStride = band.rowStride;
  row.tile.yStride = c.yPixel;
  row.tile.adds = false;
  row.tile.pixelScale = c.sampleScale + band.n;
  row.tile.pixelScaleStep = 0;
  for (int panel = band.panels.first; panel < band.panels.end; ++panel) {
    row.vectors = PanelVectors(panel, c.outChannels);
    row.columns = PanelColumns(panel, c.outChannels);
    row.tile.filterStride = static_cast<ptrdiff_t>(row.tile.runLength) * row.vectors * kLanes;
    row.tile.channelScale = c.channelScale + panel * kPanelLanes;
    const float* filters = phase.filters + PanelStart(panel, phase.runs * row.tile.runLength);
    for (int r = band.rows.first; r < Min(band.rows.end, phase.rows); ++r) {
      const int window = r * c.step + phase.firstRow;
      const Range runs = PositionsInside(window - c.top, 1, phase.runs, c.images.height);
      row.tile.runs = runs.size();
      row.tile.image = band.image + (window - band.rows.first * c.step + runs.first) * band.rowStride +
                       (phase.firstColumn - static_cast<ptrdiff_t>(band.columns.first) * c.step) * channels;
      row.tile.filters = filters + runs.first * row.tile.filterStride;
      row.tile.y = phase.y + band.n * c.yImage + r * c.yRow + panel * kPanelLanes;
      if (splitsTaps) {
        MultiplyRowByTaps(c, phase, row, columns);
      } else {
        MultiplyRow(row, columns);
      }
    }
  }
}

/** Parts into which every image and the panels are cut. */
struct Cut {
  int bands;
  int groups;
};

inline Cut CutConvolution(const RunConvolution& c) {
  constexpr int kTasks = 32;
  constexpr double kProductsPerTask = 1 << 16;
  constexpr double kBandBytes = 256 << 10;
  const double window = static_cast<double>(c.windowHeight) * c.windowWidth * c.images.channels;
  const double products = window * c.batch * c.rows * c.columns * c.outChannels;
  const int tasks = products > kTasks * kProductsPerTask ? kTasks : 1 + static_cast<int>(products / kProductsPerTask);
  const double imageBytes = 4.0 * c.rows * c.columns * c.step * c.step * c.images.channels;
  const int cells = c.rows > 1 ? c.rows : CeilDiv(c.columns, kMaxTile);
  const int bands = Min(cells, Max(CeilDiv(tasks, c.batch), 1 + static_cast<int>(imageBytes / kBandBytes)));
  return {bands, Min(PanelsOf(c.outChannels), CeilDiv(tasks, c.batch * bands))};
}

/** Rows or, in an image of one row, columns of part `index` of an image. */
inline void CutBand(const RunConvolution& c, int index, int bands, Band* band) {
  band->rows = {0, c.rows};
  band->columns = {0, c.columns};
  if (c.rows > 1) {
    band->rows = PartOf(index, bands, c.rows);
  } else {
    const int tiles = CeilDiv(c.columns, kMaxTile);
    const Range part = PartOf(index, bands, tiles);
    band->columns = {PartOf(part.first, tiles, c.columns).first, PartOf(part.end, tiles, c.columns).first};
  }
}

/** `phaseAt(i)` gives phase i of `phases`. */
template <class PhaseAt>
void Convolve(const RunConvolution& c, int phases, const PhaseAt& phaseAt, Pool& pool) {
  const Cut cut = CutConvolution(c);
  const bool isUnpadded = c.top == 0 && (c.rows - 1) * c.step + c.windowHeight <= c.images.height && c.left == 0 &&
                          (c.columns - 1) * c.step + c.windowWidth <= c.images.width;
  pool.Run(c.batch * cut.bands * cut.groups, [&](int task, int thread) {
    Band band;
    band.panels = PartOf(task % cut.groups, cut.groups, PanelsOf(c.outChannels));
    band.n = task / cut.groups / cut.bands;
    CutBand(c, task / cut.groups % cut.bands, cut.bands, &band);
    const Rectangle read = {
        {band.rows.first * c.step - c.top, (band.rows.end - 1) * c.step + c.windowHeight - c.top},
        {band.columns.first * c.step - c.left, (band.columns.end - 1) * c.step + c.windowWidth - c.left}};
    const ptrdiff_t channels = c.images.channels;
    if (isUnpadded && c.images.elements.isReal()) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(band.n) * c.images.height + read.rows.first;
      band.rowStride = c.images.width * channels;
      band.image = c.images.elements.data.f32() + row * band.rowStride + read.columns.first * channels;
    } else {
      band.rowStride = read.columns.size() * channels;
      float* copy = static_cast<float*>(pool.Scratch(thread, sizeof(float) * band.rowStride * read.rows.size()));
      CopyRectangle(c.images, band.n, read, copy, band.rowStride);
      band.image = copy;
    }
    for (int i = 0; i < phases; ++i) MultiplyBand(c, phaseAt(i), band);
  });
}

}  // namespace subbit::SUBBIT_ISA
