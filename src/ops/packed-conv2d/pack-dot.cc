/** The filter's signed bytes; dot.ts draws the layout. */
#include "bytes16.h"
#include "ops.h"
#include "windows.h"

namespace subbit::SUBBIT_ISA {

namespace {

/** One plane of a block: `bytesOf(input)` are its channels' signed bytes of a row of the filter. */
template <class BytesOf>
void PackPlane(int inputs, const BytesOf& bytesOf, uint8_t* out) {
  for (int input = 0; input < inputs; input += 4, out += 4 * kBlock) {
    Bytes16 rows[4] = {};
    const int count = Min(4, inputs - input);
    for (int i = 0; i < count; ++i) rows[i] = bytesOf(input + i);
    StoreQuads(rows, out);
  }
}

}  // namespace

void PackDot(const PackDotParams& p, const PackDotBuffers& b, Pool& pool) {
  const int groupOutputs = p.outChannels / p.groups;
  const int blocks = CeilDiv(groupOutputs, kBlock);
  const int inputs = p.taps * p.groupInputs;
  const int planes = p.weightBits == 16 ? 2 : 1;
  const ptrdiff_t planeBytes = static_cast<ptrdiff_t>(CeilDiv(inputs, 4)) * 4 * kBlock;
  const bool isBipolar = p.zeroPoint == 0 && p.weightBits < 8;
  // weight = factor * level - taken, modulo 256.
  const uint8_t factor = isBipolar ? 2 : 1;
  const uint8_t taken = static_cast<uint8_t>(p.zeroPoint > 0 ? p.zeroPoint : isBipolar ? (1 << p.weightBits) - 1 : 128);
  pool.Run(p.groups * blocks, [&](int task, int) {
    const int first = task % blocks * kBlock;
    const int channels = Min(kBlock, groupOutputs - first);
    const ptrdiff_t firstChannel = task / blocks * groupOutputs + first;
    uint8_t* out = b.packed.u8() + task * planes * planeBytes;
    Bytes16 takes = {};
    for (int lane = 0; lane < channels; ++lane) takes[lane] = taken;
    if (planes == 1) {
      const uint8_t* levels = b.filter.u8() + firstChannel;
      const auto weights = [&](int input) {
        return LoadPart(levels + static_cast<ptrdiff_t>(input) * p.outChannels, channels) * factor - takes;
      };
      return PackPlane(inputs, weights, out);
    }
    const int16_t* wide = static_cast<const int16_t*>(b.filter.data) + firstChannel;
    const auto byteOf = [&](int input, int shift) {
      Bytes16 bytes = {};
      const int16_t* row = wide + static_cast<ptrdiff_t>(input) * p.outChannels;
      for (int lane = 0; lane < channels; ++lane) bytes[lane] = static_cast<uint8_t>(row[lane] >> shift);
      return bytes;
    };
    PackPlane(inputs, [&](int input) { return byteOf(input, 8); }, out);
    PackPlane(inputs, [&](int input) { return byteOf(input, 0) - takes; }, out + planeBytes);
  });
}

}  // namespace subbit::SUBBIT_ISA
