/** Reversed filters and what a bipolar image takes off; see filter.ts. */
#include "ops.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** Rows and columns that are transposed at once: a line of the cache on either side. */
constexpr int kTile = 64;

/** Columns whose sums are taken at once, and rows of levels up to 255 whose sums 16 bits hold. */
constexpr int kColumns = 256;
constexpr int kRows = 256;

}  // namespace

void ReverseFilter(const ReverseFilterParams& p, const ReverseFilterBuffers& b, Pool& pool) {
  const int rowTiles = (p.inChannels + kTile - 1) / kTile;
  const ptrdiff_t tapBytes = static_cast<ptrdiff_t>(p.inChannels) * p.outChannels;
  const int inChannels = p.inChannels;
  const int outChannels = p.outChannels;
  pool.Run(p.taps * rowTiles, [&](int task, int) {
    const int tap = task / rowTiles;
    const int firstRow = task % rowTiles * kTile;
    const int rows = inChannels - firstRow < kTile ? inChannels - firstRow : kTile;
    const uint8_t* from = b.filter.u8() + tap * tapBytes + static_cast<ptrdiff_t>(firstRow) * outChannels;
    uint8_t* to = b.reversed.u8() + (p.taps - 1 - tap) * tapBytes + firstRow;
    uint8_t tile[kTile * kTile];
    for (int first = 0; first < outChannels; first += kTile) {
      const int columns = outChannels - first < kTile ? outChannels - first : kTile;
      for (int row = 0; row < rows; ++row) {
        for (int k = 0; k < columns; ++k) tile[k * kTile + row] = from[static_cast<ptrdiff_t>(row) * outChannels + first + k];
      }
      for (int k = 0; k < columns; ++k) {
        uint8_t* out = to + static_cast<ptrdiff_t>(first + k) * inChannels;
        for (int row = 0; row < rows; ++row) out[row] = tile[k * kTile + row];
      }
    }
  });
}

void FilterOffsets(const FilterOffsetsParams& p, const FilterOffsetsBuffers& b, Pool& pool) {
  const int outChannels = p.outChannels;
  const int multiplier = p.filter.multiplier;
  const int offset = p.filter.offset[0] * p.inChannels;
  const int columns = (outChannels + kColumns - 1) / kColumns;
  pool.Run(p.taps * columns, [&](int task, int) {
    const int tap = task / columns;
    const int first = task % columns * kColumns;
    const int count = outChannels - first < kColumns ? outChannels - first : kColumns;
    int32_t* __restrict sums = b.offsets.i32() + static_cast<ptrdiff_t>(tap) * outChannels + first;
    const uint8_t* levels = b.filter.u8() + static_cast<ptrdiff_t>(tap) * p.inChannels * outChannels + first;
    for (int k = 0; k < count; ++k) sums[k] = 0;
    for (int row = 0; row < p.inChannels; row += kRows) {
      const int rows = p.inChannels - row < kRows ? p.inChannels - row : kRows;
      uint16_t partial[kColumns] = {};
      for (int c = 0; c < rows; ++c, levels += outChannels) {
        const uint8_t* __restrict from = levels;
        for (int k = 0; k < count; ++k) partial[k] = static_cast<uint16_t>(partial[k] + from[k]);
      }
      for (int k = 0; k < count; ++k) sums[k] += partial[k];
    }
    for (int k = 0; k < count; ++k) sums[k] = p.xOffset * (multiplier * sums[k] - offset);
  });
  int32_t* all = b.offsets.i32() + static_cast<ptrdiff_t>(p.taps) * outChannels;
  for (int k = 0; k < outChannels; ++k) all[k] = 0;
  for (int tap = 0; tap < p.taps; ++tap) {
    const int32_t* sums = b.offsets.i32() + static_cast<ptrdiff_t>(tap) * outChannels;
    for (int k = 0; k < outChannels; ++k) all[k] += sums[k];
  }
}

}  // namespace subbit::SUBBIT_ISA
