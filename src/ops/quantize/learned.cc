/** Quantizers whose scale is learned; see learned.ts. */
#include "levels.h"
#include "ops.h"
#include "sum-of.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** leastParameter in learned.ts */
constexpr float kLeastParameter = 0x1p-20f;

/** slopes in learned.ts */
enum Slopes { kClipped = 0, kRounded = 1 };

/** dx of a piece; returns its sum for the scale. */
template <bool kIsRounded>
inline double GradientOfPiece(const float* __restrict x, const float* __restrict dy, int count, float inverse, float low, float high,
                              float* __restrict dx) {
  for (int i = 0; i < count; ++i) {
    const float v = x[i] * inverse;
    dx[i] = (kIsRounded ? v > low : v >= low) && v < high ? dy[i] : 0;
  }
  return SumOfPiece(0, count, [=](int i) {
    const float v = x[i] * inverse;
    const bool isInside = (kIsRounded ? v > low : v >= low) && v < high;
    const float inside = kIsRounded ? static_cast<float>(RoundTo(v, low, high)) - v : 0;
    return static_cast<double>(dy[i]) * static_cast<double>(isInside ? inside : v >= high ? high : low);
  });
}

}  // namespace

void BeginScale(const BeginScaleParams& p, const BeginScaleBuffers& b, Pool& pool) {
  float* scale = b.scale.f32();
  if (scale[0] != 0) return;
  const float* x = b.x.f32();
  const double sum = SumOf(pool, p.count, [=](int i) { return static_cast<double>(__builtin_fabsf(x[i])); });
  scale[0] = static_cast<float>(sum / p.count * p.factor);
}

void LearnedScale(const LearnedScaleParams& p, const LearnedScaleBuffers& b, Pool&) {
  const float parameter = b.parameter.f32()[0];
  b.scale.f32()[0] = (parameter < kLeastParameter ? kLeastParameter : parameter) / p.divisor;
}

void QuantizeScaled(const QuantizeScaledParams& p, const QuantizeScaledBuffers& b, Pool& pool) {
  const float inverse = 1 / b.scale.f32()[0];
  const float low = static_cast<float>(p.low);
  const float high = static_cast<float>(p.high);
  const float* x = b.x.f32();
  uint8_t* __restrict levels = b.levels.u8();
  ForElements(pool, p.count, [=, first = p.low](int start, int end) {
    for (int i = start; i < end; ++i) levels[i] = static_cast<uint8_t>(RoundTo(x[i] * inverse, low, high) - first);
  });
}

void QuantizeScaledGradient(const QuantizeScaledGradientParams& p, const QuantizeScaledGradientBuffers& b, Pool& pool) {
  const float inverse = 1 / b.scale.f32()[0];
  const float low = static_cast<float>(p.low);
  const float high = static_cast<float>(p.high);
  const float* x = b.x.f32();
  const float* dy = b.dy.f32();
  float* dx = b.dx.f32();
  const bool isRounded = p.slope == kRounded;
  const double sum = SumOfPieces(pool, p.count, [=](int first, int end) {
    return isRounded ? GradientOfPiece<true>(x + first, dy + first, end - first, inverse, low, high, dx + first)
                     : GradientOfPiece<false>(x + first, dy + first, end - first, inverse, low, high, dx + first);
  });
  b.dScale.f32()[0] = static_cast<float>(sum * p.factor);
}

}  // namespace subbit::SUBBIT_ISA
