/**
 * The walk of a convolution by look-up tables: tables.ts has the filter's layout, tables-tile.h the arithmetic.
 *
 * It goes by input pixels, because a pixel's tables are large (64 bytes for six channels) and serve all taps and output
 * channels: a row's next pixels get the tables of some channels, which are used for every tap and output at once and then
 * forgotten, so that they never leave the first caches (with the tables of whole images in the second-level cache a
 * convolution took 1.4 times as long). The rows of a filter are the columns of a tile, so that even 64 output channels use
 * each table that is loaded three times.
 *
 * What waits for other taps is 16-bit sums, [row][column][block][plane][64] of a task's part of the outputs (a band,
 * windows.h).
 */
#pragma once
#include "tables-tile.h"
#include "windows.h"

namespace subbit::SUBBIT_ISA {

/** Levels of more bits are looked up in two halves, so that six of them fit a byte. */
inline constexpr int kBitsAtOnce = 4;

/**
 * Tables of a pixel, tables of a row, and the fewest pixels of a row that are built at once. Half of these (20 KiB) costs 5 %
 * at 256 channels, where the runs of steps become short.
 */
inline constexpr int kTablesAtOnce = 43;
inline constexpr int kRowTables = 320;
inline constexpr int kLeastPixels = 14;

struct TableConvolution {
  Windows w;
  const uint8_t* x;
  const uint8_t* filter;
  int weightBits;
  /** In how many halves the levels are looked up. */
  int halves;
  /** Per pixel and group. */
  int tables;
  int stepsAtOnce;
  /** Which parts run (ConvolutionPart). */
  bool packs;
  bool multiplies;

  int steps() const { return w.taps() * tables; }
  ptrdiff_t columnBytes() const { return static_cast<ptrdiff_t>(steps()) * kTableBlock; }
  int groupBlocks() const { return CeilDiv(w.groupOutputs(), kTableBlock); }
  /** Under one column of filter taps the pixels between the outputs' are left out. */
  int columnStep() const { return w.kernelWidth == 1 ? w.stride : 1; }
  int chunks() const { return CeilDiv(tables, kTablesAtOnce); }
  int tablesAtOnce() const { return CeilDiv(tables, chunks()); }
  int pixelsAtOnce() const { return Max(kLeastPixels, kRowTables / tablesAtOnce()); }
};

template <class T>
inline void Clear(T* out, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; ++i) out[i] = 0;
}

/** Some tables of every pixel. */
struct Chunk {
  Range tables;
  /** Of a pixel's tables. */
  int pixelBytes;
  /** Taps of a filter row whose tables and indices are neighbours, so that they are one run. */
  int tapsAtOnce;

  Chunk(const TableConvolution& c, int index, int tableBytes) {
    tables = PartOf(index, c.chunks(), c.tables);
    pixelBytes = tables.size() * tableBytes;
    tapsAtOnce = c.w.dilation == 1 && c.chunks() == 1 ? c.w.kernelWidth : 1;
  }
};

/** The steps of one row of the filter; returns how many runs they are. */
inline int MakeRuns(const TableConvolution& c, const Chunk& chunk, TableRun* out) {
  int runs = 0;
  for (int kw = 0; kw < c.w.kernelWidth; kw += chunk.tapsAtOnce) {
    const int step = kw * c.tables + chunk.tables.first;
    out[runs++] = {kw * c.w.dilation * chunk.pixelBytes, step * kTableBlock, chunk.tapsAtOnce * chunk.tables.size()};
  }
  return runs;
}

/** Output columns that are computed at once, from those tables. */
inline int ReadPixels(const TableConvolution& c, int pixels) {
  return ((pixels - 1) * c.w.stride + (c.w.kernelWidth - 1) * c.w.dilation) / c.columnStep() + 1;
}

/** Builds the tables of input row h for output columns `columns`. Outside of the image they are 0. */
template <class Look>
void BuildTables(const TableConvolution& c, const Band& band, const Chunk& chunk, int h, Range columns, int half,
                 uint8_t* out) {
  const Windows& w = c.w;
  const int step = c.columnStep();
  const int start = columns.first * w.stride - w.padLeft;
  const int pixels = ReadPixels(c, columns.size());
  const Range inside = PositionsInside(start, step, pixels, w.width);
  const int first = chunk.tables.first * Look::kInputs;
  const ptrdiff_t pixel = (static_cast<ptrdiff_t>(band.n) * w.height + h) * w.width + start + inside.first * step;
  TableRow row;
  row.x = c.x + pixel * w.inChannels + band.group * w.groupInputs() + first;
  row.xPixel = static_cast<ptrdiff_t>(step) * w.inChannels;
  row.pixels = inside.size();
  row.channels = Min(w.groupInputs() - first, chunk.tables.size() * Look::kInputs);
  row.shift = kBitsAtOnce * half;
  row.out = out + inside.first * chunk.pixelBytes;
  row.outPixel = chunk.pixelBytes;
  Clear(out, inside.first * chunk.pixelBytes);
  Clear(out + inside.end * chunk.pixelBytes, (pixels - inside.end) * chunk.pixelBytes);
  Look::Build(row);
}

/** Rows first, first + step .. of a filter. */
struct FilterRows {
  int first;
  int step;
  int count;
};

/** Those among `all` under which input row h meets output rows of the band. */
inline FilterRows FilterRowsAt(const Windows& w, const Band& band, Range all, int h) {
  FilterRows rows = {0, 0, 0};
  for (int kh = all.first; kh < all.end; ++kh) {
    const int top = h + w.padTop - kh * w.dilation;
    if (top % w.stride != 0 || top < band.rows.first * w.stride || top >= band.rows.end * w.stride) continue;
    if (rows.count == 0) rows.first = kh;
    if (rows.count == 1) rows.step = kh - rows.first;
    ++rows.count;
  }
  return rows;
}

/** Adds what some columns of input row h give to the sums of the outputs. */
template <class Look>
void MultiplyRow(const TableConvolution& c, const Band& band, TableTile tile, FilterRows rows, int h, Range columns,
                 int pixelBytes, uint16_t* sums) {
  const Windows& w = c.w;
  const int numColumns = band.blocks.size() * c.weightBits;
  const ptrdiff_t sumsPixel = static_cast<ptrdiff_t>(numColumns) * kTableBlock;
  const ptrdiff_t sumsRow = band.columns.size() * sumsPixel;
  const ptrdiff_t tapRow = static_cast<ptrdiff_t>(w.kernelWidth) * c.tables * kTableBlock;
  const uint8_t* tables = tile.tables;
  const uint8_t* filter = tile.filter;
  // Columns of a tile are rows of the filter, or blocks and planes where there is one row.
  const bool byRows = rows.count > 1;
  const int across = byRows ? rows.count : numColumns;
  const int passes = byRows ? numColumns : 1;
  const int parts = CeilDiv(across, Look::kMaxColumns);
  tile.pixelBytes = static_cast<ptrdiff_t>(w.stride / c.columnStep()) * pixelBytes;
  tile.columnBytes = byRows ? rows.step * tapRow : c.columnBytes();
  tile.sumsPixel = sumsPixel;
  // The next row of the filter meets an output row further up.
  tile.sumsColumn = byRows ? -(rows.step * w.dilation / w.stride) * sumsRow : kTableBlock;
  const int row = (h + w.padTop - rows.first * w.dilation) / w.stride - band.rows.first;
  sums += row * sumsRow + (columns.first - band.columns.first) * sumsPixel;
  filter += rows.first * tapRow;
  for (int pass = 0; pass < passes; ++pass, sums += kTableBlock, filter += c.columnBytes()) {
    for (int p = 0; p < parts; ++p) {
      const Range part = PartOf(p, parts, across);
      const int tiles = CeilDiv(columns.size(), Look::MaxPixels(part.size(), c.stepsAtOnce));
      tile.filter = filter + part.first * tile.columnBytes;
      for (int t = 0; t < tiles; ++t) {
        const Range pixels = PartOf(t, tiles, columns.size());
        tile.tables = tables + pixels.first * tile.pixelBytes;
        tile.sums = sums + pixels.first * sumsPixel + part.first * tile.sumsColumn;
        Look::Kernel(pixels.size(), part.size(), c.stepsAtOnce)(tile);
      }
    }
  }
}

/** Memory of one thread. */
struct TableMemory {
  TableRun* runs;
  /** [pixel][table] */
  uint8_t* tables;
  /** Of the band. */
  uint16_t* sums;
};

/** Part of the products of a band. */
struct BandPart {
  /** Half of the levels. */
  int half;
  Range filterRows;
  int chunk;
  /** Whether the sums begin with it. */
  bool isFirst;
};

/** Adds the looked up sums of a chunk to those of a whole band. */
template <class Look>
void AddPart(const TableConvolution& c, const Band& band, const BandPart& part, const TableMemory& memory) {
  const Windows& w = c.w;
  const Chunk chunk(c, part.chunk, Look::kTableBytes);
  TableTile tile;
  tile.tables = memory.tables;
  tile.filter = c.filter + static_cast<ptrdiff_t>(band.group * c.groupBlocks() + band.blocks.first) * c.weightBits * c.columnBytes();
  tile.runs = memory.runs;
  tile.numRuns = MakeRuns(c, chunk, memory.runs);
  tile.stepsAtOnce = c.stepsAtOnce;
  const ptrdiff_t rowSums = static_cast<ptrdiff_t>(band.columns.size()) * band.blocks.size() * c.weightBits * kTableBlock;
  const int parts = CeilDiv(band.columns.size(), c.pixelsAtOnce());
  const Rectangle read = RectangleOf(w, band);
  int cleared = part.isFirst ? 0 : band.rows.size();
  const auto clearTo = [&](int end) {
    for (; cleared < Min(end, band.rows.size()); ++cleared) {
      Clear(memory.sums + cleared * rowSums, rowSums);
    }
  };
  for (int h = Max(read.rows.first, 0); h < Min(read.rows.end, w.height); ++h) {
    const FilterRows rows = FilterRowsAt(w, band, part.filterRows, h);
    if (rows.count == 0) continue;
    clearTo((h + w.padTop - rows.first * w.dilation) / w.stride - band.rows.first + 1);
    for (int p = 0; p < parts; ++p) {
      const Range cut = PartOf(p, parts, band.columns.size());
      const Range columns = {band.columns.first + cut.first, band.columns.first + cut.end};
      if (c.packs) BuildTables<Look>(c, band, chunk, h, columns, part.half, memory.tables);
      if (c.multiplies) MultiplyRow<Look>(c, band, tile, rows, h, columns, chunk.pixelBytes, memory.sums);
    }
  }
  clearTo(band.rows.size());
}

}  // namespace subbit::SUBBIT_ISA
