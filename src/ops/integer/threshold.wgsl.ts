/** The level of a single accumulator in WGSL, for the op and for the epilogues of fused convolutions. */

/**
 * `fn level_of(x: i32, c: u32) -> u32`. `up` and `down` are WGSL for a threshold of channel `c`, given the row; p.levels is how many rows
 * each has.
 */
export function levelOfWgsl(up: (row: string) => string, down?: (row: string) => string): string {
  return `
fn level_of(x: i32, c: u32) -> u32 {
  var level = 0u;
  for (var j = 0u; j < u32(p.levels); j++) {
    level += u32(x >= ${up('j')});${down === undefined ? '' : `\n    level += u32(x <= ${down('j')});`}
  }
  return level;
}`;
}
