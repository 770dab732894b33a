/**
 * Sums over rows per channel, the GPU's way: groups of invocations sum a chunk of rows each, a second pass sums the chunks. Both go in a
 * fixed order, as a tree, so that a float's error grows with the logarithm of the number of rows.
 */
import type { ParamSpec } from '../../core/op.js';
import type { WgslKernel } from '../../core/wgsl.js';

/** Rows that one group sums. */
const chunkRows = 1024;
/** Channels side by side in a group, so that neighbours read neighbours; the other invocations take other rows. */
const columns = 16;
const lanes = 128;

/** Numbers by the names of an op's params. */
type Numbers = Readonly<Record<string, unknown>>;

/** What is summed over. */
export interface Rows {
  count(params: Numbers): number;
  /** WGSL: the same number, a u32. */
  readonly text: string;
}

const paramRows: Rows = { count: ({ rows }) => rows as number, text: 'u32(p.rows)' };

export interface ColumnSums {
  /** How many numbers are summed side by side. @default 2 */
  readonly width?: 2 | 4;
  /** WGSL: `fn value(i: u32, c: u32) -> vec2f`, the numbers that element i of channel c adds; it is called once for each. */
  readonly values: string;
  /** WGSL: `fn finish(c: u32, sums: vec2f)`, which writes what the sums of channel c give. */
  readonly finish: string;
  /** @default the param `rows` */
  readonly rows?: Rows;
}

const chunksOf = (rows: number): number => Math.max(1, Math.ceil(rows / chunkRows));

/** A kernel for an op with the param `channels`. */
export function columnSums<S extends ParamSpec & { readonly channels: 'i32' }>({
  width = 2,
  values,
  finish,
  rows = paramRows,
}: ColumnSums): WgslKernel<S> {
  const type = `vec${width}f`;
  const indices = Array.from({ length: width }, (_, k) => k);
  return {
    scratchBytes: ({ params }) => 4 * width * chunksOf(rows.count(params)) * (params.channels as number),
    passes({ params }) {
      const [chunks, channels] = [chunksOf(rows.count(params)), params.channels as number];
      return [
        {
          lanes,
          count: chunks * Math.ceil(channels / columns),
          code: `
${values}
var<workgroup> partial: array<${type}, ${lanes}>;
fn run(group: u32, lane: u32) {
  let channels = u32(p.channels);
  let blocks = (channels + ${columns - 1}u) / ${columns}u;
  let chunk = group / blocks;
  let c = (group % blocks) * ${columns}u + lane % ${columns}u;
  let end = min(${rows.text}, (chunk + 1u) * ${chunkRows}u);
  var sums = ${type}();
  if (c < channels) {
    for (var row = chunk * ${chunkRows}u + lane / ${columns}u; row < end; row += ${lanes / columns}u) {
      sums += value(row * channels + c, c);
    }
  }
  partial[lane] = sums;
  for (var half = ${lanes / 2}u; half >= ${columns}u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  if (lane < ${columns}u && c < channels) {
    let at = ${width}u * (chunk * channels + c);
    ${indices.map((k) => `set_scratch(at + ${k}u, partial[lane][${k}]);`).join(' ')}
  }
}`,
        },
        {
          count: channels,
          code: `
${finish}
fn run(c: u32) {
  var sums = ${type}();
  let chunks = max(1u, (${rows.text} + ${chunkRows - 1}u) / ${chunkRows}u);
  for (var chunk = 0u; chunk < chunks; chunk++) {
    let at = ${width}u * (chunk * u32(p.channels) + c);
    sums += ${type}(${indices.map((k) => `get_scratch(at + ${k}u)`).join(', ')});
  }
  finish(c, sums);
}`,
        },
      ];
    },
  };
}
