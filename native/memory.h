/** The engine's own memory, 64-byte aligned and zeroed: from the C library, or in WebAssembly from a small heap. */
#pragma once
#include <stddef.h>

#ifdef __wasm__
inline void* operator new(size_t, void* place) noexcept { return place; }
#else
#include <new>
#endif

namespace subbit {

/** Null when there is no memory left. */
void* TryAllocate(size_t bytes);
/** Takes null, too. */
void Free(void* memory);

/** For what cannot go on without: a trap when there is no memory left. */
inline void* Allocate(size_t bytes) {
  void* memory = TryAllocate(bytes);
  if (memory == nullptr) __builtin_trap();
  return memory;
}

template <class T, class... Arguments>
T* New(Arguments... arguments) {
  return new (Allocate(sizeof(T))) T(arguments...);
}

template <class T>
void Delete(T* object) {
  object->~T();
  Free(object);
}

/** An array of zeroes. */
template <class T>
T* NewArray(int count) {
  return static_cast<T*>(Allocate(count * sizeof(T)));
}

}  // namespace subbit
