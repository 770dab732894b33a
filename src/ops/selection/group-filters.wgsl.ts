/**
 * An invocation has a filter and tables of its halves' costs in the group's memory. Costs are not negative, so their bits are ordered as they are;
 * and as bits the smallest numbers, which tell a zero's sign, are added as integers, where a GPU would take them for zeros.
 */
import { defineWgsl } from '../../core/wgsl.js';
import { bytesPass } from '../bytes.wgsl.js';
import { groupFilters, groupFiltersGradient } from './group-filters.js';

const lanes = 64;
/** Sums of the first half of nine elements, and of the second. */
const entries = 2 ** 5 + 2 ** 4;

export const groupFiltersWgsl = [
  defineWgsl(groupFilters, ({ params }) => [
    {
      lanes,
      count: Math.ceil(params.filters / lanes),
      code: `
var<workgroup> costs: array<u32, ${entries * lanes}>;
var<workgroup> positions: array<u32, ${lanes}>;
const smallestNormal = 0x00800000u;
fn sum(a: u32, b: u32) -> u32 {
  if (max(a, b) < smallestNormal) { return a + b; }
  if (min(a, b) < smallestNormal) { return max(a, b); }
  return bitcast<u32>(bitcast<f32>(a) + bitcast<f32>(b));
}
/** What an element adds where a codeword has a sign. NaN counts as zero. */
fn mismatch(bits: u32, isPositive: bool) -> u32 {
  let size = bits & 0x7fffffffu;
  let isZero = size == 0u || size > 0x7f800000u;
  let isNegative = bits > 0x80000000u && !isZero;
  if (isPositive) { return select(0u, size, isNegative); }
  return select(select(size, 1u, isZero), 0u, isNegative);
}
/** The sum of the elements first .. end - 1 for the signs of \`half\`. */
fn cost(f: u32, half: u32, first: u32, end: u32) -> u32 {
  var total = 0u;
  for (var t = first; t < end; t++) {
    total = sum(total, mismatch(word_filter(t * u32(p.filters) + f), ((half >> (end - 1u - t)) & 1u) == 1u));
  }
  return total;
}
fn run(group: u32, lane: u32) {
  let each = min(group * ${lanes}u + lane, u32(p.filters) - 1u);
  let length = u32(p.length);
  let middle = (length + 1u) / 2u;
  let rest = length - middle;
  for (var half = 0u; half < (1u << middle); half++) { costs[half * ${lanes}u + lane] = cost(each, half, 0u, middle); }
  for (var half = 0u; half < (1u << rest); half++) { costs[(32u + half) * ${lanes}u + lane] = cost(each, half, middle, length); }
  var nearest = 0u;
  var least = 0x7f800000u;
  for (var j = 0u; j < u32(p.codewords); j++) {
    let id = u32(get_ids(j));
    let total = sum(costs[(id >> rest) * ${lanes}u + lane], costs[(32u + (id & ((1u << rest) - 1u))) * ${lanes}u + lane]);
    if (total < least) { nearest = j; least = total; }
  }
  positions[lane] = nearest;
  workgroupBarrier();
  let first = group * ${lanes}u + lane;
  if (lane % 2u == 0u && first < u32(p.filters)) { set_word_index(first / 2u, positions[lane] | (positions[lane + 1u] << 16u)); }
}`,
    },
    bytesPass(
      'levels',
      params.length * params.filters,
      `
fn byteAt(i: u32) -> u32 {
  let t = i / u32(p.filters);
  return (u32(get_ids(u32(get_index(i % u32(p.filters))))) >> (u32(p.length) - 1u - t)) & 1u;
}`,
    ),
  ]),
  defineWgsl(groupFiltersGradient, ({ params }) => [
    {
      count: params.count,
      code: 'fn run(i: u32) { set_dFilter(i, select(0.0, get_dLevels(i), abs(get_filter(i)) <= 1.0)); }',
    },
  ]),
];
