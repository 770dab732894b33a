/** Look-up tables in plain code: for machines without a look-up instruction, and for filters packed for other ones. */
#pragma once
#include "tables-tile.h"

namespace subbit::SUBBIT_ISA {

template <int kTableInputs>
struct PlainTables {
  static constexpr int kInputs = kTableInputs;
  static constexpr int kTableBytes = 1 << kTableInputs;
  static constexpr int kMaxColumns = 1;

  static constexpr int MaxPixels(int, int) { return 4; }

  /** Doubles each table for every input: the sums without it, then those with it. */
  static void Build(const TableRow& row) {
    for (int i = 0; i < row.pixels; ++i) {
      const uint8_t* x = row.x + i * row.xPixel;
      uint8_t* out = row.out + i * row.outPixel;
      for (int c = 0; c < row.channels; c += kInputs, out += kTableBytes) {
        out[0] = 0;
        for (int j = 0; j < kInputs; ++j) {
          const int level = c + j < row.channels ? x[c + j] >> row.shift & 15 : 0;
          for (int s = 0; s < 1 << j; ++s) out[(1 << j) + s] = static_cast<uint8_t>(out[s] + level);
        }
      }
    }
  }

  template <int kPixels>
  static void Run(const TableTile& t) {
    for (int r = 0; r < t.numRuns; ++r) {
      const TableRun run = t.runs[r];
      for (int i = 0; i < kPixels; ++i) {
        const uint8_t* table = t.tables + i * t.pixelBytes + run.tables;
        const uint8_t* index = t.filter + run.filter;
        uint16_t* sums = t.sums + i * t.sumsPixel;
        for (int s = 0; s < run.steps; ++s, table += kTableBytes, index += kTableBlock) {
          for (int j = 0; j < kTableBlock / 2; ++j) {
            const uint8_t odd = table[index[2 * j + 1]];
            sums[j] = static_cast<uint16_t>(sums[j] + table[index[2 * j]] + (odd << 8));
            sums[kTableBlock / 2 + j] = static_cast<uint16_t>(sums[kTableBlock / 2 + j] + odd);
          }
        }
      }
    }
  }

  static TileKernel Kernel(int pixels, int, int) {
    static constexpr TileKernel kernels[] = {Run<1>, Run<2>, Run<3>, Run<4>};
    return kernels[pixels - 1];
  }
};

}  // namespace subbit::SUBBIT_ISA
