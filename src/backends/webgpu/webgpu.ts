/**
 * WebGPU as a backend: the kernels of src/ops (x.wgsl.ts) on a device's memory. Pipelines, bind groups and params are made once, when
 * calls are prepared; a run only records dispatches, and what was recorded is submitted when somebody reads, so that a training
 * step is one submission.
 *
 * The host's view of a memory is a copy (core/backend.ts): `write` and `read` carry pieces of it over.
 */
import type { Backend, Call, Memory, Program, TensorPlace } from '../../core/backend.js';
import type { AnyOp } from '../../core/op.js';
import { bytesOf, type TensorType } from '../../core/tensor.js';
import type { AnyWgslKernel, WgslCall, WgslKernels, WgslLimits } from '../../core/wgsl.js';
import { SubbitError } from '../../util/errors.js';
import { type SlotPlace, shaderOf, slotsOf } from './shader.js';

/** Of GPUBufferUsage and GPUMapMode, which Node does not have as globals. */
const usage = { mapRead: 1, copySource: 4, copyTarget: 8, uniform: 64, storage: 128 } as const;
const mapRead = 1;

/**
 * Small memories lie in buffers of this size, side by side: a kernel may bind few buffers (8 everywhere), and every parameter of a
 * network is a memory. Nothing is given out twice before a buffer is made anew, so all memory begins as zeros.
 */
const sharedBytes = 2 ** 22;
const largestShared = sharedBytes / 8;

/** Offsets that copies and every kernel's words can have. */
const alignment = 64;

/** Dispatches that are recorded at most before they are submitted: nobody may read for long. */
const mostRecorded = 2048;

interface DeviceBuffer {
  readonly gpu: GPUBuffer;
  /** Bytes that were given out, and memories that live in them. */
  used: number;
  live: number;
}

interface DeviceMemory extends Memory {
  readonly from: DeviceBuffer;
  readonly offset: number;
}

interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly groups: readonly [number, number];
}

/** Opens a device's backend with the kernels of `kernels`. The device ends with it. */
export function createWebGpuBackend(device: GPUDevice, language: ReadonlySet<string>, kernels: WgslKernels): Backend {
  return new WebGpuBackend(device, language, kernels);
}

class WebGpuBackend implements Backend {
  readonly name = 'webgpu';
  readonly isa = 'wgsl';
  readonly threads = 1;
  readonly #device: GPUDevice;
  readonly #kernels: WgslKernels;
  readonly #limits: WgslLimits;
  readonly #hasPackedDot: boolean;
  readonly #memories = new Map<Memory, DeviceMemory>();
  /** Where the next small memory goes. */
  #shared: DeviceBuffer | undefined;
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  #recording: { readonly encoder: GPUCommandEncoder; readonly pass: GPUComputePassEncoder; count: number } | undefined;
  /** Where results lie on their way to the host, when no read is using it. */
  #staging: GPUBuffer | undefined;
  /** What the device has said, after which nothing that it holds can be trusted. */
  #failure: string | undefined;

  constructor(device: GPUDevice, language: ReadonlySet<string>, kernels: WgslKernels) {
    this.#device = device;
    this.#kernels = kernels;
    const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX, maxComputeWorkgroupStorageSize } =
      device.limits;
    this.#limits = {
      lanes: Math.min(maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX),
      groupBytes: maxComputeWorkgroupStorageSize,
    };
    this.#hasPackedDot = language.has('packed_4x8_integer_dot_product');
    device.addEventListener('uncapturederror', ({ error }) => {
      this.#failure ??= error.message.split('\n')[0]!;
    });
    void device.lost.then(({ reason, message }) => {
      if (reason !== 'destroyed') this.#failure ??= `the device was lost: ${message}`;
    });
  }

  allocate(bytes: number): Memory {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#device.limits;
    const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    const size = Math.max(alignment, Math.ceil(bytes / alignment) * alignment);
    if (size > most)
      throw new SubbitError(
        `out of memory: ${bytes} bytes wanted at once, and this GPU gives ${most}; use a smaller batch`,
      );
    const from = this.#bufferFor(size);
    const memory: DeviceMemory = { buffer: new ArrayBuffer(size), byteOffset: 0, bytes, from, offset: from.used };
    from.used += size;
    from.live++;
    this.#memories.set(memory, memory);
    return memory;
  }

  /** One with room for `size` bytes. */
  #bufferFor(size: number): DeviceBuffer {
    const isShared = size <= largestShared;
    if (isShared && this.#shared !== undefined && this.#shared.used + size <= sharedBytes) return this.#shared;
    const options = {
      size: isShared ? sharedBytes : size,
      usage: usage.storage | usage.copySource | usage.copyTarget,
    };
    const made = { gpu: this.#device.createBuffer(options), used: 0, live: 0 };
    if (isShared) this.#shared = made;
    return made;
  }

  free(memory: Memory): void {
    this.#submit();
    const { from } = this.#own(memory);
    this.#memories.delete(memory);
    if (--from.live > 0) return;
    from.gpu.destroy();
    if (this.#shared === from) this.#shared = undefined;
  }

  scratchBytes({ op, params, types }: Parameters<Backend['scratchBytes']>[0]): number {
    return this.#kernelOf(op).scratchBytes?.(this.#callOf(op, params, types)) ?? 0;
  }

  write(places: Iterable<TensorPlace>): void {
    // A write takes place before whatever is submitted after it.
    this.#submit();
    for (const place of places) {
      const { from, buffer, offset: start } = this.#own(place.memory);
      const [offset, size] = spanOf(place);
      this.#device.queue.writeBuffer(from.gpu, start + offset, buffer as ArrayBuffer, offset, size);
    }
  }

  async read(places: Iterable<TensorPlace>): Promise<void> {
    const spans = Array.from(places, (place) => ({ memory: this.#own(place.memory), span: spanOf(place) }));
    const total = spans.reduce((sum, { span: [, size] }) => sum + size, 0);
    if (total === 0) return;
    let staging = this.#staging;
    this.#staging = undefined;
    if (staging === undefined || staging.size < total) {
      staging?.destroy();
      staging = this.#device.createBuffer({ size: total, usage: usage.mapRead | usage.copyTarget });
    }
    const { encoder } = this.#endPass();
    let at = 0;
    for (const {
      memory,
      span: [offset, size],
    } of spans) {
      encoder.copyBufferToBuffer(memory.from.gpu, memory.offset + offset, staging, at, size);
      at += size;
    }
    this.#device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(mapRead, 0, total);
    } catch (error) {
      this.#failure ??= (error as Error).message;
    }
    if (this.#failure !== undefined) throw new SubbitError(`the GPU failed: ${this.#failure}`);
    const bytes = new Uint8Array(staging.getMappedRange(0, total));
    at = 0;
    for (const {
      memory,
      span: [offset, size],
    } of spans) {
      new Uint8Array(memory.buffer as ArrayBuffer, offset, size).set(bytes.subarray(at, at + size));
      at += size;
    }
    staging.unmap();
    if (this.#staging === undefined) this.#staging = staging;
    else staging.destroy();
  }

  prepare(calls: readonly Call[]): Program {
    const uniforms: GPUBuffer[] = [];
    const dispatches = calls.map((call) => this.#prepareCall(call, uniforms));
    return {
      run: (first = 0, end = dispatches.length) => {
        for (let i = first; i < end; i++) for (const dispatch of dispatches[i]!) this.#record(dispatch);
      },
      dispose: () => {
        this.#submit();
        for (const uniform of uniforms) uniform.destroy();
      },
    };
  }

  dispose(): void {
    this.#submit();
    this.#device.destroy();
    this.#memories.clear();
  }

  #prepareCall({ op, params, buffers }: Call, uniforms: GPUBuffer[]): Dispatch[] {
    const call = this.#callOf(
      op,
      params,
      buffers.map((place) => place?.type),
    );
    const slots = slotsOf(op);
    const gpus: GPUBuffer[] = [];
    const places: Record<string, SlotPlace> = {};
    for (const [i, place] of buffers.entries()) {
      if (place === undefined) continue;
      const { from, offset } = this.#own(place.memory);
      if (!gpus.includes(from.gpu)) gpus.push(from.gpu);
      places[slots[i]!] = { binding: gpus.indexOf(from.gpu), byteOffset: offset + place.byteOffset };
    }
    return this.#kernelOf(op)
      .passes(call)
      .map((pass): Dispatch => {
        const mostGroups = this.#device.limits.maxComputeWorkgroupsPerDimension;
        const { source, uniform, groups } = shaderOf(op, call, pass, places, {
          numBindings: gpus.length,
          mostGroups,
        });
        const pipeline = this.#pipelineOf(source, op.name);
        const params = this.#device.createBuffer({ size: uniform.byteLength, usage: usage.uniform | usage.copyTarget });
        this.#device.queue.writeBuffer(params, 0, uniform);
        uniforms.push(params);
        const bindGroup = this.#device.createBindGroup({
          layout: pipeline.getBindGroupLayout(0),
          entries: [...gpus, params].map((buffer, binding) => ({
            binding,
            resource: { buffer },
          })),
        });
        return { pipeline, bindGroup, groups };
      });
  }

  #callOf(op: AnyOp, params: Call['params'], types: readonly (TensorType | undefined)[]): WgslCall {
    const slots = slotsOf(op);
    return {
      params,
      types: Object.fromEntries(types.map((type, i) => [slots[i]!, type])),
      limits: this.#limits,
      hasPackedDot: this.#hasPackedDot,
    };
  }

  #kernelOf(op: AnyOp): AnyWgslKernel {
    const kernel = this.#kernels.get(op);
    if (kernel === undefined) throw new SubbitError(`no webgpu kernel for the op ${op.name}`);
    return kernel;
  }

  /** Kernels of the same text share a pipeline. */
  #pipelineOf(code: string, label: string): GPUComputePipeline {
    const known = this.#pipelines.get(code);
    if (known !== undefined) return known;
    const module = this.#device.createShaderModule({ code, label });
    const pipeline = this.#device.createComputePipeline({ label, layout: this.#layoutOf(code), compute: { module } });
    this.#pipelines.set(code, pipeline);
    return pipeline;
  }

  /** Said outright: what a text does not use would be missing in a layout made from it. */
  readonly #layouts = new Map<number, GPUPipelineLayout>();
  #layoutOf(code: string): GPUPipelineLayout {
    const numBindings = code.match(/var<storage, read_write>/g)?.length ?? 0;
    let layout = this.#layouts.get(numBindings);
    if (layout === undefined) {
      const entries = Array.from(
        { length: numBindings + 1 },
        (_, binding): GPUBindGroupLayoutEntry => ({
          binding,
          visibility: 4,
          buffer: { type: binding < numBindings ? 'storage' : 'uniform' },
        }),
      );
      layout = this.#device.createPipelineLayout({
        bindGroupLayouts: [this.#device.createBindGroupLayout({ entries })],
      });
      this.#layouts.set(numBindings, layout);
    }
    return layout;
  }

  #record({ pipeline, bindGroup, groups }: Dispatch): void {
    if (this.#recording === undefined) {
      const encoder = this.#device.createCommandEncoder();
      this.#recording = { encoder, pass: encoder.beginComputePass(), count: 0 };
    }
    const { pass } = this.#recording;
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(groups[0], groups[1]);
    if (++this.#recording.count >= mostRecorded) this.#submit();
  }

  /** The encoder of what was recorded, which takes further commands and is then to be submitted. */
  #endPass(): { readonly encoder: GPUCommandEncoder } {
    const recording = this.#recording;
    this.#recording = undefined;
    if (recording === undefined) return { encoder: this.#device.createCommandEncoder() };
    recording.pass.end();
    return recording;
  }

  #submit(): void {
    if (this.#recording === undefined) return;
    this.#device.queue.submit([this.#endPass().encoder.finish()]);
  }

  #own(memory: Memory): DeviceMemory {
    const own = this.#memories.get(memory);
    if (own === undefined) throw new SubbitError('this memory is not (or no longer) of this webgpu backend');
    return own;
  }
}

/** Offset and size of a tensor in its memory's buffer, in whole words. */
function spanOf({ byteOffset, type }: TensorPlace): readonly [offset: number, size: number] {
  return [byteOffset, Math.ceil(bytesOf(type) / 4) * 4];
}
