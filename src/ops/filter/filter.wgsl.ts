import { defineWgsl } from '../../core/wgsl.js';
import { bytesPass } from '../bytes.wgsl.js';
import { filterOffsets, reverseFilter } from './filter.js';

export const filterWgsl = [
  defineWgsl(reverseFilter, ({ params }) => [
    bytesPass(
      'reversed',
      params.taps * params.inChannels * params.outChannels,
      `
fn byteAt(to: u32) -> u32 {
  let inChannels = u32(p.inChannels);
  let outChannels = u32(p.outChannels);
  let row = to / inChannels;
  let tap = u32(p.taps) - 1u - row / outChannels;
  return get_filter((tap * inChannels + to % inChannels) * outChannels + row % outChannels);
}`,
    ),
  ]),
  // The last row is the sum of all taps.
  defineWgsl(filterOffsets, ({ params }) => [
    {
      count: (params.taps + 1) * params.outChannels,
      code: `
fn run(i: u32) {
  let outChannels = u32(p.outChannels);
  let k = i % outChannels;
  let tap = i / outChannels;
  let isTotal = tap == u32(p.taps);
  let first = select(tap, 0u, isTotal) * u32(p.inChannels);
  let end = select(tap + 1u, tap, isTotal) * u32(p.inChannels);
  var sum = 0;
  for (var row = first; row < end; row++) { sum += integer_filter(row * outChannels + k, k); }
  set_offsets(i, p.xOffset * sum);
}`,
    },
  ]),
];
