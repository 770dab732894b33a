/** Rounds half to even (as ONNX, PyTorch and WGSL do) and clamps to min .. max. NaN gives min. */
export function roundHalfEven(x: number, max: number, min = 0): number {
  const floor = Math.floor(x);
  const fraction = x - floor;
  const rounded = fraction > 0.5 || (fraction === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
  return rounded > min ? Math.min(rounded, max) : min;
}
