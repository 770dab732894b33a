#include "abi.h"

#include "kernel.h"
#include "memory.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

// The build defines SUBBIT_EACH_ISA(X) as X(a) X(b) .. for the sets that it compiles, the best first.
#define SUBBIT_DECLARE(isa)           \
  namespace subbit::isa {             \
  extern const KernelSet kKernelSet;  \
  }
SUBBIT_EACH_ISA(SUBBIT_DECLARE)

namespace subbit {

struct Engine {
  Pool pool;
  const KernelSet& kernels;

  Engine(int threads, const KernelSet* set) : pool(threads), kernels(*set) {}
};

namespace {

struct Command {
  uint32_t op;
  uint32_t paramsOffset;
  uint32_t bytes;
  uint32_t zero;
};

#define SUBBIT_ADDRESS(isa) &isa::kKernelSet,
const KernelSet* const kCompiled[] = {SUBBIT_EACH_ISA(SUBBIT_ADDRESS)};
constexpr int kNumCompiled = sizeof(kCompiled) / sizeof(kCompiled[0]);

#ifdef __aarch64__
bool HasDotProducts() {
#if defined(__linux__)
  constexpr unsigned long kHwcapAsimdDp = 1 << 20;
  return (getauxval(AT_HWCAP) & kHwcapAsimdDp) != 0;
#elif defined(__APPLE__)
  int has = 0;
  size_t bytes = sizeof(has);
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &bytes, nullptr, 0) == 0 && has != 0;
#else
  return false;
#endif
}
#endif

/** A build may come from another machine than the one it runs on (a container image), so the processor is asked again. */
bool CanRun(const KernelSet& set) {
#ifdef __x86_64__
  if (__builtin_strcmp(set.isa, "avx512") == 0) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bitalg") &&
           __builtin_cpu_supports("avx512vpopcntdq");
  }
  if (__builtin_strcmp(set.isa, "avx2") == 0) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#elif defined(__aarch64__)
  if (__builtin_strcmp(set.isa, "neon-dotprod") == 0) return HasDotProducts();
#else
  (void)set;
#endif
  return true;
}

/** The isa-th set that this machine can run, or null. */
const KernelSet* SetAt(int isa) {
  for (const KernelSet* set : kCompiled) {
    if (CanRun(*set) && isa-- == 0) return set;
  }
  return nullptr;
}

}  // namespace

uint32_t SubbitSignature() { return kCompiled[0]->signature; }

uint32_t SubbitRuntimeSignature() { return kCompiled[0]->runtimeSignature; }

int SubbitNumIsas() {
  int count = 0;
  while (count < kNumCompiled && SetAt(count) != nullptr) ++count;
  return count;
}

const char* SubbitIsaName(int isa) { return SetAt(isa)->isa; }

bool SubbitHasKernel(int op) { return op < kCompiled[0]->count && kCompiled[0]->kernels[op] != nullptr; }

Engine* SubbitOpen(int isa, int threads) { return New<Engine>(threads, SetAt(isa)); }

void SubbitClose(Engine* engine) { Delete(engine); }

bool SubbitExecute(Engine* engine, const void* commands, int count) {
  const char* next = static_cast<const char*>(commands);
  for (int i = 0; i < count; ++i) {
    const Command& command = *reinterpret_cast<const Command*>(next);
    engine->kernels.kernels[command.op](next + command.paramsOffset, next + sizeof(Command), engine->pool);
    if (engine->pool.hasFailed()) return false;
    next += command.bytes;
  }
  return true;
}

#ifdef __wasm__
void* SubbitAllocate(size_t bytes) { return TryAllocate(bytes); }
void SubbitFree(void* memory) { Free(memory); }
#endif

#ifdef __wasm_atomics__
void SubbitWork(Engine* engine, int thread) { engine->pool.Work(thread); }
void SubbitStop(Engine* engine) { engine->pool.Stop(); }
void SubbitFail(Engine* engine) { engine->pool.Fail(); }
#endif

}  // namespace subbit
