/** The filter as indices into tables; tables.ts draws the layout. */
#include "ops.h"
#include "tables-tile.h"

namespace subbit::SUBBIT_ISA {

namespace {

typedef uint8_t TableIndices __attribute__((vector_size(kTableBlock)));
typedef uint8_t LoadedIndices __attribute__((vector_size(kTableBlock), aligned(1)));

/** Levels of up to kTableBlock channels; zeros fill up. */
inline TableIndices LoadLevels(const uint8_t* levels, int channels) {
  if (channels == kTableBlock) return *reinterpret_cast<const LoadedIndices*>(levels);
  TableIndices loaded = {};
  for (int k = 0; k < channels; ++k) loaded[k] = levels[k];
  return loaded;
}

}  // namespace

void PackTables(const PackTablesParams& p, const PackTablesBuffers& b, Pool& pool) {
  const int groupOutputs = p.outChannels / p.groups;
  const int blocks = CeilDiv(groupOutputs, kTableBlock);
  const int tables = CeilDiv(p.groupInputs, p.tableInputs);
  const ptrdiff_t columnBytes = static_cast<ptrdiff_t>(p.taps) * tables * kTableBlock;
  const uint8_t* filter = b.filter.u8();
  uint8_t* packed = b.packed.u8();
  pool.Run(p.groups * blocks * p.weightBits * p.taps, [&](int task, int) {
    const int tap = task % p.taps;
    const int column = task / p.taps;
    const uint8_t levelBit = static_cast<uint8_t>(1 << column % p.weightBits);
    const int block = column / p.weightBits % blocks;
    const int group = column / p.weightBits / blocks;
    const int channels = Min(kTableBlock, groupOutputs - block * kTableBlock);
    const ptrdiff_t firstRow = static_cast<ptrdiff_t>(tap) * p.groupInputs;
    const uint8_t* levels = filter + firstRow * p.outChannels + group * groupOutputs + block * kTableBlock;
    uint8_t* out = packed + column * columnBytes + static_cast<ptrdiff_t>(tap) * tables * kTableBlock;
    for (int first = 0; first < p.groupInputs; first += p.tableInputs, out += kTableBlock) {
      TableIndices indices = {};
      const int count = Min(p.tableInputs, p.groupInputs - first);
      for (int i = 0; i < count; ++i, levels += p.outChannels) {
        const TableIndices loaded = LoadLevels(levels, channels);
        const uint8_t indexBit = static_cast<uint8_t>(1 << i);
        indices |= (TableIndices)((loaded & levelBit) != 0) & indexBit;
      }
      uint8_t inOrder[kTableBlock];
      *reinterpret_cast<LoadedIndices*>(inOrder) = indices;
      for (int lane = 0; lane < kTableBlock; ++lane) out[lane] = inOrder[LaneChannel(lane)];
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
