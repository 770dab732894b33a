/**
 * The assignment problem step by step as assign.ts has it, by one group of invocations: a step depends on the one before, and what goes side by side
 * is the scan of a column's rows, a few for each invocation and a minimum over all of them.
 *
 * Whole numbers have 64 bits in two words. They count halves of the units of assign.ts, so that a free row's advantage is 1. Control flow hangs on
 * what invocations share, so that all are at the same barrier.
 */
import { defineWgsl } from '../../core/wgsl.js';
import { assign, bidsPerRow } from './assign.js';
import { largestCodebook } from './codebook.js';

const lanes = 128;
const rowsPerLane = largestCodebook / lanes;

const wholeNumbers = `
struct Whole { high: i32, low: u32 }
const infinite = Whole(0x7fffffff, 0u);
fn sum(a: Whole, b: Whole) -> Whole {
  let low = a.low + b.low;
  return Whole(a.high + b.high + select(0, 1, low < a.low), low);
}
fn negative(a: Whole) -> Whole { return Whole(~a.high + select(0, 1, a.low == 0u), ~a.low + 1u); }
fn isLess(a: Whole, b: Whole) -> bool { return a.high < b.high || (a.high == b.high && a.low < b.low); }
fn isSame(a: Whole, b: Whole) -> bool { return a.high == b.high && a.low == b.low; }
fn lesser(a: Whole, b: Whole) -> Whole { if (isLess(b, a)) { return b; } return a; }
/** To whole units. */
fn roundUp(a: Whole) -> Whole {
  let more = sum(a, Whole(0, 1u));
  return Whole(more.high, more.low & ~1u);
}
/** A float in halves of the unit of which numbers of the exponent \`largest\` have up to 2^40; whole units, half to even, at most 2^41. */
fn wholeOf(bits: u32, largest: i32) -> Whole {
  let exponent = i32((bits >> 23u) & 255u);
  if (exponent == 255) { return Whole(0, 0u); }
  let mantissa = (bits & 0x7fffffu) | select(0x800000u, 0u, exponent == 0);
  let shift = max(exponent, 1) - largest + 16;
  var size = Whole(0, 0u);
  if (shift > 17) {
    size = Whole(1 << 9u, 0u);
  } else if (shift > 0) {
    size = Whole(i32(mantissa >> u32(32 - shift)), mantissa << u32(shift));
  } else if (shift > -26) {
    let away = u32(-shift);
    let rest = mantissa & ((1u << away) - 1u);
    let whole = mantissa >> away;
    let twice = 2u * rest;
    size.low = whole + select(0u, 1u, twice > (1u << away) || (twice == (1u << away) && rest != 0u && (whole & 1u) == 1u));
  }
  if (bits >= 0x80000000u) { size = negative(size); }
  return sum(size, size);
}
/** The way back. */
fn floatOf(a: Whole, largest: i32) -> f32 {
  let isNegative = a.high < 0;
  var size = a;
  if (isNegative) { size = negative(a); }
  let units = f32(size.high) * 4294967296.0 + f32(size.low);
  // In two steps, because the power of two may be too small for a float.
  let real = ldexp(ldexp(units, -83), largest - 84);
  return select(real, -real, isNegative);
}
`;

const minimum = `
/** The first of the smallest, and the smallest of the others. */
struct Least { cost: Whole, second: Whole, row: u32 }
var<workgroup> leasts: array<Least, ${lanes}>;
const nothing = Least(infinite, infinite, 0xffffffffu);
fn merged(a: Least, b: Least) -> Least {
  let second = lesser(a.second, b.second);
  if (isLess(b.cost, a.cost) || (isSame(b.cost, a.cost) && b.row < a.row)) { return Least(b.cost, lesser(second, a.cost), b.row); }
  return Least(a.cost, lesser(second, b.cost), a.row);
}
/** Of what all invocations bring. */
fn leastOf(lane: u32, own: Least) -> Least {
  leasts[lane] = own;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { leasts[lane] = merged(leasts[lane], leasts[lane + half]); }
  }
  return workgroupUniformLoad(&leasts[0]);
}
`;

const assignment = `
var<workgroup> duals: array<Whole, ${largestCodebook}>;
/** By row; -1 when it is free. */
var<workgroup> owners: array<i32, ${largestCodebook}>;
/** By column; -1 without one. */
var<workgroup> rows: array<i32, ${largestCodebook}>;
/** Columns without a row, in order. */
var<workgroup> waiting: array<i32, ${largestCodebook}>;
/** By row: the column through which a search reached it. */
var<workgroup> via: array<i32, ${largestCodebook}>;
var<workgroup> largestBits: array<u32, ${lanes}>;

fn exponentOfLargest(lane: u32) -> i32 {
  var bits = 0u;
  for (var i = lane; i < u32(p.size * p.size); i += ${lanes}u) {
    let each = word_scores(i) & 0x7fffffffu;
    bits = max(bits, select(0u, each, each < 0x7f800000u));
  }
  largestBits[lane] = bits;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { largestBits[lane] = max(largestBits[lane], largestBits[lane + half]); }
  }
  return max(i32(workgroupUniformLoad(&largestBits[0]) >> 23u), 1);
}
fn scoreOf(column: i32, row: u32, largest: i32) -> Whole { return wholeOf(word_scratch(u32(column * p.size) + row), largest); }
/** A column's cost in a row, 1 less where the row is free. */
fn costOf(column: i32, row: u32, largest: i32) -> Whole {
  let cost = negative(sum(scoreOf(column, row, largest), duals[row]));
  if (owners[row] >= 0) { return cost; }
  return sum(cost, Whole(-1, 0xffffffffu));
}
fn bestOf(lane: u32, column: i32, largest: i32) -> Least {
  var own = nothing;
  for (var row = lane; row < u32(p.size); row += ${lanes}u) { own = merged(own, Least(costOf(column, row, largest), infinite, row)); }
  return leastOf(lane, own);
}
fn take(column: i32, row: u32) {
  owners[row] = column;
  rows[column] = i32(row);
}
/** Duals as they were after the last solution, or zeros. */
fn beginWith(lane: u32, isWarm: bool, largest: i32) {
  for (var row = lane; row < u32(p.size); row += ${lanes}u) {
    var dual = Whole(0, 0u);
    if (isWarm) { dual = lesser(dual, wholeOf(word_duals(row), largest)); }
    duals[row] = dual;
  }
}
/** Gives every column a row that is free and best, if there is one; returns how many wait. */
fn takeFree(lane: u32, largest: i32) -> u32 {
  for (var i = lane; i < ${largestCodebook}u; i += ${lanes}u) {
    owners[i] = -1;
    rows[i] = -1;
  }
  workgroupBarrier();
  var left = 0u;
  for (var column = 0; column < p.columns; column++) {
    let row = bestOf(lane, column, largest).row;
    if (workgroupUniformLoad(&owners[row]) >= 0) {
      if (lane == 0u) { waiting[left] = column; }
      left++;
    } else if (lane == 0u) {
      take(column, row);
    }
    workgroupBarrier();
  }
  return left;
}
/** Dijkstra from a column to the nearest free row. */
fn augment(lane: u32, column: i32, largest: i32) {
  var distances: array<Whole, ${rowsPerLane}>;
  var isReached: array<bool, ${rowsPerLane}>;
  var own = nothing;
  for (var k = 0u; k < ${rowsPerLane}u; k++) {
    let row = k * ${lanes}u + lane;
    if (row >= u32(p.size)) { break; }
    distances[k] = costOf(column, row, largest);
    via[row] = column;
    own = merged(own, Least(distances[k], infinite, row));
  }
  var next = leastOf(lane, own);
  loop {
    let owner = workgroupUniformLoad(&owners[next.row]);
    if (owner < 0) { break; }
    let offset = sum(next.cost, negative(costOf(owner, next.row, largest)));
    if (next.row % ${lanes}u == lane) { isReached[next.row / ${lanes}u] = true; }
    own = nothing;
    for (var k = 0u; k < ${rowsPerLane}u; k++) {
      let row = k * ${lanes}u + lane;
      if (row >= u32(p.size)) { break; }
      if (isReached[k]) { continue; }
      let through = sum(costOf(owner, row, largest), offset);
      if (isLess(through, distances[k])) {
        distances[k] = through;
        via[row] = owner;
      }
      own = merged(own, Least(distances[k], infinite, row));
    }
    next = leastOf(lane, own);
  }
  let least = negative(roundUp(next.cost));
  for (var k = 0u; k < ${rowsPerLane}u; k++) {
    let row = k * ${lanes}u + lane;
    if (isReached[k]) { duals[row] = sum(duals[row], sum(distances[k], least)); }
  }
  workgroupBarrier();
  if (lane == 0u) {
    for (var row = i32(next.row); row >= 0;) {
      let owner = via[row];
      let before = rows[owner];
      take(owner, u32(row));
      row = before;
    }
  }
  workgroupBarrier();
}
fn run(group: u32, lane: u32) {
  let largest = exponentOfLargest(lane);
  let isWarm = p.columns == p.size;
  beginWith(lane, isWarm, largest);
  let leftOfLast = takeFree(lane, largest);
  beginWith(lane, false, largest);
  var left = takeFree(lane, largest);
  if (2u * leftOfLast < left) {
    beginWith(lane, isWarm, largest);
    left = takeFree(lane, largest);
  }
  var bids = ${bidsPerRow} * p.size;
  for (var round = 0; round < 2; round++) {
    let count = left;
    left = 0u;
    for (var at = 0u; at < count; at++) {
      var column = workgroupUniformLoad(&waiting[at]);
      while (column >= 0) {
        bids--;
        let best = bestOf(lane, column, largest);
        let before = workgroupUniformLoad(&owners[best.row]);
        let gain = sum(roundUp(best.second), negative(best.cost));
        // Out of bids, or where a row gains nothing, taking it from another helps nobody.
        if (bids < 0 || (before >= 0 && isSame(gain, Whole(0, 0u)))) {
          if (lane == 0u) { waiting[left] = column; }
          left++;
          break;
        }
        if (lane == 0u) {
          if (before >= 0) {
            duals[best.row] = sum(duals[best.row], negative(gain));
            rows[before] = -1;
          }
          take(column, best.row);
        }
        workgroupBarrier();
        column = before;
      }
    }
  }
  for (var at = 0u; at < left; at++) { augment(lane, workgroupUniformLoad(&waiting[at]), largest); }

  var own = nothing;
  for (var row = lane; row < u32(p.size); row += ${lanes}u) { own = merged(own, Least(negative(duals[row]), infinite, row)); }
  let top = leastOf(lane, own).cost;
  for (var i = lane; i < u32(p.size); i += ${lanes}u) {
    set_duals(i, floatOf(sum(duals[i], top), largest));
    if (i < u32(p.columns)) { set_permutation(i, rows[i]); }
    if (i < u32(p.codewords)) { set_ids(i, rows[i]); }
  }
  if (lane == 0u) {
    var next = u32(p.columns);
    for (var row = 0u; row < u32(p.size); row++) {
      if (owners[row] < 0) { set_permutation(next, i32(row)); next++; }
    }
  }
}
`;

export const assignWgsl = [
  defineWgsl(assign, {
    /** The scores by column. */
    scratchBytes: ({ params }) => 4 * params.columns * params.size,
    passes: ({ params }) => [
      {
        count: params.columns * params.size,
        code: `
fn run(i: u32) {
  let size = u32(p.size);
  set_word_scratch(i, word_scores(i % size * size + i / size));
}`,
      },
      { lanes, count: 1, code: wholeNumbers + minimum + assignment },
    ],
  }),
];
