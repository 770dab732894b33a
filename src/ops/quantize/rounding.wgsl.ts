/** Rounding to levels (rounding.ts) in WGSL: half to even, clamped to 0 .. most; NaN gives some level. */
export const levelOf = 'fn levelOf(x: f32, most: i32) -> u32 { return min(u32(max(round(x), 0.0)), u32(most)); }';
