/**
 * Adam's corrections 1 - beta^t cancel in floats while t is small. With e(t) = 1 - beta^t they do not:
 *
 *     e(1) = 1 - beta        e(s + t) = e(s) + e(t) (1 - e(s))
 *
 * by repeated squaring, as the reference takes powers in double.
 */
import { defineWgsl } from '../../core/wgsl.js';
import { adamStep, sgdStep } from './optimizer.js';

export const optimizerWgsl = [
  defineWgsl(sgdStep, ({ params }) => [
    {
      count: params.count,
      code: `
fn run(i: u32) {
  let g = get_gradient(i) + p.decay * get_parameter(i);
  let v = p.momentum * get_velocity(i) + g;
  let direction = select(v, g + p.momentum * v, p.nesterov != 0);
  set_velocity(i, v);
  set_parameter(i, get_parameter(i) - get_learningRate(0u) * direction);
}`,
    },
  ]),
  defineWgsl(adamStep, ({ params }) => [
    {
      count: params.count,
      code: `
/** 1 - (1 - e)^exponent */
fn complement(e: f32, exponent: u32) -> f32 {
  var result = 0.0;
  var square = e;
  for (var rest = exponent; rest > 0u; rest >>= 1u) {
    if ((rest & 1u) == 1u) { result += square * (1.0 - result); }
    square += square * (1.0 - square);
  }
  return result;
}
fn run(i: u32) {
  let time = u32(get_step(0u)) + 1u;
  let added = vec2f(1.0 - p.beta1, 1.0 - p.beta2);
  let rate = get_learningRate(0u) / complement(added.x, time);
  let correction = 1.0 / sqrt(complement(added.y, time));
  let kept = 1.0 - get_learningRate(0u) * p.shrinkage;
  let g = get_gradient(i) + p.decay * get_parameter(i);
  let m = p.beta1 * get_first(i) + added.x * g;
  let v = p.beta2 * get_second(i) + (added.y * g) * g;
  set_first(i, m);
  set_second(i, v);
  set_parameter(i, kept * get_parameter(i) - (rate * m) / (sqrt(v) * correction + p.epsilon));
}`,
    },
  ]),
];
