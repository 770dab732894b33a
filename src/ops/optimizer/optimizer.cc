/** Optimizer steps in place, one pass over memory; see optimizer.ts. */
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

double Power(double base, int exponent) {
  double result = 1;
  double square = base;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1) result *= square;
    square *= square;
  }
  return result;
}

}  // namespace

void SgdStep(const SgdStepParams& p, const SgdStepBuffers& b, Pool& pool) {
  const float rate = b.learningRate.f32()[0];
  float* __restrict parameter = b.parameter.f32();
  float* __restrict velocity = b.velocity.f32();
  const float* __restrict gradient = b.gradient.f32();
  ForElements(pool, p.count, [=](int first, int end) {
    for (int i = first; i < end; ++i) {
      const float g = gradient[i] + p.decay * parameter[i];
      const float v = p.momentum * velocity[i] + g;
      const float direction = p.nesterov ? g + p.momentum * v : v;
      velocity[i] = v;
      parameter[i] -= rate * direction;
    }
  });
}

void AdamStep(const AdamStepParams& p, const AdamStepBuffers& b, Pool& pool) {
  const int t = b.step.i32()[0] + 1;
  const float rate = static_cast<float>(b.learningRate.f32()[0] / (1 - Power(p.beta1, t)));
  const float correction = static_cast<float>(1 / __builtin_sqrt(1 - Power(p.beta2, t)));
  const float kept = static_cast<float>(1 - static_cast<double>(b.learningRate.f32()[0]) * static_cast<double>(p.shrinkage));
  const float added1 = static_cast<float>(1 - static_cast<double>(p.beta1));
  const float added2 = static_cast<float>(1 - static_cast<double>(p.beta2));
  float* __restrict parameter = b.parameter.f32();
  float* __restrict first = b.first.f32();
  float* __restrict second = b.second.f32();
  const float* __restrict gradient = b.gradient.f32();
  ForElements(pool, p.count, [=](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      const float g = gradient[i] + p.decay * parameter[i];
      const float m = p.beta1 * first[i] + added1 * g;
      const float v = p.beta2 * second[i] + (added2 * g) * g;
      const float denominator = __builtin_sqrtf(v) * correction + p.epsilon;
      first[i] = m;
      second[i] = v;
      parameter[i] = kept * parameter[i] - rate * m / denominator;
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
