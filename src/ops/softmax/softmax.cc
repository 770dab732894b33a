/** Softmax and cross-entropy; see softmax.ts. One row per sample, in double. */
#include "math.h"
#include "ops.h"

namespace subbit::SUBBIT_ISA {

void SoftmaxCrossEntropy(const SoftmaxCrossEntropyParams& p, const SoftmaxCrossEntropyBuffers& b, Pool&) {
  for (int n = 0; n < p.batch; ++n) {
    const float* logits = b.logits.f32() + static_cast<ptrdiff_t>(n) * p.classes;
    float* probabilities = b.probabilities.f32() + static_cast<ptrdiff_t>(n) * p.classes;
    int best = 0;
    for (int k = 1; k < p.classes; ++k) {
      if (logits[k] > logits[best]) best = k;
    }
    const double max = logits[best];
    double sum = 0;
    for (int k = 0; k < p.classes; ++k) sum += Exp(logits[k] - max);
    for (int k = 0; k < p.classes; ++k) probabilities[k] = static_cast<float>(Exp(logits[k] - max) / sum);
    const int label = b.labels.i32()[n];
    b.losses.f32()[n] = label < 0 ? 0 : static_cast<float>(Log(sum) - (logits[label] - max));
    b.predictions.i32()[n] = best;
  }
}

void SoftmaxCrossEntropyGradient(const SoftmaxCrossEntropyGradientParams& p, const SoftmaxCrossEntropyGradientBuffers& b, Pool&) {
  for (int n = 0; n < p.batch; ++n) {
    const int label = b.labels.i32()[n];
    const float dLoss = b.dLosses.f32()[n];
    const float* probabilities = b.probabilities.f32() + static_cast<ptrdiff_t>(n) * p.classes;
    float* dLogits = b.dLogits.f32() + static_cast<ptrdiff_t>(n) * p.classes;
    for (int k = 0; k < p.classes; ++k) {
      const float difference = probabilities[k] - (label == k ? 1.0f : 0.0f);
      dLogits[k] = label < 0 ? 0 : difference * dLoss;
    }
  }
}

}  // namespace subbit::SUBBIT_ISA
