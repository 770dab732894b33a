/** The filter's bit planes; planes.ts draws the layout. */
#include "ops.h"
#include "windows.h"

namespace subbit::SUBBIT_ISA {

void PackPlanes(const PackPlanesParams& p, const PackPlanesBuffers& b, Pool& pool) {
  const int groupOutputs = p.outChannels / p.groups;
  const int blocks = CeilDiv(groupOutputs, kBlock);
  const int tapBytes = CeilDiv(p.groupInputs, 8);
  const int pairs = CeilDiv(p.taps * tapBytes, 8);
  const ptrdiff_t planeBytes = static_cast<ptrdiff_t>(pairs) * 8 * kBlock;
  const uint8_t* filter = b.filter.u8();
  int32_t* weightSums = b.packed.i32();
  uint8_t* packed = b.packed.u8() + static_cast<ptrdiff_t>(p.groups) * blocks * kBlock * sizeof(int32_t);
  pool.Run(p.groups * blocks, [&](int task, int) {
    const int group = task / blocks;
    const int first = task % blocks * kBlock;
    const int channels = Min(kBlock, groupOutputs - first);
    uint8_t* out = packed + task * p.weightBits * planeBytes;
    int32_t* sums = weightSums + task * kBlock;
    for (ptrdiff_t i = 0; i < p.weightBits * planeBytes; ++i) out[i] = 0;
    for (int lane = 0; lane < kBlock; ++lane) sums[lane] = 0;
    for (int tap = 0; tap < p.taps; ++tap) {
      for (int c = 0; c < p.groupInputs; ++c) {
        const ptrdiff_t row = static_cast<ptrdiff_t>(tap) * p.groupInputs + c;
        const uint8_t* levels = filter + row * p.outChannels + group * groupOutputs + first;
        const int byte = tap * tapBytes + c / 8;
        for (int lane = 0; lane < channels; ++lane) {
          sums[lane] += levels[lane];
          uint8_t* to = out + (byte / 4 * kBlock + lane) * 4 + byte % 4;
          for (int m = 0; m < p.weightBits; ++m) to[m * planeBytes] |= (levels[lane] >> m & 1) << (c % 8);
        }
      }
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
