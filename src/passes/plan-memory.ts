/**
 * Places every intermediate tensor in one arena, so that a step allocates nothing.
 *
 * A tensor lives from the call that writes it to the last call that reads it; two tensors may share bytes when their lives do
 * not overlap. Greedy by size (Pisarchyk and Lee 2020): the largest first, each at the lowest offset that is free for its
 * whole life. Outputs of alias ops are the same memory as their input.
 */
import type { Node, Value } from '../core/graph.js';
import { bytesOf } from '../core/tensor.js';

export interface MemoryPlan {
  /** Byte offset in the arena of every value that a node computes. */
  readonly offsets: ReadonlyMap<Value, number>;
  /** Byte offset of each node's scratch, by position in `nodes`. */
  readonly scratch: ReadonlyMap<number, number>;
  readonly bytes: number;
}

interface Block {
  readonly bytes: number;
  readonly first: number;
  last: number;
  offset: number;
}

const alignment = 64;

/** The value whose memory this one is: follows alias ops back. */
export function storageOf(value: Value): Value {
  let at = value;
  while (at.node?.op.isAlias) at = at.node.inputs[0]!;
  return at;
}

/**
 * `kept` values stay readable after the run. With `scratchBytes[i]` > 0 the i-th node gets that much scratch during its call.
 */
export function planMemory(nodes: readonly Node[], kept: Iterable<Value>, scratchBytes: readonly number[]): MemoryPlan {
  const blocks = new Map<Value, Block>();
  const scratchBlocks = new Map<number, Block>();
  const rounded = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;
  for (const [i, node] of nodes.entries()) {
    for (const value of node.inputs) {
      const block = value && blocks.get(storageOf(value));
      if (block) block.last = i;
    }
    if (!node.op.isAlias) {
      for (const value of node.outputs)
        blocks.set(value, { bytes: rounded(bytesOf(value.type)), first: i, last: i, offset: 0 });
    }
    if (scratchBytes[i]! > 0) scratchBlocks.set(i, { bytes: rounded(scratchBytes[i]!), first: i, last: i, offset: 0 });
  }
  for (const value of kept) {
    const block = blocks.get(storageOf(value));
    if (block) block.last = nodes.length;
  }

  const bySize = [...blocks.values(), ...scratchBlocks.values()].sort((a, b) => b.bytes - a.bytes || a.first - b.first);
  const placed: Block[] = [];
  let bytes = 0;
  for (const block of bySize) {
    block.offset = lowestFree(block, placed);
    const at = placed.findIndex((other) => other.offset > block.offset);
    placed.splice(at < 0 ? placed.length : at, 0, block);
    bytes = Math.max(bytes, block.offset + block.bytes);
  }

  const offsets = new Map<Value, number>();
  for (const node of nodes) {
    for (const value of node.outputs) {
      const block = blocks.get(storageOf(value));
      if (block) offsets.set(value, block.offset);
    }
  }
  return { offsets, scratch: new Map([...scratchBlocks].map(([i, block]) => [i, block.offset])), bytes };
}

/** `placed` is sorted by offset. */
function lowestFree(block: Block, placed: readonly Block[]): number {
  let offset = 0;
  for (const other of placed) {
    if (other.last < block.first || other.first > block.last) continue;
    if (offset + block.bytes <= other.offset) break;
    offset = Math.max(offset, other.offset + other.bytes);
  }
  return offset;
}
