/** Quantizer of activations, and the way back to real numbers; see activations.ts. */
#include "levels.h"
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void QuantizeUnit(const QuantizeUnitParams& p, const QuantizeUnitBuffers& b, Pool& pool) {
  const float max = static_cast<float>(p.levels);
  const float* x = b.x.f32();
  uint8_t* __restrict levels = b.levels.u8();
  ForElements(pool, p.count, [=](int first, int end) {
    for (int i = first; i < end; ++i) levels[i] = RoundToLevel(x[i] * max, max);
  });
}

namespace {

template <class T>
void DequantizeElements(const DequantizeParams& p, const DequantizeBuffers& b, Pool& pool) {
  const T* x = static_cast<const T*>(b.x.data);
  float* __restrict y = b.y.f32();
  const Operand operand = p.x;
  const int32_t* offset = operand.offset;
  const bool hasOneOffset = offset[0] == offset[1] && offset[0] == offset[2] && offset[0] == offset[3];
  ForElements(pool, p.count, [=, &p](int first, int end) {
    for (int start = first; start < end;) {
      // Elements start .. stop - 1 have one scale.
      const int block = start / p.scaleStride;
      const int stop = p.scaleCount > 1 && (block + 1) * p.scaleStride < end ? (block + 1) * p.scaleStride : end;
      const float factor = p.scaleCount == 0 ? p.factor : p.factor * b.scale.f32()[block % p.scaleCount];
      if (hasOneOffset) {
        for (int i = start; i < stop; ++i) y[i] = static_cast<float>(operand.multiplier * x[i] - operand.offset[0]) * factor;
      } else {
        int c = start % p.channels;
        for (int i = start; i < stop; ++i) {
          y[i] = static_cast<float>(operand.multiplier * x[i] - operand.offset[c < 4 ? c : 0]) * factor;
          c = c + 1 < p.channels ? c + 1 : 0;
        }
      }
      start = stop;
    }
  });
}

}  // namespace

void Dequantize(const DequantizeParams& p, const DequantizeBuffers& b, Pool& pool) {
  if (p.xBytes == 1) return DequantizeElements<uint8_t>(p, b, pool);
  if (p.xBytes == 2) return DequantizeElements<int16_t>(p, b, pool);
  DequantizeElements<int32_t>(p, b, pool);
}

}  // namespace subbit::SUBBIT_ISA
