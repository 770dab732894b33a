/**
 * One group of invocations: patterns side by side, then those that repeat one after another by one invocation, since each takes a codeword
 * that the next may not have; 512 of them at most.
 */
import { defineWgsl } from '../../core/wgsl.js';
import { philox } from '../philox.wgsl.js';
import { largestCodebook } from './codebook.js';
import { largestPattern, renewPatterns, smallestPattern } from './renew-patterns.js';

const lanes = 128;
/** Marks of a pattern that takes another codeword. */
const isReplaced = '0x10000u';

export const renewPatternsWgsl = [
  defineWgsl(renewPatterns, () => [
    {
      lanes,
      count: 1,
      code: `
${philox}
var<workgroup> chosen: array<u32, ${largestCodebook}>;
/** A bit per codeword. */
var<workgroup> used: array<u32, ${largestCodebook / 32}>;
fn isPositive(id: u32, t: u32) -> bool { return ((id >> (u32(p.length) - 1u - t)) & 1u) == 1u; }
fn isUsed(id: u32) -> bool { return ((used[id / 32u] >> (id % 32u)) & 1u) == 1u; }
fn take(id: u32) { used[id / 32u] |= 1u << (id % 32u); }
/** The codeword that \`rank\` unused ones come before. */
fn unusedAt(rank: u32) -> u32 {
  var left = rank;
  for (var id = 0u; id < (1u << u32(p.length)); id++) {
    if (isUsed(id)) { continue; }
    if (left == 0u) { return id; }
    left--;
  }
  return 0u;
}
fn replaceRepeated() {
  var numUnused = 1u << u32(p.length);
  for (var j = 0u; j < u32(p.codewords); j++) {
    if (isUsed(chosen[j])) { chosen[j] = ${isReplaced}; continue; }
    take(chosen[j]);
    numUnused--;
  }
  for (var j = 0u; j < u32(p.codewords); j++) {
    if (chosen[j] != ${isReplaced}) { continue; }
    // Of 24 random bits, as numbers in [0, 1) have them.
    let random = philox(j / 4u, get_step(0u), p.seed, p.stream)[j % 4u] & 0xffffff00u;
    let id = unusedAt(upperProduct(random, numUnused));
    take(id);
    numUnused--;
    chosen[j] |= id;
  }
}
fn run(group: u32, lane: u32) {
  let length = u32(p.length);
  for (var j = lane; j < u32(p.codewords); j += ${lanes}u) {
    var id = 0u;
    for (var t = 0u; t < length; t++) {
      let at = j * length + t;
      let bits = word_patterns(at);
      let isNan = (bits & 0x7fffffffu) > 0x7f800000u;
      let x = clamp(get_patterns(at), ${-largestPattern}.0, ${largestPattern}.0);
      let isLarge = abs(x) >= ${smallestPattern} && !isNan;
      id = 2u * id + select(0u, 1u, select(isPositive(u32(get_ids(j)), t), x > 0.0, isLarge));
      if (!isNan) { set_patterns(at, x); }
    }
    chosen[j] = id;
  }
  workgroupBarrier();
  if (lane == 0u) { replaceRepeated(); }
  workgroupBarrier();
  for (var j = lane; j < u32(p.codewords); j += ${lanes}u) {
    let id = chosen[j] & 0xffffu;
    set_ids(j, i32(id));
    if (chosen[j] == id) { continue; }
    for (var t = 0u; t < length; t++) { set_patterns(j * length + t, select(-1.0, 1.0, isPositive(id, t))); }
  }
}`,
    },
  ]),
];
