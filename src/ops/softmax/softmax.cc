/** Softmax and cross-entropy; see softmax.ts. One row per sample, in double. */
#include "math.h"
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** `exponentials` holds as many numbers as there are classes; `targets` is null where the label is the target. Returns the prediction; the loss goes to `loss`. */
int ClassifyRow(const SoftmaxCrossEntropyParams& p, const float* logits, int label, const float* targets,
                double* __restrict exponentials, float* __restrict probabilities, float* loss) {
  const int classes = p.classes;
  int best = 0;
  for (int k = 1; k < classes; ++k) {
    if (logits[k] > logits[best]) best = k;
  }
  const double max = logits[best];
  for (int k = 0; k < classes; ++k) exponentials[k] = Exp(logits[k] - max);
  double sum = 0;
  for (int k = 0; k < classes; ++k) sum += exponentials[k];
  for (int k = 0; k < classes; ++k) probabilities[k] = static_cast<float>(exponentials[k] / sum);
  // A label that is no class has no logit to read.
  double logit = label < classes ? static_cast<double>(logits[label < 0 ? 0 : label]) - max : __builtin_nan("");
  if (targets != nullptr) {
    logit = 0;
    for (int k = 0; k < classes; ++k) logit += static_cast<double>(targets[k]) * (static_cast<double>(logits[k]) - max);
  }
  if (p.added != 0) {
    double all = 0;
    for (int k = 0; k < classes; ++k) all += static_cast<double>(logits[k]) - max;
    logit = static_cast<double>(p.kept) * logit + static_cast<double>(p.added) * all;
  }
  *loss = label < 0 ? 0 : static_cast<float>(Log(sum) - logit);
  return best;
}

}  // namespace

void SoftmaxCrossEntropy(const SoftmaxCrossEntropyParams& p, const SoftmaxCrossEntropyBuffers& b, Pool& pool) {
  const int classes = p.classes;
  double* exponentials = static_cast<double*>(pool.Scratch(0, static_cast<size_t>(p.batch) * classes * sizeof(double)));
  ForRows(pool, p.batch, classes, [&](int first, int end) {
    for (int n = first; n < end; ++n) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(n) * classes;
      const float* targets = b.targets.present() ? b.targets.f32() + row : nullptr;
      b.predictions.i32()[n] = ClassifyRow(p, b.logits.f32() + row, b.labels.i32()[n], targets, exponentials + row,
                                           b.probabilities.f32() + row, b.losses.f32() + n);
    }
  });
}

void SoftmaxCrossEntropyGradient(const SoftmaxCrossEntropyGradientParams& p, const SoftmaxCrossEntropyGradientBuffers& b, Pool&) {
  for (int n = 0; n < p.batch; ++n) {
    const int label = b.labels.i32()[n];
    const float dLoss = b.dLosses.f32()[n];
    const float* probabilities = b.probabilities.f32() + static_cast<ptrdiff_t>(n) * p.classes;
    const float* targets = b.targets.present() ? b.targets.f32() + static_cast<ptrdiff_t>(n) * p.classes : nullptr;
    float* dLogits = b.dLogits.f32() + static_cast<ptrdiff_t>(n) * p.classes;
    for (int k = 0; k < p.classes; ++k) {
      const float target = p.kept * (targets ? targets[k] : label == k ? 1.0f : 0.0f);
      const float difference = probabilities[k] - (target + p.added);
      dLogits[k] = label < 0 ? 0 : difference * dLoss;
    }
  }
}

}  // namespace subbit::SUBBIT_ISA
