/** Levels of accumulators by comparisons; see threshold.ts. */
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void Threshold(const ThresholdParams& p, const ThresholdBuffers& b, Pool& pool) {
  const int32_t* x = b.x.i32();
  const int32_t* up = b.up.i32();
  const int32_t* down = b.down.present() ? b.down.i32() : nullptr;
  uint8_t* levels = b.levels.u8();
  const int channels = p.channels;
  const int numLevels = p.levels;
  ForRows(pool, p.rows, channels, [=](int first, int end) {
    // Levels of a strip of channels, as wide as the accumulators while they are counted.
    constexpr int kStrip = 64;
    int32_t level[kStrip];
    for (int row = first; row < end; ++row) {
      const int32_t* values = x + static_cast<ptrdiff_t>(row) * channels;
      uint8_t* out = levels + static_cast<ptrdiff_t>(row) * channels;
      for (int c0 = 0; c0 < channels; c0 += kStrip) {
        const int count = channels - c0 < kStrip ? channels - c0 : kStrip;
        for (int c = 0; c < count; ++c) level[c] = 0;
        for (int j = 0; j < numLevels; ++j) {
          const int32_t* threshold = up + static_cast<ptrdiff_t>(j) * channels + c0;
          for (int c = 0; c < count; ++c) level[c] += values[c0 + c] >= threshold[c];
        }
        for (int j = 0; down != nullptr && j < numLevels; ++j) {
          const int32_t* threshold = down + static_cast<ptrdiff_t>(j) * channels + c0;
          for (int c = 0; c < count; ++c) level[c] += values[c0 + c] <= threshold[c];
        }
        for (int c = 0; c < count; ++c) out[c0 + c] = static_cast<uint8_t>(level[c]);
      }
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
