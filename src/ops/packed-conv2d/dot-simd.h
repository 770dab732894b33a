/**
 * Dot products of bytes, per instruction set.
 *
 *     AddQuads    lane += four products           avx512 vpdpbusd; avx2 vpmaddubsw and vpmaddwd; relaxed SIMD; NEON sdot
 *     AddShorts   16-bit lane += two products     avx2, for so few bits that many such sums fit: 1.7 times as fast
 *     AddPairs    lane += two products of 16-bit integers     everywhere, and exact for all operands
 *
 * All but vpdpbusd are exact for a part of the operands only, which QuadsAreExact tells: vpmaddubsw saturates the sum of two
 * products at 16 bits, and relaxed SIMD and sdot want activations below 128.
 */
#pragma once
#include "simd.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace subbit::SUBBIT_ISA {

typedef int16_t Shorts __attribute__((vector_size(kVectorBytes)));
typedef uint16_t UnsignedShorts __attribute__((vector_size(kVectorBytes)));

/** The largest sum of two products. */
inline int LargestPair(int weightBits, int activationBits) {
  const int weight = weightBits >= 8 ? 128 : (1 << weightBits) - 1;
  return 2 * weight * ((1 << activationBits) - 1);
}

#if defined(__AVX512VNNI__)
inline constexpr bool kHasQuads = true;
inline bool QuadsAreExact(int, int) { return true; }
inline Ints AddQuads(Ints sum, Words levels, Words weights) {
  return (Ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)levels, (__m512i)weights);
}
#elif defined(__AVX2__)
inline constexpr bool kHasQuads = true;
inline bool QuadsAreExact(int weightBits, int activationBits) {
  return weightBits <= 8 && LargestPair(weightBits, activationBits) < 1 << 15;
}
inline Ints AddQuads(Ints sum, Words levels, Words weights) {
  const __m256i pairs = _mm256_maddubs_epi16((__m256i)levels, (__m256i)weights);
  return sum + (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
#elif defined(__wasm_relaxed_simd__)
inline constexpr bool kHasQuads = true;
inline bool QuadsAreExact(int weightBits, int activationBits) { return weightBits <= 8 && activationBits <= 7; }
inline Ints AddQuads(Ints sum, Words levels, Words weights) {
  return (Ints)wasm_i32x4_relaxed_dot_i8x16_i7x16_add((v128_t)weights, (v128_t)levels, (v128_t)sum);
}
#elif defined(__ARM_FEATURE_DOTPROD)
inline constexpr bool kHasQuads = true;
inline bool QuadsAreExact(int weightBits, int activationBits) { return weightBits <= 8 && activationBits <= 7; }
inline Ints AddQuads(Ints sum, Words levels, Words weights) {
  return (Ints)vdotq_s32((int32x4_t)sum, (int8x16_t)weights, (int8x16_t)levels);
}
#else
inline constexpr bool kHasQuads = false;
inline bool QuadsAreExact(int, int) { return false; }
inline Ints AddQuads(Ints sum, Words, Words) { return sum; }
#endif

#if defined(__AVX2__) && !defined(__AVX512F__)
inline constexpr bool kHasShorts = true;
/** sum + two products of bytes in each 16 bits, which must hold them. */
inline Shorts AddShorts(Shorts sum, Words levels, Words weights) {
  return sum + (Shorts)_mm256_maddubs_epi16((__m256i)levels, (__m256i)weights);
}
inline Ints SumShorts(Shorts v) { return (Ints)_mm256_madd_epi16((__m256i)v, _mm256_set1_epi16(1)); }
#else
inline constexpr bool kHasShorts = false;
inline Shorts AddShorts(Shorts sum, Words, Words) { return sum; }
inline Ints SumShorts(Shorts) { return Ints{}; }
#endif

/** Of each lane's four bytes: 0 and 2 in the 16-bit integers of `even`, 1 and 3 in those of `odd`. */
struct SplitQuads {
  Shorts even;
  Shorts odd;
};

inline SplitQuads SplitLevels(Words quads) { return {(Shorts)(quads & 0x00ff00ff), (Shorts)((UnsignedShorts)quads >> 8)}; }

inline SplitQuads SplitWeights(Words quads) {
  const Shorts bytes = (Shorts)quads;
  return {(Shorts)((UnsignedShorts)bytes << 8) >> 8, bytes >> 8};
}

/** Weights of 16 bits from their two bytes; of the low one 128 was subtracted. */
inline SplitQuads JoinWeights(Words high, Words low) {
  const Words levels = low ^ 0x80808080;
  return {(Shorts)(((UnsignedShorts)high << 8) | (UnsignedShorts)(levels & 0x00ff00ff)),
          (Shorts)((high & 0xff00ff00) | (Words)((UnsignedShorts)levels >> 8))};
}

/** sum + the products of lane i's two 16-bit integers. */
inline Ints AddPairs(Ints sum, Shorts a, Shorts b) {
#if defined(__AVX512BW__)
  return (Ints)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return sum + (Ints)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return sum + (Ints)_mm_madd_epi16((__m128i)a, (__m128i)b);
#elif defined(__wasm_simd128__)
  return sum + (Ints)wasm_i32x4_dot_i16x8((v128_t)a, (v128_t)b);
#elif defined(__ARM_NEON)
  const int32x4_t low = vmull_s16(vget_low_s16((int16x8_t)a), vget_low_s16((int16x8_t)b));
  const int32x4_t high = vmull_high_s16((int16x8_t)a, (int16x8_t)b);
  return sum + (Ints)vpaddq_s32(low, high);
#else
  const Ints low = ((Ints)a << 16 >> 16) * ((Ints)b << 16 >> 16);
  return sum + low + ((Ints)a >> 16) * ((Ints)b >> 16);
#endif
}

}  // namespace subbit::SUBBIT_ISA
