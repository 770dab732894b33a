/** Rounds half to even (as ONNX, PyTorch and WGSL do) and clamps to 0 .. max. NaN gives 0. */
export function roundHalfEven(x: number, max: number): number {
  const floor = Math.floor(x);
  const fraction = x - floor;
  const rounded = fraction > 0.5 || (fraction === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
  return rounded > 0 ? Math.min(rounded, max) : 0;
}
