/**
 * The dense layer: a filter as large as the image, so that each sample has one output pixel and the convolution is a
 * product of matrices, y[sample][column] = sum over `depth` of x[sample][l] * filter[l][column]. For the run kernel the
 * samples are the pixels of one row and the window is a single run.
 *
 * Its filters are large and used little (once per sample), so a task packs its panel into the thread's own scratch just
 * before using it for all samples, instead of all panels passing through memory.
 */
#pragma once
#include "run-row.h"

namespace subbit::SUBBIT_ISA {

/** Keeps rows of decoded x off a distance of 4096 bytes, where they would share sets of the cache. As in conv2d.ts. */
inline constexpr int kDensePadding = 16;

struct DenseProduct {
  /** [samples][depth] */
  Elements x;
  int samples;
  int depth;
  int columns;
  int exactTerms;
  const float* sampleScale;
  /** Padded to whole vectors. */
  const float* columnScale;
  /** [samples][columns] */
  float* y;
  /** Room for x decoded: [samples][depth + kDensePadding] */
  float* copy;
};

/** `packPanel(panel, out)` packs one panel of the filters. */
template <class PackPanel>
void MultiplyDense(const DenseProduct& d, const PackPanel& packPanel, Pool& pool) {
  constexpr int kTasks = 16;
  const bool isInPlace = d.x.isReal() && d.depth % 256 != 0;
  const ptrdiff_t stride = isInPlace ? d.depth : d.depth + kDensePadding;
  if (!isInPlace) {
    pool.Run(d.samples, [&](int n, int) { Decode(d.x, static_cast<ptrdiff_t>(n) * d.depth, d.depth, d.copy + n * stride); });
  }
  const int panels = PanelsOf(d.columns);
  const int tiles = CeilDiv(d.samples, kMaxTile);
  const int bands = Min(tiles, CeilDiv(kTasks, panels));
  pool.Run(panels * bands, [&](int task, int thread) {
    const int panel = task / bands;
    const Range part = PartOf(task % bands, bands, tiles);
    Row row;
    row.vectors = PanelVectors(panel, d.columns);
    row.columns = PanelColumns(panel, d.columns);
    row.exactTerms = d.exactTerms;
    float* filters = static_cast<float*>(pool.Scratch(thread, sizeof(float) * d.depth * row.vectors * kLanes));
    packPanel(panel, filters);
    row.tile.image = isInPlace ? d.x.data.f32() : d.copy;
    row.tile.pixelStride = stride;
    row.tile.runs = 1;
    row.tile.runLength = d.depth;
    row.tile.runStride = 0;
    row.tile.filters = filters;
    row.tile.filterStride = 0;
    row.tile.y = d.y + panel * kPanelLanes;
    row.tile.yStride = d.columns;
    row.tile.adds = false;
    row.tile.pixelScale = d.sampleScale;
    row.tile.pixelScaleStep = 1;
    row.tile.channelScale = d.columnScale + panel * kPanelLanes;
    MultiplyRow(row, {PartOf(part.first, tiles, d.samples).first, PartOf(part.end, tiles, d.samples).first});
  });
}

}  // namespace subbit::SUBBIT_ISA
