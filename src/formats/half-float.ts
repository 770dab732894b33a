/** The number that 16 bits stand for (IEEE 754 binary16). */
export function halfFloat(stored: number): number {
  const sign = stored & 0x8000 ? -1 : 1;
  const exponent = (stored >> 10) & 31;
  const fraction = stored & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
