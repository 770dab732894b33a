/** Sixteen bytes side by side, and how four such rows become quads: what the bytes of dot products are laid out with. */
#pragma once
#include "simd.h"

#if defined(__AVX512VBMI__)
#include <immintrin.h>
#endif

namespace subbit::SUBBIT_ISA {

typedef uint8_t Bytes16 __attribute__((vector_size(16)));

inline Bytes16 InterleaveLow(Bytes16 a, Bytes16 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
inline Bytes16 InterleaveHigh(Bytes16 a, Bytes16 b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** At most 16 bytes, zeros behind. */
inline Bytes16 LoadPart(const uint8_t* from, int count) {
  if (count == 16) return LoadAs<Bytes16>(from);
  uint8_t bytes[16] = {};
  for (int i = 0; i < count; ++i) bytes[i] = from[i];
  return LoadAs<Bytes16>(bytes);
}

/** Four rows of 16 columns, side by side for each column. */
inline void StoreQuads(const Bytes16* rows, uint8_t* out) {
#if defined(__AVX512VBMI__)
  __m512i quads = _mm512_castsi128_si512((__m128i)rows[0]);
  quads = _mm512_mask_broadcast_i32x4(quads, 0x00f0, (__m128i)rows[1]);
  quads = _mm512_mask_broadcast_i32x4(quads, 0x0f00, (__m128i)rows[2]);
  quads = _mm512_mask_broadcast_i32x4(quads, 0xf000, (__m128i)rows[3]);
  alignas(64) static constexpr uint8_t kOrder[64] = {
      0, 16, 32, 48, 1, 17, 33, 49, 2,  18, 34, 50, 3,  19, 35, 51, 4,  20, 36, 52, 5,  21, 37, 53, 6,  22, 38, 54, 7,  23, 39, 55,
      8, 24, 40, 56, 9, 25, 41, 57, 10, 26, 42, 58, 11, 27, 43, 59, 12, 28, 44, 60, 13, 29, 45, 61, 14, 30, 46, 62, 15, 31, 47, 63};
  _mm512_storeu_si512(out, _mm512_maskz_permutexvar_epi8(~__mmask64{0}, _mm512_load_si512(kOrder), quads));
#else
  const Bytes16 low02 = InterleaveLow(rows[0], rows[2]), high02 = InterleaveHigh(rows[0], rows[2]);
  const Bytes16 low13 = InterleaveLow(rows[1], rows[3]), high13 = InterleaveHigh(rows[1], rows[3]);
  StoreAs(out, InterleaveLow(low02, low13));
  StoreAs(out + 16, InterleaveHigh(low02, low13));
  StoreAs(out + 32, InterleaveLow(high02, high13));
  StoreAs(out + 48, InterleaveHigh(high02, high13));
#endif
}

}  // namespace subbit::SUBBIT_ISA
