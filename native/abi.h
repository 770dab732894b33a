/**
 * The whole interface between TypeScript (src/backends/cpu.ts) and the kernels, in C. Adding an op changes nothing here.
 *
 * A command is one call of a kernel, little-endian, 8-byte aligned:
 *
 *     0             u32       op code: the op's place in src/ops/index.ts
 *     4             u32       bytes from the start of the command to its params
 *     8             u32       bytes of the whole command, a multiple of 8: the next one follows
 *     12            u32       0
 *     16            pointers  inputs, outputs, scratch (null where absent), as wide as the target has them
 *     params start  words     params in the order of their declaration
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/** WebAssembly exports what is visible. */
#define SUBBIT_EXPORT extern "C" __attribute__((visibility("default")))

namespace subbit {

/** A pool of threads and the kernels of one instruction set. */
struct Engine;

/** Of the op declarations that the kernels were compiled for (src/backends/signature.ts). */
SUBBIT_EXPORT uint32_t SubbitSignature();
/** Of the inference runtime's ops, the first of them. */
SUBBIT_EXPORT uint32_t SubbitRuntimeSignature();

/** Instruction sets that are compiled in and that this machine has, the best first. */
SUBBIT_EXPORT int SubbitNumIsas();
SUBBIT_EXPORT const char* SubbitIsaName(int isa);

/** Whether an op has a kernel. */
SUBBIT_EXPORT bool SubbitHasKernel(int op);

/** 1 .. 256 threads, the caller's included; always 1 in WebAssembly without atomics. Never null. */
SUBBIT_EXPORT Engine* SubbitOpen(int isa, int threads);
SUBBIT_EXPORT void SubbitClose(Engine* engine);

/** Runs `count` consecutive commands. False when a worker has died (WebAssembly only): the engine is then of no more use. */
SUBBIT_EXPORT bool SubbitExecute(Engine* engine, const void* commands, int count);

#ifdef __wasm__
/** Zeroed memory, 64-byte aligned; null when there is none left. Natively, TypeScript brings its own. */
SUBBIT_EXPORT void* SubbitAllocate(size_t bytes);
SUBBIT_EXPORT void SubbitFree(void* memory);

#ifdef __wasm_atomics__
/** The life of worker 1 .. threads - 1, in an instance of its own over the same memory; returns after SubbitStop. */
SUBBIT_EXPORT void SubbitWork(Engine* engine, int thread);
SUBBIT_EXPORT void SubbitStop(Engine* engine);
/** Called by the host when SubbitWork has trapped. */
SUBBIT_EXPORT void SubbitFail(Engine* engine);
#endif
#endif

}  // namespace subbit
