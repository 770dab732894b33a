/**
 * The filter gradient with groups or dilation, on the outer kernel: x is gathered as for grouped convolutions (grouped.h),
 * so that the positions of one row of the filter are consecutive under every pixel; dy comes in panels of its group. Sums
 * are kept in whole panels [positions][lanes] until a task has seen all samples of its block.
 */
#pragma once
#include "grouped.h"
#include "outer-kernel.h"

namespace subbit::SUBBIT_ISA {

struct GroupedFilterGradient {
  Images x;
  Images dy;
  /** Each made of `merged` groups of the convolution (grouped.h). */
  int groups;
  int merged;
  TapAxes axes;
  int exactTerms;
  const float* sampleScale;

  int groupChannels() const { return x.channels / groups; }
  int groupOutputs() const { return dy.channels / groups; }
  /** Positions under one row of the filter, and under all of it. */
  int rowPositions() const { return axes.columns.taps * groupChannels(); }
  int positions() const { return axes.rows.taps * rowPositions(); }
};

/** What a task computes of the filter. */
struct GroupSlice {
  int group;
  Range panels;
};

/** Some rows and columns of one sample's outputs, and what the group's products need of them. */
struct GroupPiece {
  int n;
  Range rows;
  Range columns;
  /** From row firstSource of x on. */
  const float* gathered;
  int firstSource;
  /** One panel of dy: [rows][columns][lanes] */
  float* dy;
  bool isFirst;
};

inline void PackGroupGradient(const GroupedFilterGradient& g, const GroupPiece& piece, int group, int panel) {
  const int outputs = g.groupOutputs();
  const int lanes = PanelVectors(panel, outputs) * kLanes;
  const int count = PanelColumns(panel, outputs);
  const int firstChannel = group * outputs + panel * kPanelLanes;
  float* out = piece.dy;
  for (int row = piece.rows.first; row < piece.rows.end; ++row) {
    const ptrdiff_t firstOfRow = (static_cast<ptrdiff_t>(piece.n) * g.dy.height + row) * g.dy.width;
    for (int column = piece.columns.first; column < piece.columns.end; ++column, out += lanes) {
      Decode(g.dy.elements, (firstOfRow + column) * g.dy.channels + firstChannel, count, out);
      FillZero(out + count, lanes - count);
    }
  }
}

/** Adds the products of one piece's pixels to the sums of one panel: [positions][lanes]. */
inline void AddGroupPanel(const GroupedFilterGradient& g, const GroupPiece& piece, int vectors, float* sums) {
  const TapAxis& down = g.axes.rows;
  const int length = g.rowPositions();
  const int tiles = CeilDiv(length, MaxTile(vectors));
  const ptrdiff_t sourceRow = static_cast<ptrdiff_t>(piece.columns.size()) * length;
  OuterTile tile;
  tile.samples = 1;
  tile.columns = piece.columns.size();
  tile.xPixel = length;
  tile.xRow = down.step * sourceRow;
  tile.xSample = 0;
  tile.dyPixel = vectors * kLanes;
  tile.dyRow = piece.columns.size() * tile.dyPixel;
  tile.dySample = 0;
  tile.outStride = vectors * kLanes;
  tile.scale = g.sampleScale[piece.n];
  tile.isFirst = piece.isFirst;
  for (int kh = 0; kh < down.taps; ++kh) {
    const int top = piece.rows.first * down.step + kh * down.dilation - down.pad;
    const Range rows = PositionsInside(top, down.step, piece.rows.size(), down.extent);
    tile.rows = rows.size();
    tile.dy = piece.dy + rows.first * tile.dyRow;
    for (int t = 0; t < tiles; ++t) {
      const Range positions = PartOf(t, tiles, length);
      tile.x = piece.gathered + (top + rows.first * down.step - piece.firstSource) * sourceRow + positions.first;
      tile.out = sums + (static_cast<ptrdiff_t>(kh) * length + positions.first) * tile.outStride;
      SelectOuterKernel(positions.size(), vectors)(tile);
    }
  }
}

/** Copies the sums of one panel to the partial gradient, of merged groups those between channels of the same group. */
inline void StoreGroupPanel(const GroupedFilterGradient& g, int group, int panel, const float* sums, float* partial) {
  const int outputs = g.groupOutputs() / g.merged;
  const int channels = g.groupChannels() / g.merged;
  const ptrdiff_t lanes = PanelVectors(panel, g.groupOutputs()) * kLanes;
  const int first = panel * kPanelLanes;
  const int end = first + PanelColumns(panel, g.groupOutputs());
  for (int tap = 0; tap < g.axes.taps(); ++tap) {
    for (int i = 0; i < g.merged; ++i) {
      const Range columns = {Max(first, i * outputs), Min(end, (i + 1) * outputs)};
      for (int c = 0; c < channels; ++c) {
        const float* sum = sums + ((tap * g.merged + i) * channels + c) * lanes;
        float* out = partial + (static_cast<ptrdiff_t>(tap) * channels + c) * g.dy.channels + group * g.groupOutputs();
        for (int k = columns.first; k < columns.end; ++k) out[k] = sum[k - first];
      }
    }
  }
}

/** A slice of a partial gradient [taps][group's channels][all outputs], from the samples of one block. */
inline void AddGroupBlock(const GroupedFilterGradient& g, Range samples, const GroupSlice& slice, float* partial, Pool& pool,
                          int thread) {
  const PieceSize size = PieceSizeOf(g.axes, g.x, g.dy, g.exactTerms);
  const int channels = g.groupChannels();
  Gathering gathering = {g.x, g.axes.columns, {0, size.columns}, {slice.group * channels, (slice.group + 1) * channels}};
  const ptrdiff_t dyFloats = static_cast<ptrdiff_t>(size.rows) * size.columns * kMaxVectors * kLanes;
  const ptrdiff_t panelFloats = static_cast<ptrdiff_t>(g.positions()) * kMaxVectors * kLanes;
  const ptrdiff_t floats = gathering.decodedFloats() + dyFloats + size.sourceRows * gathering.rowFloats();
  float* decoded = static_cast<float*>(pool.Scratch(thread, sizeof(float) * (floats + slice.panels.size() * panelFloats)));
  GroupPiece piece;
  piece.dy = decoded + gathering.decodedFloats();
  piece.isFirst = true;
  float* gathered = piece.dy + dyFloats;
  piece.gathered = gathered;
  float* sums = decoded + floats;
  for (piece.n = samples.first; piece.n < samples.end; ++piece.n) {
    for (int row = 0; row < g.dy.height; row += size.rows) {
      piece.rows = {row, Min(row + size.rows, g.dy.height)};
      const Range source = SourceOf(g.axes.rows, piece.rows);
      piece.firstSource = source.first;
      for (int column = 0; column < g.dy.width; column += size.columns) {
        piece.columns = {column, Min(column + size.columns, g.dy.width)};
        gathering.columns = piece.columns;
        GatherRows(gathering, piece.n, source, decoded, gathered);
        for (int panel = slice.panels.first; panel < slice.panels.end; ++panel) {
          PackGroupGradient(g, piece, slice.group, panel);
          const int vectors = PanelVectors(panel, g.groupOutputs());
          AddGroupPanel(g, piece, vectors, sums + (panel - slice.panels.first) * panelFloats);
        }
        piece.isFirst = false;
      }
    }
  }
  for (int panel = slice.panels.first; panel < slice.panels.end; ++panel) {
    StoreGroupPanel(g, slice.group, panel, sums + (panel - slice.panels.first) * panelFloats, partial);
  }
}

/** Partial gradients [blocks][taps][group's channels][all outputs]. */
inline void SumGroups(const GroupedFilterGradient& g, int batch, int blocks, float* partials, Pool& pool) {
  constexpr int kTasks = 32;
  const int panels = PanelsOf(g.groupOutputs());
  const int panelSlices = Min(panels, CeilDiv(kTasks, blocks * g.groups));
  const ptrdiff_t elements = static_cast<ptrdiff_t>(g.positions() / g.merged) * g.dy.channels;
  pool.Run(blocks * g.groups * panelSlices, [&](int task, int thread) {
    const int block = task / panelSlices / g.groups;
    const GroupSlice slice = {task / panelSlices % g.groups, PartOf(task % panelSlices, panelSlices, panels)};
    AddGroupBlock(g, PartOf(block, blocks, batch), slice, partials + block * elements, pool, thread);
  });
}

}  // namespace subbit::SUBBIT_ISA
