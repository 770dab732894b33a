/** The filter as a codebook and positions in it; codebook.ts draws the layout. */
#include "codebook-tile.h"
#include "ops.h"

namespace subbit::SUBBIT_ISA {

namespace {

inline int CodewordAt(const uint8_t* filter, ptrdiff_t channels) {
  int codeword = 0;
  for (int tap = 0; tap < kCodewordTaps; ++tap) codeword = 2 * codeword + (filter[tap * channels] & 1);
  return codeword;
}

}  // namespace

void PackCodebook(const PackCodebookParams& p, const PackCodebookBuffers& b, Pool& pool) {
  const int groupOutputs = p.outChannels / p.groups;
  const int blocks = CeilDiv(groupOutputs, kTableBlock);
  const int indices = CeilDiv(p.groupInputs, p.tableInputs);
  const ptrdiff_t channels = static_cast<ptrdiff_t>(p.groupInputs) * p.outChannels;
  const uint8_t* filter = b.filter.u8();
  uint8_t* packed = b.packed.u8();

  uint8_t positions[kPatches] = {};
  for (ptrdiff_t channel = 0; channel < channels; ++channel) positions[CodewordAt(filter + channel, channels)] = 1;
  uint8_t* header = packed;
  int count = 0;
  for (int codeword = 0; codeword < kPatches; ++codeword) {
    // The planner has counted them; more would not be packed, but stay within the memory.
    if (positions[codeword] == 0 || count == kMaxCodewords) continue;
    positions[codeword] = static_cast<uint8_t>(count++);
    *header++ = static_cast<uint8_t>(codeword);
    *header++ = static_cast<uint8_t>(codeword >> 8);
  }
  while (header < packed + kCodebookHeader) *header++ = 0xff;

  int32_t* turned = reinterpret_cast<int32_t*>(packed + TurnedStart(p.groups * blocks, indices));
  for (int k = 0; k < p.outChannels; ++k) turned[k] = b.signs.present() && b.signs.u8()[k] == 0 ? -1 : 0;

  pool.Run(p.groups * blocks * indices, [&](int task, int) {
    const int first = task % indices * p.tableInputs;
    const int block = task / indices % blocks;
    const int group = task / indices / blocks;
    const int count = Min(kTableBlock, groupOutputs - block * kTableBlock);
    uint8_t* out = packed + kCodebookHeader + static_cast<ptrdiff_t>(task) * kTableBlock;
    for (int lane = 0; lane < kTableBlock; ++lane) {
      out[lane] = 0;
      if (LaneChannel(lane) >= count) continue;
      const int k = group * groupOutputs + block * kTableBlock + LaneChannel(lane);
      for (int i = 0; i < Min(p.tableInputs, p.groupInputs - first); ++i) {
        const int codeword = CodewordAt(filter + static_cast<ptrdiff_t>(first + i) * p.outChannels + k, channels);
        out[lane] |= static_cast<uint8_t>(positions[codeword] << 3 * i);
      }
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
