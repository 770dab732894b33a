/** Ternary weights; see ternary.ts. */
#include "ops.h"
#include "sum-of.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** thresholdShare in ternary.ts */
constexpr double kThresholdShare = 0.7;

inline float ThresholdOf(const Tensor& mean) { return static_cast<float>(mean.f32()[0] * kThresholdShare); }

}  // namespace

void TernaryScale(const TernaryScaleParams& p, const TernaryScaleBuffers& b, Pool& pool) {
  const float* x = b.x.f32();
  const float threshold = ThresholdOf(b.mean);
  const auto sizeOf = [=](int i) { return __builtin_fabsf(x[i]); };
  const double above = SumOf(pool, p.count, [=](int i) { return sizeOf(i) > threshold ? 1.0 : 0.0; });
  const double sum = SumOf(pool, p.count, [=](int i) { return sizeOf(i) > threshold ? static_cast<double>(sizeOf(i)) : 0.0; });
  b.scale.f32()[0] = above == 0 ? 0 : static_cast<float>(sum / above);
}

void QuantizeTernary(const QuantizeTernaryParams& p, const QuantizeTernaryBuffers& b, Pool& pool) {
  const float* x = b.x.f32();
  const float threshold = ThresholdOf(b.mean);
  uint8_t* __restrict levels = b.levels.u8();
  ForElements(pool, p.count, [=](int first, int end) {
    for (int i = first; i < end; ++i) levels[i] = static_cast<uint8_t>(2 + (x[i] > threshold) - (x[i] < -threshold));
  });
}

}  // namespace subbit::SUBBIT_ISA
