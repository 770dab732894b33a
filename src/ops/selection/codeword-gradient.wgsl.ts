/**
 * An invocation has a position and a chunk of filters, of whose index it reads all and of whose elements those of its position; sums of chunks are
 * added in order. With a pull the two norms follow, then the difference.
 */
import { defineWgsl } from '../../core/wgsl.js';
import { codewordGradient, planGradient } from './codeword-gradient.js';

const lanes = 128;
/** Filters of a chunk; their index is in the group's memory. */
const chunk = 1024;
const longest = 9;

const chunksOf = (filters: number): number => Math.max(1, Math.ceil(filters / chunk));

/** Elements of the sums: by element, then by position, of the gradient and with a pull of the filters. */
const sumsOf = ({ length, codewords, pull }: { length: number; codewords: number; pull: number }): number =>
  length * codewords * (pull === 0 ? 1 : 2);

export const codewordGradientWgsl = [
  defineWgsl(codewordGradient, {
    /** The sums of the chunks, the sums, and the norms' ratio. */
    scratchBytes: ({ params }) => 4 * (sumsOf(params) * (chunksOf(params.filters) + 1) + 1),
    passes({ params }) {
      const sums = sumsOf(params);
      const hasPull = params.pull !== 0;
      const total = `
fn chunks() -> u32 { return (u32(p.filters) + ${chunk - 1}u) / ${chunk}u; }
fn numbers() -> u32 { return u32(p.length * p.codewords); }
/** Where the sums are. */
fn sumAt(i: u32) -> u32 { return chunks() * ${hasPull ? 2 : 1}u * numbers() + i; }
`;
      return [
        {
          lanes,
          count: chunksOf(params.filters) * Math.ceil(params.codewords / lanes),
          code: `
${total}
var<workgroup> positions: array<i32, ${chunk}>;
fn run(group: u32, lane: u32) {
  let filters = u32(p.filters);
  let first = group % chunks() * ${chunk}u;
  let count = min(filters - first, ${chunk}u);
  let j = group / chunks() * ${lanes}u + lane;
  for (var f = lane; f < count; f += ${lanes}u) { positions[f] = get_index(first + f); }
  workgroupBarrier();
  var gradient: array<f32, ${longest}>;
  var own: array<f32, ${longest}>;
  for (var f = 0u; f < count; f++) {
    if (positions[f] != i32(j)) { continue; }
    for (var t = 0u; t < u32(p.length); t++) {
      let at = t * filters + first + f;
      gradient[t] += get_dy(at);
      ${hasPull ? 'own[t] += get_filter(at);' : ''}
    }
  }
  if (j >= u32(p.codewords)) { return; }
  let start = group % chunks() * ${hasPull ? 2 : 1}u * numbers() + j;
  for (var t = 0u; t < u32(p.length); t++) {
    set_scratch(start + t * u32(p.codewords), gradient[t]);
    ${hasPull ? 'set_scratch(start + numbers() + t * u32(p.codewords), own[t]);' : ''}
  }
}`,
        },
        {
          count: sums,
          code: `
${total}
fn run(i: u32) {
  var sum = 0.0;
  for (var at = i; at < sumAt(0u); at += ${hasPull ? 2 : 1}u * numbers()) { sum += get_scratch(at); }
  ${hasPull ? 'set_scratch(sumAt(i), sum);' : 'set_dCodewords(i % u32(p.codewords) * u32(p.length) + i / u32(p.codewords), sum);'}
}`,
        },
        ...(hasPull
          ? [
              {
                lanes,
                count: 1,
                code: `
${total}
var<workgroup> partial: array<vec2f, ${lanes}>;
fn run(group: u32, lane: u32) {
  var squares = vec2f();
  for (var i = lane; i < numbers(); i += ${lanes}u) {
    let each = vec2f(get_scratch(sumAt(i)), get_scratch(sumAt(numbers() + i)));
    squares += each * each;
  }
  partial[lane] = squares;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  if (lane == 0u) {
    let power = partial[0].y;
    set_scratch(sumAt(2u * numbers()), select(0.0, p.pull * sqrt(partial[0].x / power), power > 0.0));
  }
}`,
              },
              {
                count: params.length * params.codewords,
                code: `
${total}
fn run(i: u32) {
  let pulled = get_scratch(sumAt(2u * numbers())) * get_scratch(sumAt(numbers() + i));
  set_dCodewords(i % u32(p.codewords) * u32(p.length) + i / u32(p.codewords), get_scratch(sumAt(i)) - pulled);
}`,
              },
            ]
          : []),
      ];
    },
  }),
  defineWgsl(planGradient, ({ params }) => [
    {
      count: 2 ** params.length * params.codewords,
      code: `
fn run(i: u32) {
  let id = i / u32(p.codewords);
  let first = i % u32(p.codewords) * u32(p.length);
  var sum = 0.0;
  for (var t = 0u; t < u32(p.length); t++) {
    let each = get_dCodewords(first + t);
    sum += select(-each, each, ((id >> (u32(p.length) - 1u - t)) & 1u) == 1u);
  }
  set_dPlan(i, sum);
}`,
    },
  ]),
];
