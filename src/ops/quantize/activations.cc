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

void Dequantize(const DequantizeParams& p, const DequantizeBuffers& b, Pool& pool) {
  const int channels = p.channels;
  ForRows(pool, p.count / channels, channels, [&](int first, int end) {
    for (int row = first; row < end; ++row) {
      const int start = row * channels;
      for (int c = 0; c < channels; ++c) {
        const int i = start + c;
        const int integer = p.x.multiplier * b.x.u8()[i] - p.x.offset[c < 4 ? c : 0];
        const float factor = p.scaleCount == 0 ? p.factor : p.factor * b.scale.f32()[i / p.scaleStride % p.scaleCount];
        b.y.f32()[i] = static_cast<float>(integer) * factor;
      }
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
