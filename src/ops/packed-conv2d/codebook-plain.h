/** The codebook family in plain code: for machines without a look-up instruction, and for filters packed for other ones. */
#pragma once
#include "codebook-tile.h"

namespace subbit::SUBBIT_ISA {

/** kInputs: input channels per index. */
template <int kPlanes, int kInputs>
struct PlainCodebook {
  static constexpr int kTableBytes = kInputs == 1 ? kMaxCodewords : kMaxPairedCodewords;
  static constexpr bool kHasDoubled = false;
  static constexpr int kMaxColumns = 1;

  static int MaxPixels(int) { return 4; }

  /** What a pixel's step gives for every index. */
  static void MakeTable(const TableTile& t, const uint16_t* patches, uint8_t* table) {
    for (int i = 0; i < kMaxCodewords; ++i) table[i] = 0;
    for (int plane = 0; plane < kPlanes; ++plane) {
      const uint8_t* first = t.responses + patches[plane];
      const uint8_t* second = t.responses + patches[(kInputs - 1) * kPlanes + plane];
      for (int i = 0; i < kMaxCodewords; ++i) {
        const int response = kInputs == 1 ? first[i] : first[i % kMaxPairedCodewords] + second[i / kMaxPairedCodewords];
        table[i] = static_cast<uint8_t>(table[i] + (response << plane));
      }
    }
  }

  static void Run(const TableTile& t, int pixels) {
    for (int r = 0; r < t.numRuns; ++r) {
      const TableRun run = t.runs[r];
      for (int i = 0; i < pixels; ++i) {
        const uint16_t* patches = reinterpret_cast<const uint16_t*>(t.tables + i * t.pixelBytes + run.tables);
        const uint8_t* index = t.filter + run.filter;
        uint16_t* sums = t.sums + i * t.sumsPixel;
        for (int s = 0; s < run.steps; ++s, patches += kInputs * kPlanes, index += kTableBlock) {
          uint8_t table[kMaxCodewords];
          MakeTable(t, patches, table);
          for (int j = 0; j < kTableBlock / 2; ++j) {
            const uint8_t odd = table[index[2 * j + 1]];
            sums[j] = static_cast<uint16_t>(sums[j] + table[index[2 * j]] + (odd << 8));
            sums[kTableBlock / 2 + j] = static_cast<uint16_t>(sums[kTableBlock / 2 + j] + odd);
          }
        }
      }
    }
  }

  template <int kCount>
  static void RunPixels(const TableTile& t) {
    Run(t, kCount);
  }

  static TileKernel Kernel(int pixels, int) {
    static constexpr TileKernel kernels[] = {RunPixels<1>, RunPixels<2>, RunPixels<3>, RunPixels<4>};
    return kernels[pixels - 1];
  }
};

}  // namespace subbit::SUBBIT_ISA
