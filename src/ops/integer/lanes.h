/** Registers of elements, and loops over channels in registers, without any instruction set's own words. */
#pragma once
#include <stdint.h>

namespace subbit::SUBBIT_ISA {

/** `kCount` elements that the compiler keeps in registers. */
template <class T, int kCount>
struct LanesOf {
  typedef T Type __attribute__((vector_size(kCount * sizeof(T))));
  typedef T Unaligned __attribute__((vector_size(kCount * sizeof(T)), aligned(sizeof(T)), may_alias));
};
template <class T, int kCount>
using Lanes = typename LanesOf<T, kCount>::Type;

template <int kCount, class T>
inline Lanes<T, kCount> LoadLanes(const T* p) {
  return *reinterpret_cast<const typename LanesOf<T, kCount>::Unaligned*>(p);
}
template <int kCount, class T>
inline void StoreLanes(T* p, Lanes<T, kCount> value) {
  *reinterpret_cast<typename LanesOf<T, kCount>::Unaligned*>(p) = value;
}

/** body.Run<kCount, kVectors>(i) for registers that begin at i and cover 0 .. count - 1. */
template <int kCount, class Body>
inline void ForRegisters(int count, const Body& body) {
  int i = 0;
  for (; i + 4 * kCount <= count; i += 4 * kCount) body.template Run<kCount, 4>(i);
  for (; i + kCount <= count; i += kCount) body.template Run<kCount, 1>(i);
  if (i == count) return;
  if (count >= kCount) return body.template Run<kCount, 1>(count - kCount);
  for (; i < count; ++i) body.template Run<1, 1>(i);
}

}  // namespace subbit::SUBBIT_ISA
