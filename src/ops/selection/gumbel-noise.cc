/** Gumbel noise; see gumbel-noise.ts. */
#include "math.h"
#include "ops.h"
#include "philox.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void AddGumbelNoise(const AddGumbelNoiseParams& p, const AddGumbelNoiseBuffers& b, Pool& pool) {
  const float noise = p.noise;
  const float* x = b.logits.f32();
  float* y = b.y.f32();
  const uint32_t step = static_cast<uint32_t>(b.step.i32()[0]);
  ForElements(pool, p.count, [=, &p](int first, int end) {
    ForUniform(p.seed, p.stream, step, first, end, [=](int at, int count, const float* __restrict uniform) {
      const float* in = x + at;
      float* __restrict out = y + at;
      for (int k = 0; k < count; ++k) {
        const double eps = -Log(-Log(static_cast<double>(uniform[k]) + 1e-20) + 1e-20);
        out[k] = in[k] + noise * static_cast<float>(eps);
      }
    });
  });
}

}  // namespace subbit::SUBBIT_ISA
