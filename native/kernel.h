/**
 * What a compute kernel sees: tensors, operands and the thread pool. Kernels include "ops.h" (generated from the op
 * declarations), which includes this.
 *
 * Kernels use no C or C++ library, because the WebAssembly build has none: <stdint.h>, <stddef.h> and compiler builtins
 * only. They are compiled once per instruction set, in namespace subbit::SUBBIT_ISA. Whatever is shared between the sets
 * (here and in pool.h) is forced inline: the linker would otherwise keep one set's copy of it for all.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "pool.h"

namespace subbit {

/** How to read an operand: real elements as they are, or integers multiplier * q - offset[c] (src/core/tensor.ts). */
struct Operand {
  int32_t isReal;
  int32_t multiplier;
  int32_t offset[4];
};

/** A buffer of a call; what it holds follows from the op and its params. */
struct Tensor {
  void* data;

  /** Whether an optional buffer was given. */
  SUBBIT_INLINE bool present() const { return data != nullptr; }
  SUBBIT_INLINE float* f32() const { return static_cast<float*>(data); }
  SUBBIT_INLINE double* f64() const { return static_cast<double*>(data); }
  SUBBIT_INLINE uint8_t* u8() const { return static_cast<uint8_t*>(data); }
  SUBBIT_INLINE int16_t* i16() const { return static_cast<int16_t*>(data); }
  SUBBIT_INLINE int32_t* i32() const { return static_cast<int32_t*>(data); }
};

/** A kernel as the dispatch table holds it: params and buffers are the op's structs, as they lie in a command (abi.h). */
using Kernel = void (*)(const void* params, const void* buffers, Pool& pool);

/** A module's kernels, compiled for one instruction set (generated: ops-table.cc, runtime-table.cc). */
struct KernelSet {
  const char* isa;
  /** By op code, the op's place in src/ops/index.ts; null where an op has no kernel. */
  const Kernel* kernels;
  int count;
  /** Of the op declarations that the kernels were compiled for (src/backends/signature.ts). */
  uint32_t signature;
  /** Of the first of them, which are the inference runtime's (src/ops/runtime.ts). */
  uint32_t runtimeSignature;
};

}  // namespace subbit
