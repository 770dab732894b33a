/**
 * One register of floats, as wide as the instruction set has them, in GCC's and Clang's vector extension, so that one
 * source serves every set; and the whole-number arithmetic of cutting work into pieces.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace subbit::SUBBIT_ISA {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
inline constexpr int kRegisters = 32;
#elif defined(__AVX2__)
inline constexpr int kLanes = 8;
inline constexpr int kRegisters = 16;
#elif defined(__aarch64__)
inline constexpr int kLanes = 4;
inline constexpr int kRegisters = 32;
#else
inline constexpr int kLanes = 4;
inline constexpr int kRegisters = 16;
#endif

/** Whether the compiler that makes machine code takes registers for all that a loop's body loads. */
#if defined(__wasm_simd128__)
inline constexpr bool kLoadsFirst = true;
#else
inline constexpr bool kLoadsFirst = false;
#endif

typedef float Vec __attribute__((vector_size(kLanes * sizeof(float))));
typedef float UnalignedVec __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

inline Vec Load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
inline void Store(float* p, Vec value) { *reinterpret_cast<UnalignedVec*>(p) = value; }

inline constexpr int Min(int a, int b) { return a < b ? a : b; }
inline constexpr int Max(int a, int b) { return a > b ? a : b; }
inline constexpr int CeilDiv(int a, int b) { return (a + b - 1) / b; }

/** Integers first .. end - 1. */
struct Range {
  int first;
  int end;

  int size() const { return Max(end - first, 0); }
  bool Has(int i) const { return first <= i && i < end; }
};

/** Part `index` when `total` things are dealt into `parts` consecutive ranges whose sizes differ by at most one. */
inline Range PartOf(int index, int parts, int total) {
  const int size = total / parts;
  const int larger = total % parts;
  const int first = index * size + Min(index, larger);
  return {first, first + size + (index < larger ? 1 : 0)};
}

/** The i in 0 .. count - 1 for which position start + i * step lies in 0 .. extent - 1. */
inline Range PositionsInside(int start, int step, int count, int extent) {
  const int first = start < 0 ? CeilDiv(-start, step) : 0;
  const int end = start < extent ? Min(count, CeilDiv(extent - start, step)) : 0;
  return {Min(first, count), Max(end, Min(first, count))};
}

}  // namespace subbit::SUBBIT_ISA
