/** Of a GPU the ceiling is that of one group of invocations, as of a processor it is that of one thread. */
import { defineWgsl } from '../../core/wgsl.js';
import { measureCeiling } from './measure-ceiling.js';

const lanes = 64;
/** Instructions of an iteration, each of four, four and 32 multiply-accumulates. */
const instructions = { fp32: 192, int8: 768, bit: 768 } as const;

/** One instruction with operands of ones that the compiler does not know: `one` is 1. */
const kinds = [
  {
    name: 'fp32',
    sum: 'vec4f',
    step: 'sum = fma(vec4f(f32(one)), vec4f(f32(one)), sum);',
    total: 'sum.x + sum.y + sum.z + sum.w',
  },
  { name: 'int8', sum: 'i32', step: 'sum += DOT(one * 0x01010101u, one * 0x01010101u);', total: 'f32(sum)' },
  { name: 'bit', sum: 'u32', step: 'sum += countOneBits(one * 0xffffffffu);', total: 'f32(sum)' },
] as const;

/** The sum of products of four bytes, where the language has no instruction for it. */
const plainDot = `
fn plainDot(a: u32, b: u32) -> i32 {
  let x = vec4i(vec4u(a, a >> 8u, a >> 16u, a >> 24u) & vec4u(255u));
  let y = vec4i(vec4u(b, b >> 8u, b >> 16u, b >> 24u) & vec4u(255u));
  return dot(x, y);
}`;

export const measureCeilingWgsl = [
  defineWgsl(measureCeiling, ({ params, hasPackedDot }) => {
    const { name, sum, step, total } = kinds[params.kind]!;
    return [
      {
        ...{ lanes, count: 1 },
        code: `
${name === 'int8' && !hasPackedDot ? plainDot : ''}
var<workgroup> sums: array<f32, ${lanes}>;
fn run(group: u32, lane: u32) {
  let one = p.pass_count;
  var total = 0.0;
  for (var i = lane; i < u32(p.iterations); i += ${lanes}u) {
    var sum = ${sum}();
    for (var j = 0u; j < ${instructions[name] / 8}u; j++) {
      ${Array.from({ length: 8 }, () => step.replace('DOT', hasPackedDot ? 'dot4I8Packed' : 'plainDot')).join('\n      ')}
    }
    total += ${total};
  }
  sums[lane] = total;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  if (lane == 0u) { set_macs(0u, sums[0]); }
}`,
      },
    ];
  }),
];
