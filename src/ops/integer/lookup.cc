/** Functions of levels by table; see lookup.ts. */
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** `kChannels` of each row; 0 for `channels` of them, which a loop counts. */
template <int kChannels, class T>
void LookUpRows(const uint8_t* x, const T* table, int channels, int first, int end, T* y) {
  const int count = kChannels == 0 ? channels : kChannels;
  x += static_cast<ptrdiff_t>(first) * count;
  y += static_cast<ptrdiff_t>(first) * count;
  for (int row = first; row < end; ++row, x += count, y += count) {
    for (int c = 0; c < count; ++c) y[c] = table[x[c] * count + c];
  }
}

template <class T>
void LookUpAll(const LookupParams& p, const uint8_t* x, const T* table, T* y, Pool& pool) {
  const int channels = p.channels;
  ForRows(pool, p.rows, channels, [=](int first, int end) {
    switch (channels) {
      case 1:
        return LookUpRows<1>(x, table, channels, first, end, y);
      case 3:
        return LookUpRows<3>(x, table, channels, first, end, y);
      default:
        return LookUpRows<0>(x, table, channels, first, end, y);
    }
  });
}

}  // namespace

void Lookup(const LookupParams& p, const LookupBuffers& b, Pool& pool) {
  if (p.isByte) {
    LookUpAll(p, b.x.u8(), b.table.u8(), b.y.u8(), pool);
  } else {
    LookUpAll(p, b.x.u8(), b.table.i32(), b.y.i32(), pool);
  }
}

}  // namespace subbit::SUBBIT_ISA
