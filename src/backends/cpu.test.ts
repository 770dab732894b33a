/** What all ops rest on in the two cpu backends: memory, commands, threads, instruction sets. Each op's own results: its cases. */
import { describe, expect, it } from 'vitest';
import type { Backend, Memory, Program, TensorPlace } from '../core/backend.js';
import { arrayOf, bytesOf, real, type TensorType, type TypedArray } from '../core/tensor.js';
import { conv2d } from '../ops/conv2d/conv2d.js';
import { UsageError } from '../util/errors.js';
import { Philox } from '../util/philox.js';
import { backends, openBackend } from './index.js';

const required = (process.env.REQUIRE_BACKENDS ?? '').split(',');

/** A convolution with enough tasks for several threads. */
const types = { x: real([8, 12, 12, 5]), filter: real([3, 3, 5, 19]), y: real([8, 12, 12, 19]) };
const attributes = { stride: 1, padTop: 1, padLeft: 1, outHeight: 12, outWidth: 12 };

interface Convolution {
  readonly program: Program;
  readonly x: TypedArray;
  readonly y: TypedArray;
  dispose(): void;
}

function prepareConvolution(backend: Backend): Convolution {
  const memories: Memory[] = [];
  const place = (type: TensorType, bytes = bytesOf(type)): TensorPlace => {
    const memory = backend.allocate(bytes);
    memories.push(memory);
    return { memory, byteOffset: 0, type };
  };
  const viewOf = ({ memory, type }: TensorPlace) => arrayOf(type, memory.buffer, memory.byteOffset);
  const [x, filter, y] = [place(types.x), place(types.filter), place(types.y)];
  const random = new Philox(1, 'cpu.test');
  for (const view of [viewOf(x), viewOf(filter)]) for (let i = 0; i < view.length; i++) view[i] = random.nextNormal();
  const params = conv2d.pack([types.x, types.filter, undefined, undefined], attributes);
  const scratchBytes = conv2d.scratchBytes?.(params) ?? 0;
  const scratch = place({ dtype: 'u8', shape: [scratchBytes] });
  const program = backend.prepare([{ op: conv2d, params, buffers: [x, filter, undefined, undefined, y, scratch] }]);
  const dispose = () => {
    program.dispose();
    for (const memory of memories) backend.free(memory);
  };
  return { program, x: viewOf(x), y: viewOf(y), dispose };
}

function convolve(backend: Backend): TypedArray {
  const convolution = prepareConvolution(backend);
  convolution.program.run();
  const y = convolution.y.slice();
  convolution.dispose();
  return y;
}

for (const name of ['native', 'wasm'] as const) {
  const isas = await backends[name].isas();
  const [best] = isas;
  if (best === undefined && required.includes(name)) throw new Error(`the ${name} backend is required and not built`);

  describe.skipIf(best === undefined)(name, () => {
    it('gives zeroed memory, aligned to 64 bytes', async () => {
      const backend = await openBackend({ backend: name, threads: 1 });
      for (const bytes of [1, 63, 64, 65, 1000, 3 << 20]) {
        const memory = backend.allocate(bytes);
        const view = new Uint8Array(memory.buffer, memory.byteOffset, bytes);
        expect(view.every((byte) => byte === 0)).toBe(true);
        expect((memory as Memory & { address: number }).address % 64).toBe(0);
        view.fill(255);
        if (bytes !== 1000) backend.free(memory);
      }
      expect(new Uint8Array(backend.allocate(4 << 20).buffer).length).toBeGreaterThanOrEqual(4 << 20);
      backend.dispose();
    });

    it('refuses memory of another backend, and memory that was freed', async () => {
      const backend = await openBackend({ backend: name, threads: 1 });
      const other = await openBackend({ backend: 'reference' });
      expect(() => backend.free(other.allocate(64))).toThrow('not (or no longer)');
      const memory = backend.allocate(64);
      backend.free(memory);
      expect(() => backend.free(memory)).toThrow('not (or no longer)');
      backend.dispose();
    });

    it('computes what the reference computes, with every instruction set and number of threads', async () => {
      const expected = convolve(await openBackend({ backend: 'reference' }));
      for (const isa of isas) {
        const results: TypedArray[] = [];
        for (const threads of [1, 2, 5]) {
          const backend = await openBackend({ backend: name, threads, isa });
          expect(backend).toMatchObject({ name, threads, isa });
          results.push(convolve(backend));
          backend.dispose();
        }
        expect(results[1]).toEqual(results[0]);
        expect(results[2]).toEqual(results[0]);
        // 45 products of numbers below 4 in size, summed in another order.
        for (const [i, value] of expected.entries()) expect(Math.abs(results[0]![i]! - value)).toBeLessThan(1e-4);
      }
    });

    it('wakes its threads again after they fell asleep', async () => {
      const backend = await openBackend({ backend: name, threads: 3 });
      const convolution = prepareConvolution(backend);
      convolution.program.run();
      const first = convolution.y.slice();
      for (let i = 0; i < 20; i++) {
        await new Promise((resolve) => setTimeout(resolve, i % 3));
        convolution.y.fill(0);
        for (let repeat = 0; repeat <= i; repeat++) convolution.program.run();
        expect(convolution.y).toEqual(first);
      }
      backend.dispose();
    });

    it('runs a part of the calls', async () => {
      const backend = await openBackend({ backend: name, threads: 1 });
      const { program, y } = prepareConvolution(backend);
      program.run(0, 0);
      program.run(1);
      expect(y.every((value) => value === 0)).toBe(true);
      program.run(0, 1);
      expect(y.some((value) => value !== 0)).toBe(true);
      backend.dispose();
    });

    it('keeps its memory when plans come and go', async () => {
      const backend = await openBackend({ backend: name, threads: 2 });
      const bytesInUse = () =>
        name === 'wasm' ? backend.allocate(64).buffer.byteLength : process.memoryUsage().arrayBuffers;
      for (let i = 0; i < 10; i++) convolve(backend);
      const before = bytesInUse();
      for (let i = 0; i < 500; i++) convolve(backend);
      // 500 plans are 100 MB; what may remain are results that the test itself copied.
      expect(bytesInUse() - before).toBeLessThan(50e6);
      backend.dispose();
    });

    it('names the instruction sets that there are when asked for another', async () => {
      await expect(openBackend({ backend: name, isa: 'sse9' })).rejects.toThrow(UsageError);
      await expect(openBackend({ backend: name, isa: 'sse9' })).rejects.toThrow(best);
      await expect(openBackend({ backend: name, threads: 0 })).rejects.toThrow('threads must be an integer in 1..256');
    });
  });
}

describe('openBackend', () => {
  it('suggests the nearest backend', async () => {
    await expect(openBackend({ backend: 'nativ' })).rejects.toThrow("did you mean 'native'?");
  });

  it('lets the environment force an instruction set', async () => {
    process.env.SUBBIT_ISA = 'sse9';
    try {
      await expect(openBackend({ onNotice() {} })).rejects.toThrow('unknown instruction set of the');
    } finally {
      delete process.env.SUBBIT_ISA;
    }
  });
});
