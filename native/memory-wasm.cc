/**
 * The heap of the WebAssembly build: a list of free blocks in the order of their addresses, first fit, neighbours merged.
 * There are few blocks (a plan's arena, variables, commands, threads' scratch), so the list is short and nothing finer
 * pays.
 *
 *     block  | bytes of the block, next free block, unused up to 64 | memory ... |
 *
 * Workers allocate too, when their scratch grows, so a lock guards the list. It spins, because a browser's main thread may
 * not sleep; it is held for a few list steps.
 */
#include <stdint.h>

#include "memory.h"

/** Where the linker's own data end; everything behind is the heap. */
extern "C" char __heap_base;

namespace subbit {
namespace {

constexpr size_t kUnit = 64;
constexpr size_t kPage = 65536;
/** Memory grows by at least this much: each time, JavaScript has to make a new buffer object. */
constexpr size_t kGrowth = 1 << 20;

struct alignas(kUnit) Block {
  size_t bytes;
  Block* next;

  char* end() { return reinterpret_cast<char*>(this) + bytes; }
};

Block* firstFree = nullptr;
bool hasHeap = false;
bool isLocked = false;

class Lock {
 public:
  Lock() {
    while (__atomic_exchange_n(&isLocked, true, __ATOMIC_ACQUIRE)) {
    }
  }
  ~Lock() { __atomic_store_n(&isLocked, false, __ATOMIC_RELEASE); }
};

size_t RoundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

void Release(Block* block) {
  Block* before = nullptr;
  Block* after = firstFree;
  for (; after != nullptr && after < block; after = after->next) before = after;
  block->next = after;
  (before == nullptr ? firstFree : before->next) = block;
  if (after != nullptr && block->end() == reinterpret_cast<char*>(after)) {
    block->bytes += after->bytes;
    block->next = after->next;
  }
  if (before != nullptr && before->end() == reinterpret_cast<char*>(block)) {
    before->bytes += block->bytes;
    before->next = block->next;
  }
}

/** Takes `bytes` from the first block that has them, or returns null. */
Block* Take(size_t bytes) {
  Block** link = &firstFree;
  while (*link != nullptr && (*link)->bytes < bytes) link = &(*link)->next;
  Block* block = *link;
  if (block == nullptr) return nullptr;
  if (block->bytes > bytes) {
    Block* rest = reinterpret_cast<Block*>(reinterpret_cast<char*>(block) + bytes);
    rest->bytes = block->bytes - bytes;
    rest->next = block->next;
    *link = rest;
  } else {
    *link = block->next;
  }
  block->bytes = bytes;
  return block;
}

/** Makes a free block of start .. end. */
void AddHeap(size_t start, size_t end) {
  Block* block = reinterpret_cast<Block*>(start);
  block->bytes = end - start;
  Release(block);
}

bool Grow(size_t bytes) {
  const size_t pages = RoundUp(bytes < kGrowth ? kGrowth : bytes, kPage) / kPage;
  const size_t start = __builtin_wasm_memory_grow(0, pages);
  if (start == SIZE_MAX) return false;
  AddHeap(start * kPage, (start + pages) * kPage);
  return true;
}

}  // namespace

void* TryAllocate(size_t bytes) {
  // Leaves the last page alone, so that no end of a block wraps around to 0.
  if (bytes > SIZE_MAX - 2 * kPage) return nullptr;
  const size_t total = RoundUp(bytes, kUnit) + sizeof(Block);
  Block* block;
  {
    Lock lock;
    if (!hasHeap) {
      hasHeap = true;
      AddHeap(RoundUp(reinterpret_cast<size_t>(&__heap_base), kUnit), __builtin_wasm_memory_size(0) * kPage);
    }
    block = Take(total);
    if (block == nullptr && Grow(total)) block = Take(total);
  }
  if (block == nullptr) return nullptr;
  return __builtin_memset(block + 1, 0, total - sizeof(Block));
}

void Free(void* memory) {
  if (memory == nullptr) return;
  Lock lock;
  Release(static_cast<Block*>(memory) - 1);
}

}  // namespace subbit
