/**
 * The three things that GCC's and Clang's vector extension cannot say, per instruction set: counting bits, gathering one
 * bit of many bytes, and dot products of bytes (dot-tile.h). Everything else in the integer kernels is plain vector
 * arithmetic. A register holds kLanes words of 32 bits, one per output channel (conv2d/vector.h).
 */
#pragma once
#include "../conv2d/vector.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace subbit::SUBBIT_ISA {

inline constexpr int kVectorBytes = kLanes * 4;

typedef uint32_t Words __attribute__((vector_size(kVectorBytes)));
typedef uint8_t Bytes __attribute__((vector_size(kVectorBytes)));
typedef int32_t Ints __attribute__((vector_size(kVectorBytes)));
typedef uint32_t UnalignedWords __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));

inline Words LoadWords(const void* p) { return *static_cast<const UnalignedWords*>(p); }
inline void StoreWords(void* p, Words value) { *static_cast<UnalignedWords*>(p) = value; }

template <class T>
inline T LoadAs(const void* p) {
  T value;
  __builtin_memcpy(&value, p, sizeof(T));
  return value;
}

template <class T>
inline void StoreAs(void* p, T value) {
  __builtin_memcpy(p, &value, sizeof(T));
}

/** The word at p in every lane. */
inline Words BroadcastWord(const void* p) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  // GCC would do the arithmetic that follows on the scalar, and broadcast every result in two instructions.
  return (Words)_mm256_broadcast_ss(static_cast<const float*>(p));
#else
  return Words{} + LoadAs<uint32_t>(p);
#endif
}

#if defined(__AVX512VPOPCNTDQ__)
inline constexpr bool kCountsWords = true;
/** Set bits of each lane. */
inline Words CountWords(Words v) { return (Words)_mm512_popcnt_epi32((__m512i)v); }
#else
inline constexpr bool kCountsWords = false;
#endif

/** Set bits of each byte. */
inline Bytes CountBytes(Words v) {
#if defined(__AVX512BITALG__)
  return (Bytes)_mm512_popcnt_epi8((__m512i)v);
#elif defined(__AVX2__)
  const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                          0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i low = _mm256_and_si256((__m256i)v, nibble);
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16((__m256i)v, 4), nibble);
  return (Bytes)_mm256_shuffle_epi8(counts, low) + (Bytes)_mm256_shuffle_epi8(counts, high);
#elif defined(__wasm_simd128__)
  return (Bytes)wasm_i8x16_popcnt((v128_t)v);
#elif defined(__ARM_NEON)
  return (Bytes)vcntq_u8((uint8x16_t)v);
#else
  v -= (v >> 1) & 0x55555555;
  v = (v & 0x33333333) + ((v >> 2) & 0x33333333);
  return (Bytes)((v + (v >> 4)) & 0x0f0f0f0f);
#endif
}

/** The sum of each lane's four bytes. */
inline Words SumBytes(Bytes v) {
#if defined(__AVX512F__)
  return (Words)_mm512_dpbusd_epi32(_mm512_setzero_si512(), (__m512i)v, _mm512_set1_epi8(1));
#elif defined(__AVX2__)
  return (Words)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)v, _mm256_set1_epi8(1)), _mm256_set1_epi16(1));
#elif defined(__wasm_simd128__)
  return (Words)wasm_u32x4_extadd_pairwise_u16x8(wasm_u16x8_extadd_pairwise_u8x16((v128_t)v));
#elif defined(__ARM_NEON)
  return (Words)vpaddlq_u16(vpaddlq_u8((uint8x16_t)v));
#else
  const Words pairs = ((Words)v & 0x00ff00ff) + (((Words)v >> 8) & 0x00ff00ff);
  return (pairs & 0xffff) + (pairs >> 16);
#endif
}

/** Bit `bit` of 8 bytes: that of byte i is bit i. */
inline uint8_t BitOf8(uint64_t bytes, int bit) {
  return static_cast<uint8_t>(((bytes >> bit & 0x0101010101010101) * 0x0102040810204080) >> 56);
}

/** Bit `bit` of the 64 bytes at x: that of byte i is bit i. */
inline uint64_t BitOf64(const uint8_t* x, int bit) {
#if defined(__AVX512BW__)
  return _mm512_test_epi8_mask(_mm512_loadu_si512(x), _mm512_set1_epi8(static_cast<char>(1 << bit)));
#elif defined(__AVX2__)
  const __m128i shift = _mm_cvtsi32_si128(7 - bit);
  const auto half = [&](const uint8_t* p) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_sll_epi16(bytes, shift)));
  };
  return half(x) | static_cast<uint64_t>(half(x + 32)) << 32;
#elif defined(__wasm_simd128__)
  uint64_t bits = 0;
  for (int i = 0; i < 4; ++i) {
    bits |= static_cast<uint64_t>(wasm_i8x16_bitmask(wasm_i8x16_shl(wasm_v128_load(x + 16 * i), 7 - bit))) << 16 * i;
  }
  return bits;
#else
  uint64_t bits = 0;
  for (int i = 0; i < 8; ++i) bits |= static_cast<uint64_t>(BitOf8(LoadAs<uint64_t>(x + 8 * i), bit)) << 8 * i;
  return bits;
#endif
}

/** The sum of bytes. */
inline int32_t SumOfBytes(const uint8_t* x, int count) {
  int32_t sum = 0;
  int i = 0;
#if defined(__AVX512BW__)
  __m512i sums = _mm512_setzero_si512();
  for (; i + 64 <= count; i += 64) {
    sums = _mm512_add_epi64(sums, _mm512_sad_epu8(_mm512_loadu_si512(x + i), _mm512_setzero_si512()));
  }
  const __m512i rest = _mm512_maskz_loadu_epi8((uint64_t{1} << (count - i)) - 1, x + i);
  sums = _mm512_add_epi64(sums, _mm512_sad_epu8(rest, _mm512_setzero_si512()));
  return static_cast<int32_t>(_mm512_reduce_add_epi64(sums));
#elif defined(__AVX2__)
  __m256i sums = _mm256_setzero_si256();
  for (; i + 32 <= count; i += 32) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    sums = _mm256_add_epi64(sums, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
  }
  for (int lane = 0; lane < 4; ++lane) sum += static_cast<int32_t>(sums[lane]);
#endif
  for (; i + 8 <= count; i += 8) {
    const uint64_t bytes = LoadAs<uint64_t>(x + i);
    const uint64_t pairs = (bytes & 0x00ff00ff00ff00ff) + (bytes >> 8 & 0x00ff00ff00ff00ff);
    sum += static_cast<int32_t>(pairs * 0x0001000100010001 >> 48);
  }
  for (; i < count; ++i) sum += x[i];
  return sum;
}

}  // namespace subbit::SUBBIT_ISA
