/**
 * Convolution with groups or dilation on the run kernel, group by group. A band of rows of one group's channels is *gathered*
 * so that, whatever the stride and dilation, the elements under one row of the filter are consecutive again:
 *
 *     gathered[source row][output column][tap][channel of the group]        zeros where a tap lies outside
 *
 * Then the window of an output is a run per filter row, as run-kernel.h wants it. The copy is kernelWidth times as large as
 * the rows, and made once per band and group.
 *
 * Groups with so few outputs that several fit into one vector are *merged* into one, whose filter has zeros between the
 * channels of different groups: the lanes would idle otherwise. (32 groups of 4 channels: 3 times faster.)
 */
#pragma once
#include "run-row.h"
#include "taps.h"

namespace subbit::SUBBIT_ISA {

/** Channels of one group, and outputs `columns` of an axis: what is gathered. */
struct Gathering {
  Images images;
  TapAxis axis;
  Range columns;
  Range channels;

  ptrdiff_t pixelFloats() const { return static_cast<ptrdiff_t>(axis.taps) * channels.size(); }
  ptrdiff_t rowFloats() const { return columns.size() * pixelFloats(); }
  /** Room for the decoded channels of one row. */
  ptrdiff_t decodedFloats() const { return static_cast<ptrdiff_t>(images.width) * channels.size(); }
};

/** Gathers rows of image n, all of them inside of the image. */
inline void GatherRows(const Gathering& g, int n, Range rows, float* decoded, float* out) {
  const int channels = g.channels.size();
  for (int row = rows.first; row < rows.end; ++row, out += g.rowFloats()) {
    const ptrdiff_t first = (static_cast<ptrdiff_t>(n) * g.images.height + row) * g.images.width;
    for (int i = 0; i < g.images.width; ++i) {
      Decode(g.images.elements, (first + i) * g.images.channels + g.channels.first, channels, decoded + i * channels);
    }
    FillZero(out, g.rowFloats());
    float* pixel = out;
    for (int column = g.columns.first; column < g.columns.end; ++column, pixel += g.pixelFloats()) {
      const Reach reach = ReachOf(g.axis, column);
      const float* from = decoded + static_cast<ptrdiff_t>(reach.source) * channels;
      float* to = pixel + reach.firstTap * channels;
      for (int i = 0; i < reach.count; ++i) {
        for (int c = 0; c < channels; ++c) to[c] = from[c];
        from += reach.sourceStep * channels;
        to += reach.tapStep * channels;
      }
    }
  }
}

struct GroupedConvolution {
  Images images;
  int batch;
  int groups;
  TapAxes axes;
  int rows;
  int columns;
  int outChannels;
  int exactTerms;
  /** Group after group: panels [taps * group's channels][group's outputs]. */
  const float* filters;
  const float* sampleScale;
  /** [groups][group's outputs padded to whole vectors] */
  const float* channelScale;
  /** [batch][rows][columns][outChannels] */
  float* y;

  int groupChannels() const { return images.channels / groups; }
  int groupOutputs() const { return outChannels / groups; }
  /** Of one group's filters, packed. */
  int filterRows() const { return axes.taps() * groupChannels(); }
};

/** Rows `band` of image n; the gathered rows begin with `firstSource`. */
inline void MultiplyGroup(const GroupedConvolution& c, int n, int group, Range band, const float* gathered, int firstSource) {
  const int outputs = c.groupOutputs();
  const int padded = PaddedColumns(outputs);
  const float* groupFilters = c.filters + static_cast<ptrdiff_t>(group) * c.filterRows() * padded;
  Row row;
  row.exactTerms = c.exactTerms;
  row.tile.runLength = c.axes.columns.taps * c.groupChannels();
  row.tile.pixelStride = row.tile.runLength;
  row.tile.yStride = c.outChannels;
  row.tile.adds = false;
  row.tile.pixelScale = c.sampleScale + n;
  row.tile.pixelScaleStep = 0;
  const ptrdiff_t rowFloats = static_cast<ptrdiff_t>(c.columns) * row.tile.runLength;
  for (int panel = 0; panel < PanelsOf(outputs); ++panel) {
    row.vectors = PanelVectors(panel, outputs);
    row.columns = PanelColumns(panel, outputs);
    row.tile.channelScale = c.channelScale + static_cast<ptrdiff_t>(group) * padded + panel * kPanelLanes;
    const ptrdiff_t runFloats = static_cast<ptrdiff_t>(row.tile.runLength) * row.vectors * kLanes;
    for (int out = band.first; out < band.end; ++out) {
      const Reach reach = ReachOf(c.axes.rows, out);
      row.tile.runs = reach.count;
      row.tile.image = gathered + (reach.source - firstSource) * rowFloats;
      row.tile.runStride = reach.sourceStep * rowFloats;
      row.tile.filters = groupFilters + PanelStart(panel, c.filterRows()) + reach.firstTap * runFloats;
      row.tile.filterStride = reach.tapStep * runFloats;
      const ptrdiff_t firstPixel = (static_cast<ptrdiff_t>(n) * c.rows + out) * c.columns;
      row.tile.y = c.y + firstPixel * c.outChannels + group * outputs + panel * kPanelLanes;
      MultiplyRow(row, {0, c.columns});
    }
  }
}

inline void ConvolveGroups(const GroupedConvolution& c, Pool& pool) {
  constexpr double kBandBytes = 256 << 10;
  const double products = static_cast<double>(c.filterRows()) * c.batch * c.rows * c.columns * c.outChannels;
  const Gathering whole = {c.images, c.axes.columns, {0, c.columns}, {0, c.groupChannels()}};
  const double gatheredBytes = static_cast<double>(sizeof(float)) * whole.rowFloats() * c.images.height;
  const int bandsForCache = 1 + static_cast<int>(gatheredBytes / kBandBytes);
  const int bands = Min(c.rows, Max(BandsOf(c.rows, c.batch * c.groups, products), bandsForCache));
  pool.Run(c.batch * c.groups * bands, [&](int task, int thread) {
    const int n = task / bands / c.groups;
    const int group = task / bands % c.groups;
    const Range band = PartOf(task % bands, bands, c.rows);
    const Range source = SourceOf(c.axes.rows, band);
    Gathering gathering = whole;
    gathering.channels = {group * c.groupChannels(), (group + 1) * c.groupChannels()};
    const ptrdiff_t floats = gathering.decodedFloats() + source.size() * gathering.rowFloats();
    float* decoded = static_cast<float*>(pool.Scratch(thread, sizeof(float) * floats));
    float* gathered = decoded + gathering.decodedFloats();
    GatherRows(gathering, n, source, decoded, gathered);
    MultiplyGroup(c, n, group, band, gathered, source.first);
  });
}

/** How many consecutive groups of `columns` columns fit into one vector; divides `groups`. */
inline int MergedGroups(int groups, int columns) {
  int merged = Max(1, Min(groups, kLanes / columns));
  while (groups % merged != 0) --merged;
  return merged;
}

/** A filter [taps][channels][all groups' outputs], of which `merged` groups at a time become one. */
struct GroupedFilter {
  Elements elements;
  int taps;
  int channels;
  int outputs;
  int merged;

  int rows() const { return taps * merged * channels; }
  int columns() const { return merged * outputs; }
};

/** Decodes the filter of one merged group: [taps][merged channels][merged outputs], as elements of their own. */
inline Elements DecodeGroup(const GroupedFilter& f, int group, float* out) {
  const ptrdiff_t columns = f.columns();
  if (f.merged > 1) FillZero(out, f.rows() * columns);
  for (int tap = 0; tap < f.taps; ++tap) {
    for (int i = 0; i < f.merged; ++i) {
      for (int c = 0; c < f.channels; ++c) {
        const ptrdiff_t start = (static_cast<ptrdiff_t>(tap) * f.channels + c) * f.elements.channels;
        const ptrdiff_t row = (tap * f.merged + i) * f.channels + c;
        Decode(f.elements, start + (group * f.merged + i) * f.outputs, f.outputs, out + row * columns + i * f.outputs);
      }
    }
  }
  return {{1, 1, {0, 0, 0, 0}}, {out}, f.columns()};
}

}  // namespace subbit::SUBBIT_ISA
