/**
 * A group of invocations has a sample. The first of the largest logits is left out of the sum of exponentials, where it would count
 * 1: of a sample that the network is sure of, the loss is what is left, far below what 1 plus it can show in a float.
 */
import { defineWgsl } from '../../core/wgsl.js';
import { wgslMath } from '../math.wgsl.js';
import { softmaxCrossEntropy, softmaxCrossEntropyGradient } from './softmax.js';

const lanes = 64;

export const softmaxWgsl = [
  defineWgsl(softmaxCrossEntropy, ({ params }) => [
    {
      count: params.batch,
      lanes,
      code: `
${wgslMath.exponentialAndLogarithm}
var<workgroup> largest: array<u32, ${lanes}>;
var<workgroup> sums: array<vec3f, ${lanes}>;
fn run(n: u32, lane: u32) {
  let classes = u32(p.classes);
  let row = n * classes;
  var best = min(lane, classes - 1u);
  for (var k = best + ${lanes}u; k < classes; k += ${lanes}u) { if (get_logits(row + k) > get_logits(row + best)) { best = k; } }
  largest[lane] = best;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      let other = largest[lane + half];
      let difference = get_logits(row + other) - get_logits(row + largest[lane]);
      if (difference > 0.0 || (difference == 0.0 && other < largest[lane])) { largest[lane] = other; }
    }
  }
  workgroupBarrier();
  best = largest[0];
  let top = get_logits(row + best);
  // Exponentials, the logits by their targets, the logits.
  var sum = vec3f();
  for (var k = lane; k < classes; k += ${lanes}u) {
    let logit = get_logits(row + k) - top;
    let share = select(exponential(logit), 0.0, k == best);
    sum += vec3f(share, get_targets(row + k) * logit, logit);
  }
  sums[lane] = sum;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  workgroupBarrier();
  sum = sums[0];
  let whole = 1.0 + sum.x;
  for (var k = lane; k < classes; k += ${lanes}u) {
    set_probabilities(row + k, exponential(get_logits(row + k) - top) / whole);
  }
  if (lane == 0u) {
    let label = get_labels(n);
    var logit = get_logits(row + u32(max(label, 0))) - top;
    if (has_targets) { logit = sum.y; }
    if (p.added != 0.0) { logit = p.kept * logit + p.added * sum.z; }
    set_losses(n, select(logarithmBeside1(sum.x) - logit, 0.0, label < 0));
    set_predictions(n, i32(best));
  }
}`,
    },
  ]),
  defineWgsl(softmaxCrossEntropyGradient, ({ params }) => [
    {
      count: params.batch * params.classes,
      code: `
fn run(i: u32) {
  let n = i / u32(p.classes);
  let label = get_labels(n);
  var aim = select(0.0, 1.0, label == i32(i % u32(p.classes)));
  if (has_targets) { aim = get_targets(i); }
  let difference = get_probabilities(i) - (p.kept * aim + p.added);
  set_dLogits(i, select(difference * get_dLosses(n), 0.0, label < 0));
}`,
    },
  ]),
];
