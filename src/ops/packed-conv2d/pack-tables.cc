/** The filter as indices into tables; tables.ts draws the layout. */
#include "ops.h"
#include "tables-tile.h"

namespace subbit::SUBBIT_ISA {

void PackTables(const PackTablesParams& p, const PackTablesBuffers& b, Pool& pool) {
  const int groupOutputs = p.outChannels / p.groups;
  const int blocks = CeilDiv(groupOutputs, kTableBlock);
  const int tables = CeilDiv(p.groupInputs, p.tableInputs);
  const ptrdiff_t columnBytes = static_cast<ptrdiff_t>(p.taps) * tables * kTableBlock;
  const uint8_t* filter = b.filter.u8();
  uint8_t* packed = b.packed.u8();
  pool.Run(p.groups * blocks * p.weightBits, [&](int column, int) {
    const int plane = column % p.weightBits;
    const int block = column / p.weightBits % blocks;
    const int group = column / p.weightBits / blocks;
    const int channels = Min(kTableBlock, groupOutputs - block * kTableBlock);
    uint8_t* out = packed + column * columnBytes;
    for (ptrdiff_t i = 0; i < columnBytes; ++i) out[i] = 0;
    for (int tap = 0; tap < p.taps; ++tap) {
      for (int c = 0; c < p.groupInputs; ++c) {
        const ptrdiff_t row = static_cast<ptrdiff_t>(tap) * p.groupInputs + c;
        const uint8_t* levels = filter + row * p.outChannels + group * groupOutputs + block * kTableBlock;
        uint8_t* step = out + static_cast<ptrdiff_t>(tap * tables + c / p.tableInputs) * kTableBlock;
        for (int lane = 0; lane < kTableBlock; ++lane) {
          const int k = LaneChannel(lane);
          if (k < channels) step[lane] |= (levels[k] >> plane & 1) << (c % p.tableInputs);
        }
      }
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
