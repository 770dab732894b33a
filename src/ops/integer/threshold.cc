/** Levels of accumulators by comparisons; see threshold.ts. */
#include "../conv2d/vector.h"
#include "lanes.h"
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

struct ThresholdRow {
  const int32_t* x;
  const int32_t* up;
  /** Null where there is none. */
  const int32_t* down;
  uint8_t* levels;
  int channels;
  int numLevels;

  /** Registers c, c + kCount, .. of one row: their chains of additions run side by side. */
  template <int kCount, int kVectors>
  void Run(int c) const {
    using Integers = Lanes<int32_t, kCount>;
    Integers value[kVectors];
    Integers level[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      value[v] = LoadLanes<kCount>(x + c + v * kCount);
      level[v] = Integers{};
    }
    const int32_t* row = up + c;
    // A comparison that holds is -1. Unrolled early, or the arrays would not become registers.
    for (int j = 0; j < numLevels; ++j, row += channels) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) level[v] -= value[v] >= LoadLanes<kCount>(row + v * kCount);
    }
    row = down + c;
    for (int j = 0; down != nullptr && j < numLevels; ++j, row += channels) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) level[v] -= value[v] <= LoadLanes<kCount>(row + v * kCount);
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      StoreLanes<kCount>(levels + c + v * kCount, __builtin_convertvector(level[v], Lanes<uint8_t, kCount>));
    }
  }
};

}  // namespace

void Threshold(const ThresholdParams& p, const ThresholdBuffers& b, Pool& pool) {
  ForRows(pool, p.rows, p.channels, [&p, &b](int first, int end) {
    const int32_t* down = b.down.present() ? b.down.i32() : nullptr;
    for (int row = first; row < end; ++row) {
      const ptrdiff_t start = static_cast<ptrdiff_t>(row) * p.channels;
      ForRegisters<kLanes>(p.channels, ThresholdRow{b.x.i32() + start, b.up.i32(), down, b.levels.u8() + start, p.channels, p.levels});
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
