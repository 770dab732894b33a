/** Multiplication by a factor per channel; see rescale.ts. */
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void Rescale(const RescaleParams& p, const RescaleBuffers& b, Pool& pool) {
  const int32_t* x = b.x.i32();
  const int32_t* multiplier = b.multiplier.i32();
  const int32_t* shift = b.shift.i32();
  const int32_t* bias = b.bias.i32();
  int32_t* y = b.y.i32();
  const int channels = p.channels;
  const int64_t low = p.low;
  const int64_t high = p.high;
  ForRows(pool, p.rows, channels, [=](int first, int end) {
    for (int row = first; row < end; ++row) {
      const int32_t* __restrict in = x + static_cast<ptrdiff_t>(row) * channels;
      int32_t* __restrict out = y + static_cast<ptrdiff_t>(row) * channels;
      for (int c = 0; c < channels; ++c) {
        const int64_t half = (int64_t{1} << shift[c]) >> 1;
        const int64_t value = ((int64_t{in[c]} * multiplier[c] + half) >> shift[c]) + bias[c];
        const int64_t above = value < low ? low : value;
        out[c] = static_cast<int32_t>(above > high ? high : above);
      }
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
