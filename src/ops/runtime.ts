/**
 * The operations of deployed networks, which the inference runtime has and no others. A new one is a line below; its place in
 * the list is its code in the kernels.
 */
import type { AnyOp } from '../core/op.js';
import { concat } from './concat/concat.js';
import { reshape } from './elementwise/elementwise.js';
import { integerAdd } from './integer/integer-add.js';
import { integerMaxPool, sumPool } from './integer/integer-pool.js';
import { lookup } from './integer/lookup.js';
import { rescale } from './integer/rescale.js';
import { threshold } from './integer/threshold.js';
import { integerConv2d } from './integer-conv2d/integer-conv2d.js';
import { families } from './packed-conv2d/families.js';
import { strideShortcut } from './shortcut/shortcut.js';

const list: readonly AnyOp[] = [
  integerConv2d,
  threshold,
  lookup,
  rescale,
  integerAdd,
  integerMaxPool,
  sumPool,
  strideShortcut,
  reshape,
  concat,
  ...Object.values(families).flatMap(({ pack, conv }): AnyOp[] => [pack, conv]),
];

export const runtimeOps: Readonly<Record<string, AnyOp>> = Object.fromEntries(list.map((op) => [op.name, op]));
