/**
 * The filter gradient of a depthwise convolution, for some channels and the samples of one block:
 *
 *     dFilter[tap][c] = sum over the samples: scale * sum over the pixels: x[pixel + tap][c] * dy[pixel][c]
 */
#pragma once
#include "depthwise.h"

namespace subbit::SUBBIT_ISA {

struct DepthwiseFilterGradient {
  Images x;
  Images dy;
  TapAxes axes;
  int exactTerms;
  const float* sampleScale;
};

/** Some rows and columns of one sample's outputs, and what is under them. */
struct DepthwisePiece {
  Range rows;
  Range columns;
  Rows x;
  Rows dy;
  float scale;
  bool isFirst;
};

/** One tap of kVectors vectors of channels from the views' first on: sums[v] (+)= scale * sum */
template <int kVectors>
void SumTap(const DepthwiseFilterGradient& d, const DepthwisePiece& piece, int kh, int kw, float* sums) {
  const TapAxis& down = d.axes.rows;
  const TapAxis& across = d.axes.columns;
  const int top = piece.rows.first * down.step + kh * down.dilation - down.pad;
  const int left = piece.columns.first * across.step + kw * across.dilation - across.pad;
  const Range rows = PositionsInside(top, down.step, piece.rows.size(), down.extent);
  const Range columns = PositionsInside(left, across.step, piece.columns.size(), across.extent);
  Vec sum[kVectors] = {};
  for (int row = rows.first; row < rows.end; ++row) {
    const float* x = piece.x.data + (top + row * down.step) * piece.x.row;
    const float* dy = piece.dy.data + (piece.rows.first + row) * piece.dy.row;
    x += (left + columns.first * across.step) * piece.x.pixel;
    dy += (piece.columns.first + columns.first) * piece.dy.pixel;
    for (int i = 0; i < columns.size(); ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[v] += Load(x + v * kLanes) * Load(dy + v * kLanes);
      x += across.step * piece.x.pixel;
      dy += piece.dy.pixel;
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    const Vec product = piece.scale * sum[v];
    Store(sums + v * kLanes, piece.isFirst ? product : Load(sums + v * kLanes) + product);
  }
}

/** Channels `channels` (at most kDepthwiseVectors vectors) of a partial gradient [taps][all channels]. */
inline void AddDepthwiseBlock(const DepthwiseFilterGradient& d, Range samples, Range channels, float* partial, Pool& pool,
                              int thread) {
  using TapKernel = void (*)(const DepthwiseFilterGradient&, const DepthwisePiece&, int, int, float*);
  static constexpr TapKernel kKernels[] = {SumTap<1>, SumTap<2>, SumTap<3>, SumTap<4>};
  const TapKernel kernel = kKernels[VectorsOf(channels.size()) - 1];
  const ptrdiff_t padded = PaddedColumns(channels.size());
  const PieceSize size = PieceSizeOf(d.axes, d.x, d.dy, d.exactTerms);
  const ptrdiff_t sumFloats = d.axes.taps() * padded;
  const ptrdiff_t xFloats = RowsFloats(d.x, {0, size.sourceRows}, channels);
  const ptrdiff_t dyFloats = RowsFloats(d.dy, {0, size.rows}, channels);
  float* sums = static_cast<float*>(pool.Scratch(thread, sizeof(float) * (sumFloats + xFloats + dyFloats)));
  float* copies = sums + sumFloats;
  DepthwisePiece piece;
  piece.isFirst = true;
  for (int n = samples.first; n < samples.end; ++n) {
    piece.scale = d.sampleScale[n];
    for (int row = 0; row < d.dy.height; row += size.rows) {
      piece.rows = {row, Min(row + size.rows, d.dy.height)};
      piece.x = ReadRows(d.x, n, SourceOf(d.axes.rows, piece.rows), channels, copies);
      piece.dy = ReadRows(d.dy, n, piece.rows, channels, copies + xFloats);
      for (int column = 0; column < d.dy.width; column += size.columns) {
        piece.columns = {column, Min(column + size.columns, d.dy.width)};
        for (int tap = 0; tap < d.axes.taps(); ++tap) {
          kernel(d, piece, tap / d.axes.columns.taps, tap % d.axes.columns.taps, sums + tap * padded);
        }
        piece.isFirst = false;
      }
    }
  }
  for (int tap = 0; tap < d.axes.taps(); ++tap) {
    float* out = partial + static_cast<ptrdiff_t>(tap) * d.x.channels + channels.first;
    for (int c = 0; c < channels.size(); ++c) out[c] = sums[tap * padded + c];
  }
}

/** Partial gradients [blocks][taps][channels]. */
inline void SumDepthwise(const DepthwiseFilterGradient& d, int batch, int blocks, float* partials, Pool& pool) {
  constexpr int kSlice = kDepthwiseVectors * kLanes;
  const int slices = CeilDiv(d.x.channels, kSlice);
  pool.Run(blocks * slices, [&](int task, int thread) {
    const int block = task / slices;
    const int first = task % slices * kSlice;
    float* partial = partials + static_cast<ptrdiff_t>(block) * d.axes.taps() * d.x.channels;
    AddDepthwiseBlock(d, PartOf(block, blocks, batch), {first, Min(first + kSlice, d.x.channels)}, partial, pool, thread);
  });
}

}  // namespace subbit::SUBBIT_ISA
