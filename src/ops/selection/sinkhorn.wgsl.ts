/**
 * Sinkhorn's sweeps and their gradient in floats (sinkhorn.ts). What is exponentiated, x / temperature - r - c, is a small difference of
 * numbers that may be thousands, so these are pairs of floats, a number and what its rounding left: x / temperature as a product whose
 * first part is exact, differences with what they round away (Knuth's two-sum). A compiler that reorders sums takes the second parts away;
 * then the plan is as good as floats are, no worse. A log-sum-exp is the largest term as a float, and beside it ln(1 + what the other
 * terms and its rounding make the sum more than 1): in cold plans that is nearly nothing, and all that a potential is.
 *
 * A row has a group of invocations, neighbouring columns share one. Passes of all sweeps are the same two, which count the sweeps in
 * scratch memory, each in a word that only the other writes.
 */
import { defineWgsl, type WgslPass } from '../../core/wgsl.js';
import { wgslMath } from '../math.wgsl.js';
import { sinkhorn, sinkhornGradient } from './sinkhorn.js';

const lanes = 128;
/** Columns of a group; its other invocations take other rows. */
const columns = 16;

/** Scratch: the sweep that rows and columns are at; then vectors. */
const counters = 2;

/** Bits of a float that its product with another so short one leaves exact. */
const upperBits = '0xfffff000u';

function termsOf(temperature: number, temperatureRest: number): string {
  const scale = 1 / (temperature + temperatureRest);
  const upper = new Float32Array(
    new Uint32Array([new Uint32Array(Float32Array.of(scale).buffer)[0]! & 0xfffff000]).buffer,
  )[0]!;
  return `
${wgslMath.exponentialAndLogarithm}
const scale = f32(${Math.fround(scale)});
const scaleUpper = f32(${upper});
const scaleLower = f32(${Math.fround(scale - upper)});
/** a + b, and what its rounding left */
fn twoSum(a: f32, b: f32) -> vec2f {
  let sum = a + b;
  let part = sum - a;
  return vec2f(sum, (a - (sum - part)) + (b - part));
}
/** x / temperature - r - c */
fn term(x: f32, r: vec2f, c: vec2f) -> f32 {
  let upper = bitcast<f32>(bitcast<u32>(x) & ${upperBits});
  let product = twoSum(upper * scaleUpper, upper * scaleLower + (x - upper) * scale);
  let first = twoSum(product.x, -r.x);
  let second = twoSum(first.x, -c.x);
  return second.x + (second.y + first.y + (product.y - r.y - c.y));
}
fn logitAt(i: u32, j: u32) -> f32 { return get_logits(i * u32(p.size) + j); }
/** Where a sweep's vector is in the potentials: 0, of the rows; 1, of the columns. */
fn potentialsAt(sweep: u32, which: u32) -> u32 { return (2u * sweep + which) * 2u * u32(p.size); }
fn potentialOf(at: u32, k: u32) -> vec2f { return vec2f(get_potentials(at + k), get_potentials(at + u32(p.size) + k)); }
`;
}

/** fn total(lane, own): what the invocations of each of `side` vector elements have together, for all of them. */
const totalOf = (side: number): string => `
var<workgroup> partial: array<f32, ${lanes}>;
fn total(lane: u32, own: f32) -> f32 {
  partial[lane] = own;
  for (var half = ${lanes / 2}u; half >= ${side}u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  workgroupBarrier();
  return partial[lane % ${side}u];
}
`;

/** A vector of potentials from the other one: 'row' or 'column'. */
function potentialsPass(kind: 'row' | 'column', size: number, terms: string): WgslPass {
  const isRow = kind === 'row';
  const [own, other, side] = isRow ? ['i', 'j', 1] : ['j', 'i', columns];
  const step = lanes / side;
  return {
    lanes,
    count: Math.ceil(size / side),
    code: `
${terms}
${totalOf(side)}
var<workgroup> terms: array<f32, ${lanes}>;
var<workgroup> places: array<u32, ${lanes}>;
/** The largest of the terms that the invocations of each vector element bring, and its place. */
fn findLargest(lane: u32, value: f32, place: u32) {
  terms[lane] = value;
  places[lane] = place;
  for (var half = ${lanes / 2}u; half >= ${side}u; half /= 2u) {
    workgroupBarrier();
    if (lane < half && terms[lane + half] > terms[lane]) {
      terms[lane] = terms[lane + half];
      places[lane] = places[lane + half];
    }
  }
  workgroupBarrier();
}
/** Potentials of the other side; those of the columns are 0 before the first sweep. */
fn otherOf(sweep: u32, k: u32) -> vec2f {
  ${isRow ? 'if (sweep == 0u) { return vec2f(); } return potentialOf(potentialsAt(sweep - 1u, 1u), k);' : 'return potentialOf(potentialsAt(sweep, 0u), k);'}
}
fn run(group: u32, lane: u32) {
  let size = u32(p.size);
  let ${own} = group * ${side}u + lane % ${side}u;
  let sweep = word_scratch(${isRow ? 0 : 1}u);
  let first = lane / ${side}u;
  let end = select(0u, size, ${own} < size);
  var top = -3.4e38;
  var place = first;
  for (var ${other} = first; ${other} < end; ${other} += ${step}u) {
    let each = term(logitAt(i, j), vec2f(), otherOf(sweep, ${other}));
    if (each > top) { top = each; place = ${other}; }
  }
  findLargest(lane, top, place);
  top = terms[lane % ${side}u];
  place = places[lane % ${side}u];
  var sum = 0.0;
  for (var ${other} = first; ${other} < end; ${other} += ${step}u) {
    let each = term(logitAt(i, j), vec2f(top, 0.0), otherOf(sweep, ${other}));
    if (${other} == place) { sum += exponentialLess1(each); } else { sum += exponential(each); }
  }
  sum = total(lane, sum);
  if (first == 0u && ${own} < size) {
    let potential = twoSum(top, logarithmBeside1(sum));
    let at = potentialsAt(sweep, ${isRow ? 0 : 1}u) + ${own};
    set_potentials(at, potential.x);
    set_potentials(at + size, potential.y);
  }
  if (group == 0u && lane == 0u) { set_word_scratch(${isRow ? '1u, sweep' : '0u, sweep + 1u'}); }
}`,
  };
}

const beginPass = (first: string): WgslPass => ({
  count: 1,
  code: `fn run(i: u32) { set_word_scratch(0u, ${first}); set_word_scratch(1u, ${first}); }`,
});

export const sinkhornWgsl = [
  defineWgsl(sinkhorn, {
    scratchBytes: () => 4 * counters,
    passes({ params }) {
      const terms = termsOf(params.temperature, params.temperatureRest);
      const sweep = [potentialsPass('row', params.size, terms), potentialsPass('column', params.size, terms)];
      return [
        beginPass('0u'),
        ...Array.from({ length: params.sweeps }, () => sweep).flat(),
        {
          count: params.size ** 2,
          code: `
${terms}
fn run(each: u32) {
  let i = each / u32(p.size);
  let j = each % u32(p.size);
  let last = u32(p.sweeps) - 1u;
  set_plan(each, exponential(term(get_logits(each), potentialOf(potentialsAt(last, 0u), i), potentialOf(potentialsAt(last, 1u), j))));
}`,
        },
      ];
    },
  }),
  defineWgsl(sinkhornGradient, {
    /** Gradients of the rows' and the columns' potentials. */
    scratchBytes: ({ params }) => 4 * (counters + 2 * params.size),
    passes({ params }) {
      const terms = `
${termsOf(params.temperature, params.temperatureRest)}
fn dRowAt(i: u32) -> u32 { return ${counters}u + i; }
fn dColumnAt(j: u32) -> u32 { return ${counters}u + u32(p.size) + j; }
fn dPlanAt(i: u32, j: u32) -> f32 { if (j >= u32(p.columns)) { return 0.0; } return get_dPlan(i * u32(p.columns) + j); }
/** e^L after a sweep's column step, and after its row step. */
fn afterColumns(i: u32, j: u32, sweep: u32) -> f32 {
  return exponential(term(logitAt(i, j), potentialOf(potentialsAt(sweep, 0u), i), potentialOf(potentialsAt(sweep, 1u), j)));
}
fn afterRows(i: u32, j: u32, sweep: u32) -> f32 {
  var before = vec2f();
  if (sweep > 0u) { before = potentialOf(potentialsAt(sweep - 1u, 1u), j); }
  return exponential(term(logitAt(i, j), potentialOf(potentialsAt(sweep, 0u), i), before));
}
`;
      const columnsPass = (value: string, finish: string): WgslPass => ({
        lanes,
        count: Math.ceil(params.size / columns),
        code: `
${terms}
${totalOf(columns)}
fn run(group: u32, lane: u32) {
  let size = u32(p.size);
  let j = group * ${columns}u + lane % ${columns}u;
  let sweep = word_scratch(1u);
  var sum = 0.0;
  if (j < size) {
    for (var i = lane / ${columns}u; i < size; i += ${lanes / columns}u) { sum += ${value}; }
  }
  sum = total(lane, sum);
  if (lane < ${columns}u && j < size) { set_scratch(dColumnAt(j), -sum); }
  ${finish}
}`,
      });
      const rowsPass: WgslPass = {
        lanes,
        count: params.size,
        code: `
${terms}
${totalOf(1)}
fn run(i: u32, lane: u32) {
  let size = u32(p.size);
  let sweep = word_scratch(0u);
  let isLast = sweep + 1u == u32(p.sweeps);
  var sum = 0.0;
  for (var j = lane; j < size; j += ${lanes}u) {
    sum += afterColumns(i, j, sweep) * (get_scratch(dColumnAt(j)) + select(0.0, dPlanAt(i, j), isLast));
  }
  let dRow = -total(lane, sum);
  for (var j = lane; j < size; j += ${lanes}u) {
    let own = afterColumns(i, j, sweep) * (get_scratch(dColumnAt(j)) + select(0.0, dPlanAt(i, j), isLast));
    let d = (own + afterRows(i, j, sweep) * dRow) * scale;
    let at = i * size + j;
    set_dLogits(at, select(get_dLogits(at) + d, d, isLast));
  }
  if (lane == 0u) { set_scratch(dRowAt(i), dRow); }
  if (i == 0u && lane == 0u) { set_word_scratch(1u, sweep); }
}`,
      };
      const stepPass = columnsPass(
        'afterRows(i, j, sweep) * get_scratch(dRowAt(i))',
        'if (group == 0u && lane == 0u) { set_word_scratch(0u, sweep - 1u); }',
      );
      return [
        beginPass('u32(p.sweeps) - 1u'),
        columnsPass('afterColumns(i, j, sweep) * dPlanAt(i, j)', ''),
        ...Array.from({ length: params.sweeps }, () => [rowsPass, stepPass]).flat(),
      ];
    },
  }),
];
