/**
 * Products of matrices that nobody has written down: rows and columns of a convolution's operands are read from the images as a tile
 * needs them (implicit GEMM). A group of invocations makes a tile of the result: pieces of both operands, a few steps of the depth at a time, go
 * into memory that the group shares, and each invocation adds up 4x4 elements in registers.
 *
 *     tile     64 rows x 32 columns, 128 invocations of 4x4; 16 steps of the depth: 64 x 16 and 16 x 32 elements, 6 KiB
 *
 * So an element that was read serves 32 or 64 products. Integers are added up as integers, floats in float.
 *
 * A long depth with a small result (a filter's gradient) is cut into parts, each with tiles of its own, whose sums a second pass adds in their order.
 */
import type { WgslPass } from '../../core/wgsl.js';

const tileRows = 64;
const tileColumns = 32;
const tileDepth = 16;
const perLane = 4;
const lanes = (tileRows / perLane) * (tileColumns / perLane);

export interface TiledProduct {
  /** What a product and its sum are. */
  readonly element: 'f32' | 'i32';
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Products of their own that lie side by side: the groups of a convolution. @default 1 */
  readonly products?: number;
  /** Parts that the depth is cut into; their sums, floats, go through scratch. @default 1 */
  readonly parts?: number;
  /** Whether neighbours in memory are neighbouring rows of the left operand, rather than neighbouring steps of the depth. @default false */
  readonly isLeftByRow?: boolean;
  /**
   * WGSL:
   *
   *     fn row_of(product: u32, m: u32) -> vec4i       what is known of row m before the depth
   *     fn step_of(product: u32, k: u32) -> vec4i      what is known of step k before the row or column
   *     fn left(row: vec4i, step: vec4i) -> T
   *     fn right(step: vec4i, product: u32, n: u32) -> T
   *     fn finish(product: u32, m: u32, n: u32, sum: T)
   *
   * None is called beyond rows, columns and depth.
   */
  readonly code: string;
}

/** Bytes of scratch that the sums of parts want. */
export function partialBytes({
  rows,
  columns,
  products = 1,
  parts = 1,
}: Omit<TiledProduct, 'element' | 'code' | 'depth'>): number {
  return parts === 1 ? 0 : 4 * parts * products * rows * columns;
}

/** Columns of whole tiles that fit less than this many groups are cut along the depth, so that a GPU has work for all of it. */
const fewestGroups = 256;
/** A part has at least so many steps. */
const shortestPart = 256;

/** How many parts a product is cut into, so that there are enough tiles. */
export function partsOf({
  rows,
  columns,
  depth,
  products = 1,
}: {
  rows: number;
  columns: number;
  depth: number;
  products?: number;
}): number {
  const tiles = products * Math.ceil(rows / tileRows) * Math.ceil(columns / tileColumns);
  return Math.max(1, Math.min(Math.ceil(fewestGroups / tiles), Math.floor(depth / shortestPart)));
}

export function tiledProduct(product: TiledProduct): WgslPass[] {
  const { element: T, rows, columns, depth, products = 1, parts = 1, isLeftByRow = false, code } = product;
  const across = Math.ceil(columns / tileColumns);
  const down = Math.ceil(rows / tileRows);
  const partDepth = Math.ceil(depth / parts / tileDepth) * tileDepth;
  const values = { rows, columns, depth, products, parts, across, down, partDepth };
  const vector = T === 'f32' ? 'vec4f' : 'vec4i';
  // Which element of the left piece an invocation reads: neighbours read neighbours.
  const leftRow = isLeftByRow ? `lane % ${tileRows}u` : `lane / ${tileDepth}u + ${lanes / tileDepth}u * j`;
  const leftStep = isLeftByRow ? `lane / ${tileRows}u + ${lanes / tileRows}u * j` : `lane % ${tileDepth}u`;
  const store =
    parts === 1
      ? 'finish(product, m, n, sums[i][j]);'
      : 'set_scratch(((part * p.products + product) * p.rows + m) * p.columns + n, f32(sums[i][j]));';
  const tiles: WgslPass = {
    ...{ lanes, values, count: across * down * products * parts },
    code: `
${code}
var<workgroup> rows: array<vec4i, ${tileRows}>;
var<workgroup> steps: array<vec4i, ${tileDepth}>;
var<workgroup> lefts: array<${T}, ${tileRows * tileDepth}>;
var<workgroup> rights: array<${T}, ${tileColumns * tileDepth}>;
fn run(group: u32, lane: u32) {
  let firstColumn = (group % p.across) * ${tileColumns}u;
  let firstRow = (group / p.across % p.down) * ${tileRows}u;
  let product = group / (p.across * p.down) % p.products;
  let part = group / (p.across * p.down * p.products);
  if (lane < ${tileRows}u && firstRow + lane < p.rows) { rows[lane] = row_of(product, firstRow + lane); }
  let ownRow = lane / ${tileColumns / perLane}u * ${perLane}u;
  let ownColumn = lane % ${tileColumns / perLane}u * ${perLane}u;
  var sums: array<${vector}, ${perLane}>;
  let end = min(p.depth, (part + 1u) * p.partDepth);
  for (var first = part * p.partDepth; first < end; first += ${tileDepth}u) {
    if (lane < ${tileDepth}u && first + lane < end) { steps[lane] = step_of(product, first + lane); }
    workgroupBarrier();
    for (var j = 0u; j < ${(tileRows * tileDepth) / lanes}u; j++) {
      let row = ${leftRow};
      let step = ${leftStep};
      var v = ${T}();
      if (firstRow + row < p.rows && first + step < end) { v = left(rows[row], steps[step]); }
      lefts[step * ${tileRows}u + row] = v;
    }
    for (var j = 0u; j < ${(tileColumns * tileDepth) / lanes}u; j++) {
      let column = lane % ${tileColumns}u;
      let step = lane / ${tileColumns}u + ${lanes / tileColumns}u * j;
      var v = ${T}();
      if (firstColumn + column < p.columns && first + step < end) { v = right(steps[step], product, firstColumn + column); }
      rights[step * ${tileColumns}u + column] = v;
    }
    workgroupBarrier();
    for (var k = 0u; k < ${tileDepth}u; k++) {
      let r = k * ${tileColumns}u + ownColumn;
      let l = k * ${tileRows}u + ownRow;
      let b = ${vector}(rights[r], rights[r + 1u], rights[r + 2u], rights[r + 3u]);
      sums[0] += lefts[l] * b;
      sums[1] += lefts[l + 1u] * b;
      sums[2] += lefts[l + 2u] * b;
      sums[3] += lefts[l + 3u] * b;
    }
  }
  for (var i = 0u; i < ${perLane}u; i++) {
    for (var j = 0u; j < ${perLane}u; j++) {
      let m = firstRow + ownRow + i;
      let n = firstColumn + ownColumn + j;
      if (m < p.rows && n < p.columns) { ${store} }
    }
  }
}`,
  };
  if (parts === 1) return [tiles];
  const addParts: WgslPass = {
    ...{ values, count: products * rows * columns },
    code: `
${code}
fn run(i: u32) {
  let elements = p.rows * p.columns;
  var sum = 0.0;
  for (var part = 0u; part < p.parts; part++) { sum += get_scratch(part * p.products * elements + i); }
  finish(i / elements, i / p.columns % p.rows, i % p.columns, ${T}(sum));
}`,
  };
  return [tiles, addParts];
}
