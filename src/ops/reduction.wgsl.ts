/**
 * Reductions of whole tensors, or of each sample of one: groups of invocations reduce a chunk each, then a group per sample reduces its chunks.
 * Both go in a fixed order, as a tree.
 */
import type { ParamSpec, ParamValues } from '../core/op.js';
import type { WgslKernel, WgslPass } from '../core/wgsl.js';

const lanes = 128;
/** Elements that one group reduces. */
const chunk = 4096;

const wordsOf = { vec2f: 2, vec2u: 2, vec4u: 4 } as const;

export interface Reduction<S extends ParamSpec> {
  /** The numbers that are reduced together: all of them in one sample, or those of each sample. */
  extent(params: ParamValues<S>): { readonly samples: number; readonly elements: number };
  /** WGSL: the same number of elements, a u32. */
  readonly elements: string;
  /** What is reduced, which begins as zeros. */
  readonly type: keyof typeof wordsOf;
  /**
   * WGSL: `fn value(i: u32) -> type`, of element i of the tensor, called once for each, and `fn finish(sample: u32, total: type)`, which may leave what
   * passes that follow want in the scratch memory's first words where there is one sample.
   */
  readonly code: string;
  /** WGSL: what a and b are together. */
  readonly combine: string;
  /** Passes that follow. */
  rest?(elements: number): readonly WgslPass[];
}

/** Of all elements of ops with the param count. */
export const whole = {
  extent: ({ count }: { readonly count: number }) => ({ samples: 1, elements: count }),
  elements: 'u32(p.count)',
};

export const sumOf = { type: 'vec2f', combine: 'a + b' } as const;

/** Of bits of absolute values: as integers they are ordered as the floats are, infinity and then NaN at the end. */
export const largestOf = { type: 'vec2u', combine: 'max(a, b)' } as const;

export const magnitudeBits = 'fn magnitudeBits(x: f32) -> u32 { return bitcast<u32>(x) & 0x7fffffffu; }';

/** A pass of groups: each reduces `element(i)` between its `boundsOf(group)` and hands the result to `store(group, total)`. */
function treePass(type: string, combine: string, count: number, code: string): WgslPass {
  return {
    lanes,
    count,
    code: `
${code}
fn combine(a: ${type}, b: ${type}) -> ${type} { return ${combine}; }
var<workgroup> partial: array<${type}, ${lanes}>;
fn run(group: u32, lane: u32) {
  let bounds = boundsOf(group);
  var total = ${type}();
  for (var i = bounds.x + lane; i < bounds.y; i += ${lanes}u) { total = combine(total, element(i)); }
  partial[lane] = total;
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] = combine(partial[lane], partial[lane + half]); }
  }
  if (lane == 0u) { store(group, partial[0]); }
}`,
  };
}

export function reduction<S extends ParamSpec>({
  extent,
  elements: elementsText,
  type,
  combine,
  code,
  rest,
}: Reduction<S>): WgslKernel<S> {
  const chunksOf = (elements: number): number => Math.max(1, Math.ceil(elements / chunk));
  return {
    scratchBytes({ params }) {
      const { samples, elements } = extent(params);
      return 4 * wordsOf[type] * samples * chunksOf(elements);
    },
    passes({ params }) {
      const { samples, elements } = extent(params);
      const chunks = chunksOf(elements);
      const words = wordsOf[type];
      const chunksText = `max(1u, (${elementsText} + ${chunk - 1}u) / ${chunk}u)`;
      const indices = Array.from({ length: words }, (_, k) => k);
      return [
        treePass(
          type,
          combine,
          samples * chunks,
          `
${code}
fn boundsOf(group: u32) -> vec2u {
  let chunks = ${chunksText};
  let elements = ${elementsText};
  let first = (group % chunks) * ${chunk}u;
  return (group / chunks) * elements + vec2u(first, min(first + ${chunk}u, elements));
}
fn element(i: u32) -> ${type} { return value(i); }
fn store(group: u32, total: ${type}) {
  let words = bitcast<vec${words}u>(total);
  ${indices.map((k) => `set_word_scratch(${words}u * group + ${k}u, words[${k}]);`).join(' ')}
}`,
        ),
        treePass(
          type,
          combine,
          samples,
          `
${code}
fn boundsOf(group: u32) -> vec2u { return vec2u(group, group + 1u) * ${chunksText}; }
fn element(i: u32) -> ${type} {
  return bitcast<${type}>(vec${words}u(${indices.map((k) => `word_scratch(${words}u * i + ${k}u)`).join(', ')}));
}
fn store(group: u32, total: ${type}) { finish(group, total); }`,
        ),
        ...(rest?.(elements) ?? []),
      ];
    },
  };
}
