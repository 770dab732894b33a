/** Real numbers of scaled operands (scaled.ts) in WGSL. */
import { elementKinds } from './scaled.js';

/**
 * WGSL with `fn scaled_x(i: u32, sample: u32) -> f32`, the real number of element i, for the slot x with the optional slot xScale and the
 * params xStep and xScaleCount; of integers also `fn scaleOf_x(sample: u32) -> f32`, by which they are multiplied.
 */
export function scaledElements(slot: string, kind: number): string {
  const scale = `select(p.${slot}Step, get_${slot}Scale(select(sample, 0u, p.${slot}ScaleCount == 1)) * p.${slot}Step, p.${slot}ScaleCount > 0)`;
  if (kind === elementKinds.f32) return `fn scaled_${slot}(i: u32, sample: u32) -> f32 { return get_${slot}(i); }`;
  return `
fn scaleOf_${slot}(sample: u32) -> f32 { return ${scale}; }
fn scaled_${slot}(i: u32, sample: u32) -> f32 { return f32(get_${slot}(i)) * scaleOf_${slot}(sample); }`;
}
