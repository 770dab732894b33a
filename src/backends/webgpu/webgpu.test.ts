/** What all kernels rest on: memory of a device, its limits, its failures. Each op's results: its cases. */
import { describe, expect, it } from 'vitest';
import type { Backend, TensorPlace } from '../../core/backend.js';
import { Graph } from '../../core/graph.js';
import { arrayOf, real } from '../../core/tensor.js';
import { add } from '../../ops/elementwise/elementwise.js';
import { allWgsl } from '../../ops/wgsl.js';
import { backends, openBackend } from '../index.js';
import { Plan, Variables } from '../plan.js';

const isHere = (await backends.webgpu.isas()).length > 0;
const required = (process.env.REQUIRE_BACKENDS ?? '').split(',');
if (!isHere && required.includes('webgpu')) throw new Error('the webgpu backend is required and not here');

/** x added to itself `times` times, one call after another. */
function sumPlan(backend: Backend, times: number): Plan {
  const graph = new Graph();
  const x = graph.input('x', real([5]));
  let y = x;
  for (let i = 0; i < times; i++) y = graph.apply(add, `sum ${i}`, [y, x], {});
  graph.output('y', y);
  return new Plan(graph, new Variables(backend));
}

describe.skipIf(!isHere)('webgpu', () => {
  const open = (): Promise<Backend> => openBackend({ backend: 'webgpu' });

  it('gives zeroed memory, which is what the host reads, and takes what the host wrote', async () => {
    const backend = await open();
    // Some of it where other memory was before.
    for (const bytes of [1, 63, 64, 65, 1000, 3 << 20, 1, 3 << 20]) {
      const memory = backend.allocate(bytes);
      const place: TensorPlace = { memory, byteOffset: 0, type: { dtype: 'u8', shape: [bytes] } };
      const view = arrayOf(place.type, memory.buffer);
      view.fill(9);
      await backend.read!([place]);
      expect(view.every((byte) => byte === 0)).toBe(true);
      view.fill(255);
      backend.write!([place]);
      view.fill(1);
      await backend.read!([place]);
      expect(view.every((byte) => byte === 255)).toBe(true);
      if (bytes !== 1000) backend.free(memory);
    }
    backend.dispose();
  });

  it('refuses memory of another backend, memory that was freed, and more than a buffer holds', async () => {
    const [backend, other] = [await open(), await open()];
    expect(() => backend.free(other.allocate(64))).toThrow('not (or no longer)');
    const memory = backend.allocate(64);
    backend.free(memory);
    expect(() => backend.free(memory)).toThrow('not (or no longer)');
    expect(() => backend.allocate(2 ** 44)).toThrow(/out of memory: \d+ bytes wanted.*smaller batch/);
    for (const each of [backend, other]) each.dispose();
  });

  it('runs thousands of calls before anybody reads, and takes inputs along with the run that follows', async () => {
    const backend = await open();
    const plan = sumPlan(backend, 50);
    for (let run = 1; run <= 100; run++) {
      plan.tensor('x').fill(run);
      plan.run();
    }
    await plan.read(['y']);
    expect([...plan.tensor('y')]).toEqual(Array(5).fill(51 * 100));
    plan.dispose();
    backend.dispose();
  });

  it('answers reads that are under way at once', async () => {
    const backend = await open();
    const plans = [3, 7].map((times) => sumPlan(backend, times));
    for (const plan of plans) {
      plan.tensor('x').fill(2);
      plan.run();
    }
    await Promise.all(plans.map((plan) => plan.read(['y'])));
    expect(plans.map((plan) => plan.tensor('y')[0])).toEqual([8, 16]);
    backend.dispose();
  });

  it('has one clear line for a kernel that does not compile', async () => {
    const backend = await open();
    const kernels = allWgsl as Map<typeof add, unknown>;
    const sound = kernels.get(add);
    kernels.set(add, { passes: () => [{ count: 5, code: 'fn run(i: u32) { nonsense(i); }' }] });
    try {
      const plan = sumPlan(backend, 1);
      plan.run();
      await expect(plan.read(['y'])).rejects.toThrow(/^the GPU failed: [^\n]+$/);
    } finally {
      kernels.set(add, sound);
      backend.dispose();
    }
  });

  it('has one clear line for a device that is gone', async () => {
    const backend = await open();
    const plan = sumPlan(backend, 1);
    plan.run();
    await plan.read();
    backend.dispose();
    await expect(
      (async () => {
        plan.run();
        await plan.read();
      })(),
    ).rejects.toThrow();
  });
});
