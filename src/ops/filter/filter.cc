/** Reversed filters and what a bipolar image takes off; see filter.ts. */
#include "ops.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** Rows and columns that are transposed at once: a line of the cache on either side. */
constexpr int kTile = 64;

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
  int32_t* all = b.offsets.i32() + static_cast<ptrdiff_t>(p.taps) * outChannels;
  pool.Run(p.taps, [&](int tap, int) {
    int32_t* __restrict sums = b.offsets.i32() + static_cast<ptrdiff_t>(tap) * outChannels;
    const uint8_t* levels = b.filter.u8() + static_cast<ptrdiff_t>(tap) * p.inChannels * outChannels;
    for (int k = 0; k < outChannels; ++k) sums[k] = 0;
    for (int c = 0; c < p.inChannels; ++c, levels += outChannels) {
      for (int k = 0; k < outChannels; ++k) sums[k] += levels[k];
    }
    for (int k = 0; k < outChannels; ++k) sums[k] = p.xOffset * (multiplier * sums[k] - offset);
  });
  for (int k = 0; k < outChannels; ++k) all[k] = 0;
  for (int tap = 0; tap < p.taps; ++tap) {
    const int32_t* sums = b.offsets.i32() + static_cast<ptrdiff_t>(tap) * outChannels;
    for (int k = 0; k < outChannels; ++k) all[k] += sums[k];
  }
}

}  // namespace subbit::SUBBIT_ISA
