/** The filter's signed bytes; dot.ts draws the layout. */
#include "ops.h"
#include "windows.h"

namespace subbit::SUBBIT_ISA {

void PackDot(const PackDotParams& p, const PackDotBuffers& b, Pool& pool) {
  const int groupOutputs = p.outChannels / p.groups;
  const int blocks = CeilDiv(groupOutputs, kBlock);
  const int inputs = p.taps * p.groupInputs;
  const int planes = p.weightBits == 16 ? 2 : 1;
  const ptrdiff_t planeBytes = static_cast<ptrdiff_t>(CeilDiv(inputs, 4)) * 4 * kBlock;
  pool.Run(p.groups * blocks, [&](int task, int) {
    const int first = task % blocks * kBlock;
    const int channels = Min(kBlock, groupOutputs - first);
    const int firstChannel = task / blocks * groupOutputs + first;
    uint8_t* out = b.packed.u8() + task * planes * planeBytes;
    for (ptrdiff_t i = 0; i < planes * planeBytes; ++i) out[i] = 0;
    for (int input = 0; input < inputs; ++input) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(input) * p.outChannels + firstChannel;
      uint8_t* to = out + (input / 4 * kBlock) * 4 + input % 4;
      for (int lane = 0; lane < channels; ++lane) {
        if (planes == 2) {
          const int weight = static_cast<const int16_t*>(b.filter.data)[row + lane];
          to[lane * 4] = static_cast<uint8_t>(weight >> 8);
          to[planeBytes + lane * 4] = static_cast<uint8_t>((weight & 255) - 128);
        } else {
          const int level = b.filter.u8()[row + lane];
          const int bipolar = p.weightBits == 8 ? level - 128 : 2 * level - ((1 << p.weightBits) - 1);
          to[lane * 4] = static_cast<uint8_t>(p.zeroPoint > 0 ? level - p.zeroPoint : bipolar);
        }
      }
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
