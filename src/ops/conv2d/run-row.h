/**
 * A row of outputs for the run kernel: cut into tiles, and where a tile cannot be written directly (its last vector is not
 * full, or its integer sum needs several segments to stay exact), taken through a buffer.
 */
#pragma once
#include "run-kernel.h"

namespace subbit::SUBBIT_ISA {

/** One panel's part of one row of outputs. */
struct Row {
  /** Describes output 0. */
  RunTile tile;
  /** Vectors of the panel, and how many columns of them exist. */
  int vectors;
  int columns;
  /** How many products a float sums exactly (conv2d.ts); longer sums are made of segments, added as doubles. */
  int exactTerms;
};

inline void MultiplyBuffered(const Row& row, const RunTile& tile, int pixels) {
  static constexpr float kOne = 1;
  constexpr int kTile = kMaxTile * kMaxVectors * kLanes;
  const RunKernel kernel = SelectRunKernel(pixels, row.vectors);
  const int lanes = row.vectors * kLanes;
  float ones[kMaxVectors * kLanes];
  for (float& one : ones) one = 1;
  float part[kTile];
  double total[kTile] = {};
  RunTile segment = tile;
  segment.y = part;
  segment.yStride = lanes;
  segment.adds = false;
  segment.pixelScale = &kOne;
  segment.pixelScaleStep = 0;
  segment.channelScale = ones;
  const int runsAtOnce = Max(row.exactTerms / Max(tile.runLength, 1), 1);
  const int termsAtOnce = Min(row.exactTerms, tile.runLength);
  for (int run = 0; run < tile.runs; run += runsAtOnce) {
    segment.runs = Min(runsAtOnce, tile.runs - run);
    for (int l = 0; l < tile.runLength; l += termsAtOnce) {
      segment.runLength = Min(termsAtOnce, tile.runLength - l);
      segment.image = tile.image + run * tile.runStride + l;
      segment.filters = tile.filters + run * tile.filterStride + static_cast<ptrdiff_t>(l) * lanes;
      kernel(segment);
      for (int i = 0; i < pixels * lanes; ++i) total[i] += part[i];
    }
  }
  for (int i = 0; i < pixels; ++i) {
    float* y = tile.y + i * tile.yStride;
    const float pixelScale = tile.pixelScale[i * tile.pixelScaleStep];
    for (int v = 0; v < row.columns; ++v) {
      const float sum = static_cast<float>(total[i * lanes + v]);
      y[v] = tile.adds ? y[v] + sum : sum * (pixelScale * tile.channelScale[v]);
    }
  }
}

/** Outputs `range` of a row, in tiles of almost equal size (18 = 9 + 9). */
inline void MultiplyRow(const Row& row, Range range) {
  const int tiles = CeilDiv(range.size(), MaxTile(row.vectors));
  const bool isDirect = row.columns == row.vectors * kLanes && row.tile.runs * row.tile.runLength <= row.exactTerms;
  for (int t = 0; t < tiles; ++t) {
    const Range part = PartOf(t, tiles, range.size());
    const ptrdiff_t first = range.first + part.first;
    RunTile tile = row.tile;
    tile.image += first * tile.pixelStride;
    tile.y += first * tile.yStride;
    tile.pixelScale += first * tile.pixelScaleStep;
    if (isDirect) {
      SelectRunKernel(part.size(), row.vectors)(tile);
    } else {
      MultiplyBuffered(row, tile, part.size());
    }
  }
}

}  // namespace subbit::SUBBIT_ISA
