#include <stdlib.h>
#include <string.h>

#include "memory.h"

namespace subbit {

void* TryAllocate(size_t bytes) {
  void* memory;
  if (posix_memalign(&memory, 64, bytes) != 0) return nullptr;
  return memset(memory, 0, bytes);
}

void Free(void* memory) { free(memory); }

}  // namespace subbit
