/**
 * The reference backend: every op's own plain loops, node by node, on ordinary memory. Slow, and the specification that the
 * other backends are held to.
 */
import type { Backend, Call, Memory, Program } from '../core/backend.js';
import { slotName } from '../core/op.js';
import { arrayOf, type TypedArray } from '../core/tensor.js';

export function createReference(): Backend {
  return {
    name: 'reference',
    isa: 'typescript',
    threads: 1,
    allocate: (bytes): Memory => ({ buffer: new ArrayBuffer(bytes), byteOffset: 0, bytes }),
    free() {},
    scratchBytes: () => 0,
    prepare(calls: readonly Call[]): Program {
      const steps = calls.map(({ op, params, buffers }) => {
        const slots = [...op.inputs.map(slotName), ...op.outputs];
        const named: Record<string, TypedArray> = {};
        for (const [i, slot] of slots.entries()) {
          const place = buffers[i];
          if (place) named[slot] = arrayOf(place.type, place.memory.buffer, place.memory.byteOffset + place.byteOffset);
        }
        return () => op.reference(named, params);
      });
      return {
        run(first = 0, end = steps.length) {
          for (let i = first; i < end; i++) steps[i]!();
        },
        dispose() {},
      };
    },
    dispose() {},
  };
}
