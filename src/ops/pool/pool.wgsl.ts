import { defineWgsl } from '../../core/wgsl.js';
import { averagePool, averagePoolGradient } from './average-pool.js';
import { maxPool, maxPoolGradient } from './pool.js';

/** Of ops with pool's params: n, h and w of a pixel or a window and its channel, from its place in a tensor. */
export const placeOf = `
struct Place { n: i32, h: i32, w: i32, c: i32 }
fn placeOf(i: u32, height: i32, width: i32) -> Place {
  let pixel = i / u32(p.channels);
  let row = pixel / u32(width);
  return Place(i32(row / u32(height)), i32(row % u32(height)), i32(pixel % u32(width)), i32(i % u32(p.channels)));
}
fn inputAt(n: i32, h: i32, w: i32, c: i32) -> u32 { return u32(((n * p.height + h) * p.width + w) * p.channels + c); }
fn outputAt(n: i32, h: i32, w: i32, c: i32) -> u32 { return u32(((n * p.outHeight + h) * p.outWidth + w) * p.channels + c); }
`;

/**
 * WGSL that finds a window's maximum and the tap where it was first, -1 where there is none. `value` is an expression of the place `at` in
 * x. `fn maximumOf(at: Place) -> Maximum`, at a window.
 */
export function windowMaximum(value: string, type: 'f32' | 'u32'): string {
  return `
struct Maximum { best: ${type}, tap: i32 }
fn maximumOf(to: Place) -> Maximum {
  let top = to.h * p.stride - p.padTop;
  let left = to.w * p.stride - p.padLeft;
  var found = Maximum(${type}(0), -1);
  for (var h = max(top, 0); h < min(top + p.size, p.height); h++) {
    for (var w = max(left, 0); w < min(left + p.size, p.width); w++) {
      let at = inputAt(to.n, h, w, to.c);
      let each = ${value};
      if (found.tap < 0 || each > found.best) { found = Maximum(each, (h - top) * p.size + w - left); }
    }
  }
  return found;
}`;
}

/** The windows that a pixel lies in, along one axis: first and end. */
const windowsOf = `
fn windowsOf(at: i32, pad: i32, count: i32) -> vec2i {
  let last = (at + pad) / p.stride;
  let before = at + pad - p.size;
  return vec2i(select(0, before / p.stride + 1, before >= 0), min(last + 1, count));
}`;

/** Pixels of a window that lie inside, along one axis. */
const pixelsOf = `
fn pixelsOf(window: i32, pad: i32, extent: i32) -> vec2i {
  let first = window * p.stride - pad;
  return vec2i(max(first, 0), min(first + p.size, extent));
}`;

export const poolWgsl = [
  defineWgsl(maxPool, ({ params }) => {
    const count = params.batch * params.outHeight * params.outWidth * params.channels;
    const isReal = params.isReal === 1;
    return [
      {
        // Four windows, whose places (and levels) make a word.
        count: Math.ceil(count / 4),
        code: `
${placeOf}
${windowMaximum('get_x(at)', isReal ? 'f32' : 'u32')}
fn run(word: u32) {
  var places = 0u;
  var levels = 0u;
  for (var k = 0u; k < 4u; k++) {
    let i = 4u * word + k;
    if (i >= ${count}u) { break; }
    let found = maximumOf(placeOf(i, p.outHeight, p.outWidth));
    places |= u32(found.tap) << (8u * k);
    ${isReal ? 'set_y(i, found.best);' : 'levels |= found.best << (8u * k);'}
  }
  set_word_index(word, places);
  ${isReal ? '' : 'set_word_y(word, levels);'}
}`,
      },
    ];
  }),
  defineWgsl(maxPoolGradient, ({ params }) => [
    {
      count: params.batch * params.height * params.width * params.channels,
      code: `
${placeOf}
${windowsOf}
fn run(i: u32) {
  let at = placeOf(i, p.height, p.width);
  let rows = windowsOf(at.h, p.padTop, p.outHeight);
  let columns = windowsOf(at.w, p.padLeft, p.outWidth);
  var sum = 0.0;
  for (var h = rows.x; h < rows.y; h++) {
    for (var w = columns.x; w < columns.y; w++) {
      let tap = (at.h - (h * p.stride - p.padTop)) * p.size + at.w - (w * p.stride - p.padLeft);
      let window = outputAt(at.n, h, w, at.c);
      if (get_index(window) == u32(tap)) { sum += get_dy(window); }
    }
  }
  set_dx(i, sum);
}`,
    },
  ]),
  defineWgsl(averagePool, ({ params }) => [
    {
      count: params.batch * params.outHeight * params.outWidth * params.channels,
      code: `
${placeOf}
${pixelsOf}
fn run(i: u32) {
  let to = placeOf(i, p.outHeight, p.outWidth);
  let rows = pixelsOf(to.h, p.padTop, p.height);
  let columns = pixelsOf(to.w, p.padLeft, p.width);
  var sum = 0.0;
  for (var h = rows.x; h < rows.y; h++) {
    // Row by row: a sum of many rounds less than one after another.
    var row = 0.0;
    for (var w = columns.x; w < columns.y; w++) { row += get_x(inputAt(to.n, h, w, to.c)); }
    sum += row;
  }
  set_y(i, sum / f32((rows.y - rows.x) * (columns.y - columns.x)));
}`,
    },
  ]),
  defineWgsl(averagePoolGradient, ({ params }) => [
    {
      count: params.batch * params.height * params.width * params.channels,
      code: `
${placeOf}
${windowsOf}
${pixelsOf}
fn run(i: u32) {
  let at = placeOf(i, p.height, p.width);
  let rows = windowsOf(at.h, p.padTop, p.outHeight);
  let columns = windowsOf(at.w, p.padLeft, p.outWidth);
  var sum = 0.0;
  for (var h = rows.x; h < rows.y; h++) {
    let inside = pixelsOf(h, p.padTop, p.height);
    for (var w = columns.x; w < columns.y; w++) {
      let across = pixelsOf(w, p.padLeft, p.width);
      sum += get_dy(outputAt(at.n, h, w, at.c)) / f32((inside.y - inside.x) * (across.y - across.x));
    }
  }
  set_dx(i, sum);
}`,
    },
  ]),
];
