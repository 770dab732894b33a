/** Levels by table; see lookup.ts. */
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void Lookup(const LookupParams& p, const LookupBuffers& b, Pool& pool) {
  const uint8_t* x = b.x.u8();
  const uint8_t* table = b.table.u8();
  uint8_t* levels = b.levels.u8();
  const int channels = p.channels;
  ForRows(pool, p.rows, channels, [=](int first, int end) {
    // Channel by channel, so that nothing counts channels between elements.
    for (int c = 0; c < channels; ++c) {
      for (ptrdiff_t row = first; row < end; ++row) levels[row * channels + c] = table[x[row * channels + c] * channels + c];
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
