/** Multiplication by a factor per channel; see rescale.ts. */
#include "../conv2d/vector.h"
#include "ops.h"
#include "rescale-lanes.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** By value: stores may alias whatever is only referred to, which would then be loaded again. */
struct RescaleRow {
  const int32_t* x;
  const int32_t* multiplier;
  const int32_t* shift;
  const int32_t* bias;
  double low;
  double high;
  int32_t* y;

  template <int kCount, int kVectors>
  void Run(int c) const {
    for (int v = 0; v < kVectors; ++v, c += kCount) {
      const Lanes<int32_t, kCount> value = LoadLanes<kCount>(x + c);
      StoreLanes<kCount>(y + c, RescaledLanes<kCount>(value, multiplier + c, shift + c, bias + c, low, high));
    }
  }
};

}  // namespace

void Rescale(const RescaleParams& p, const RescaleBuffers& b, Pool& pool) {
  const int channels = p.channels;
  const RescaleRow all{b.x.i32(), b.multiplier.i32(), b.shift.i32(), b.bias.i32(), static_cast<double>(p.low),
                       static_cast<double>(p.high), b.y.i32()};
  ForRows(pool, p.rows, channels, [=](int first, int end) {
    for (int row = first; row < end; ++row) {
      RescaleRow body = all;
      body.x += static_cast<ptrdiff_t>(row) * channels;
      body.y += static_cast<ptrdiff_t>(row) * channels;
      // Half as many as floats, so that the doubles fill one register.
      ForRegisters<kLanes / 2>(channels, body);
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
