import { defineWgsl } from '../../core/wgsl.js';
import { wgslMath } from '../math.wgsl.js';
import { activate, activateGradient, activationKinds } from './activation.js';

const beyondHalf = `
fn beyondHalf(x: f32, half: f32) -> f32 { return select(0.5 - half, max(0.5 + half, ${0.5 + 2 ** -24}), x > 0.0); }
`;

/** By kind: WGSL with `fn activated(x: f32) -> f32` and `fn slopeAt(x: f32) -> f32`. */
const functions: Readonly<Record<number, string>> = {
  [activationKinds.relu]: `
fn activated(x: f32) -> f32 { return select(x, 0.0, x < 0.0); }
fn slopeAt(x: f32) -> f32 { return select(0.0, 1.0, x > 0.0); }`,
  [activationKinds.clip]: `
fn activated(x: f32) -> f32 { return select(select(x, 1.0, x > 1.0), 0.0, x < 0.0); }
fn slopeAt(x: f32) -> f32 { return select(0.0, 1.0, x > 0.0 && x < 1.0); }`,
  [activationKinds.cabs]: `
fn activated(x: f32) -> f32 { return select(abs(x), 1.0, abs(x) > 1.0); }
fn slopeAt(x: f32) -> f32 { return select(0.0, sign(x), abs(x) < 1.0); }`,
  [activationKinds['approx-sign']]: `${beyondHalf}
fn activated(x: f32) -> f32 {
  let size = abs(x);
  if (size >= 1.0) { return select(0.0, 1.0, x > 0.0); }
  return beyondHalf(x, size - size * size * 0.5);
}
fn slopeAt(x: f32) -> f32 { return select(0.0, 1.0 - abs(x), abs(x) < 1.0); }`,
  [activationKinds['clip-sign']]: `${beyondHalf}
fn activated(x: f32) -> f32 { return beyondHalf(x, select(abs(x), 1.0, abs(x) > 1.0) * 0.5); }
fn slopeAt(x: f32) -> f32 { return select(0.0, 0.5, abs(x) <= 1.0); }`,
  [activationKinds['swish-sign']]: `${beyondHalf}${wgslMath.tangent}
fn swishOf(x: f32) -> f32 { return select(5.0 * abs(x), 40.0, abs(x) > 8.0); }
fn activated(x: f32) -> f32 {
  let z = swishOf(x);
  let t = tangentAndSlope(0.5 * z);
  let half = 0.5 * (t.x + 0.5 * z * t.y);
  return beyondHalf(x, select(half, 0.5, half > 0.5));
}
fn slopeAt(x: f32) -> f32 {
  let z = swishOf(x);
  let t = tangentAndSlope(0.5 * z);
  return 1.25 * (2.0 - z * t.x) * t.y;
}`,
};

/** WGSL with `activated`, `slopeAt` and `activationGradient`, h'(x) dy, of a kind of `activationKinds`. */
export function activationOf(kind: number): string {
  return `${functions[kind]}
fn activationGradient(x: f32, dy: f32) -> f32 {
  let slope = slopeAt(x);
  return select(slope * dy, 0.0, slope == 0.0);
}`;
}

export const activationWgsl = [
  defineWgsl(activate, ({ params }) => [
    { count: params.count, code: `${activationOf(params.kind)} fn run(i: u32) { set_y(i, activated(get_x(i))); }` },
  ]),
  defineWgsl(activateGradient, ({ params }) => [
    {
      count: params.count,
      code: `${activationOf(params.kind)} fn run(i: u32) { set_dx(i, activationGradient(get_x(i), get_dy(i))); }`,
    },
  ]),
];
