/**
 * Thresholds on 16-bit accumulators: where these hold acc, twice as many are compared at a time, and straight from the
 * tables' sums. With 64 channels the epilogue would take a third of the whole otherwise.
 */
#pragma once
#include "epilogue.h"
#include "tables-tile.h"

namespace subbit::SUBBIT_ISA {

struct Thresholds16 {
  /** [rows][width], saturated: no acc reaches the ends. */
  const int16_t* rows;
  /** [width], as the epilogue has it; null where no channel is turned. */
  const int16_t* turned;
  /** Channels, in whole blocks. */
  ptrdiff_t width;
  int up;
  int down;
  uint16_t productFactor;
  uint16_t sumFactor;

  /** Rows of thresholds that the epilogue has, and of memory, where a row of turned channels comes last. */
  static int NumThresholds(const Epilogue& e) { return e.kind == kTwoSidedThresholds ? 2 * e.levels : e.levels; }
  static int NumRows(const Epilogue& e) { return NumThresholds(e) + (e.turned == nullptr ? 0 : 1); }

  /**
   * Whether 16 bits hold every acc of windows whose sum S is at most `maxSum`, with weights below 2^weightBits: P lies
   * between 0 and the largest weight times S.
   */
  static bool Fits(const Epilogue& e, double maxSum, int weightBits) {
    const double sumFactor = static_cast<int32_t>(e.sumFactor);
    const double most = static_cast<int32_t>(e.productFactor) * ((1 << weightBits) - 1.0) - sumFactor;
    const double largest = (sumFactor > most ? sumFactor : most) * maxSum;
    const double smallest = (-sumFactor < -most ? -sumFactor : most) * maxSum;
    const bool isThresholds = e.kind == kThresholds || e.kind == kTwoSidedThresholds;
    return isThresholds && largest < 32767 && smallest > -32768 && largest > -32768 && smallest < 32767;
  }

  /** Channels first .. first + count - 1 of all rows into out[rows][width]. */
  Thresholds16(const Epilogue& e, int first, int count, ptrdiff_t blockWidth, int16_t* out) {
    rows = out;
    width = blockWidth;
    up = e.levels;
    down = NumThresholds(e) - e.levels;
    productFactor = static_cast<uint16_t>(e.productFactor);
    sumFactor = static_cast<uint16_t>(e.sumFactor);
    for (int row = 0; row < up + down; ++row, out += width) {
      const int32_t* in = e.constants.i32() + static_cast<ptrdiff_t>(row) * e.channels + first;
      for (int k = 0; k < count; ++k) out[k] = static_cast<int16_t>(in[k] < -32768 ? -32768 : in[k] > 32767 ? 32767 : in[k]);
      for (ptrdiff_t k = count; k < width; ++k) out[k] = 0;
    }
    turned = e.turned == nullptr ? nullptr : out;
    for (ptrdiff_t k = 0; turned != nullptr && k < width; ++k) out[k] = static_cast<int16_t>(k < count ? e.turned[first + k] : 0);
  }

  /** The levels of one pixel's block from its sums; `first` counts channels from the rows' first one. */
  void Finish(const uint16_t* sums, int32_t windowSum, int first, int count, uint8_t* y) const {
    constexpr int kHalf = kTableBlock / 2;
    constexpr int kShorts = 2 * kLanes;
    using Shorts = Lanes<int16_t, kShorts>;
    using Unsigned = Lanes<uint16_t, kShorts>;
    const uint16_t offset = static_cast<uint16_t>(sumFactor * static_cast<uint32_t>(windowSum));
    uint8_t levels[kTableBlock];
    for (int i = 0; i < kHalf; i += kShorts) {
      const Unsigned odd = LoadLanes<kShorts>(sums + kHalf + i);
      const Unsigned even = LoadLanes<kShorts>(sums + i) - (odd << 8);
      Shorts acc0 = (Shorts)(even * productFactor - offset);
      Shorts acc1 = (Shorts)(odd * productFactor - offset);
      if (turned != nullptr) {
        const Shorts turned0 = LoadLanes<kShorts>(turned + first + i);
        const Shorts turned1 = LoadLanes<kShorts>(turned + first + i + kHalf);
        acc0 = (acc0 ^ turned0) - turned0;
        acc1 = (acc1 ^ turned1) - turned1;
      }
      Shorts level0 = {};
      Shorts level1 = {};
      const int16_t* row = rows + first + i;
      for (int j = 0; j < up; ++j, row += width) {
        level0 -= acc0 >= LoadLanes<kShorts>(row);
        level1 -= acc1 >= LoadLanes<kShorts>(row + kHalf);
      }
      for (int j = 0; j < down; ++j, row += width) {
        level0 -= acc0 <= LoadLanes<kShorts>(row);
        level1 -= acc1 <= LoadLanes<kShorts>(row + kHalf);
      }
      uint8_t* out = count == kTableBlock ? y : levels;
      StoreLanes<kShorts>(out + i, __builtin_convertvector(level0, Lanes<uint8_t, kShorts>));
      StoreLanes<kShorts>(out + kHalf + i, __builtin_convertvector(level1, Lanes<uint8_t, kShorts>));
    }
    for (int k = 0; count < kTableBlock && k < count; ++k) y[k] = levels[k];
  }
};

}  // namespace subbit::SUBBIT_ISA
