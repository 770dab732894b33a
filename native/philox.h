/**
 * Philox 4x32-10: the random numbers of src/util/philox.ts, many blocks at a time. Element i of (seed, stream, step) is word
 * i & 3 of block i >> 2. Blocks are computed side by side, one lane each.
 */
#pragma once
#include <stdint.h>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#endif

namespace subbit::SUBBIT_ISA {

constexpr int kPhiloxLanes = 64;
constexpr int kPhiloxElements = 4 * kPhiloxLanes;

#if defined(__AVX2__)

/**
 * On x86 each word has a lane of 64 bits, whose upper half nobody reads: the multiplication takes the lower halves and gives
 * the product of 64 bits, which is the low word as it stands and the high one after a shift. That is six instructions per
 * round where words of 32 bits, even and odd ones apart, would take eight.
 */
#if defined(__AVX512F__)
typedef uint64_t PhiloxWords __attribute__((vector_size(64)));
typedef uint32_t PhiloxHalves __attribute__((vector_size(64)));
/** With a mask of ones, because GCC 12 warns of its own header's undefined operand otherwise. */
inline PhiloxWords MultiplyWords(PhiloxWords a, PhiloxWords b) {
  return (PhiloxWords)_mm512_maskz_mul_epu32(0xff, (__m512i)a, (__m512i)b);
}
/** Of each register; lanes in the order that StoreUniform wants them. */
constexpr int kPhiloxGroup = 8;
constexpr PhiloxWords kPhiloxBlocks = {0, 4, 1, 5, 2, 6, 3, 7};
/** Registers side by side hide the multiplication's latency. */
constexpr int kPhiloxGroups = 4;

inline void StoreUniform(PhiloxWords c0, PhiloxWords c1, PhiloxWords c2, PhiloxWords c3, float* out) {
  const __m512i left = _mm512_mask_shuffle_epi32((__m512i)c0, 0xaaaa, (__m512i)c1, _MM_PERM_CCAA);
  const __m512i right = _mm512_mask_shuffle_epi32((__m512i)c2, 0xaaaa, (__m512i)c3, _MM_PERM_CCAA);
  const auto store = [](float* to, __m512i words) {
    const __m512i upper = (__m512i)((PhiloxHalves)words >> 8);
    _mm512_storeu_ps(to, _mm512_maskz_cvtepi32_ps(0xffff, upper) * _mm512_set1_ps(0x1p-24f));
  };
  store(out, _mm512_maskz_unpacklo_epi64(0xff, left, right));
  store(out + 16, _mm512_maskz_unpackhi_epi64(0xff, left, right));
}
#else
typedef uint64_t PhiloxWords __attribute__((vector_size(32)));
inline PhiloxWords MultiplyWords(PhiloxWords a, PhiloxWords b) { return (PhiloxWords)_mm256_mul_epu32((__m256i)a, (__m256i)b); }
constexpr int kPhiloxGroup = 4;
constexpr PhiloxWords kPhiloxBlocks = {0, 2, 1, 3};
constexpr int kPhiloxGroups = 2;

inline void StoreUniform(PhiloxWords c0, PhiloxWords c1, PhiloxWords c2, PhiloxWords c3, float* out) {
  const __m256i left = _mm256_blend_epi32((__m256i)c0, (__m256i)(c1 << 32), 0xaa);
  const __m256i right = _mm256_blend_epi32((__m256i)c2, (__m256i)(c3 << 32), 0xaa);
  const auto store = [](float* to, __m256i words) {
    _mm256_storeu_ps(to, _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32(words, 8)), _mm256_set1_ps(0x1p-24f)));
  };
  store(out, _mm256_unpacklo_epi64(left, right));
  store(out + 8, _mm256_unpackhi_epi64(left, right));
}
#endif

/** out[k] = uniform number in [0, 1) of element 4 * firstBlock + k. */
inline void PhiloxUniform(uint32_t seed, uint32_t stream, uint32_t step, uint32_t firstBlock, float* out) {
  const PhiloxWords factor0 = PhiloxWords{} + 0xd2511f53;
  const PhiloxWords factor1 = PhiloxWords{} + 0xcd9e8d57;
  for (int block = 0; block < kPhiloxLanes; block += kPhiloxGroup * kPhiloxGroups) {
    PhiloxWords c0[kPhiloxGroups], c1[kPhiloxGroups], c2[kPhiloxGroups], c3[kPhiloxGroups];
    for (int g = 0; g < kPhiloxGroups; ++g) {
      c0[g] = kPhiloxBlocks + (firstBlock + block + g * kPhiloxGroup);
      c1[g] = PhiloxWords{} + step;
      c2[g] = c3[g] = PhiloxWords{};
    }
    PhiloxWords k0 = PhiloxWords{} + seed;
    PhiloxWords k1 = PhiloxWords{} + stream;
    for (int round = 0; round < 10; ++round) {
      for (int g = 0; g < kPhiloxGroups; ++g) {
        const PhiloxWords product0 = MultiplyWords(factor0, c0[g]);
        const PhiloxWords product1 = MultiplyWords(factor1, c2[g]);
        c0[g] = (product1 >> 32) ^ c1[g] ^ k0;
        c2[g] = (product0 >> 32) ^ c3[g] ^ k1;
        c1[g] = product1;
        c3[g] = product0;
      }
      k0 += 0x9e3779b9;
      k1 += 0xbb67ae85;
    }
    for (int g = 0; g < kPhiloxGroups; ++g) StoreUniform(c0[g], c1[g], c2[g], c3[g], out + 4 * (block + g * kPhiloxGroup));
  }
}

#elif defined(__wasm_simd128__)

/**
 * In WebAssembly a product of 64 bits wants its operands side by side, so words of 32 bits stay so, and shuffles take the products'
 * halves apart: twice as fast as what Clang makes of the loops below.
 */
typedef uint32_t PhiloxWords __attribute__((vector_size(16)));

struct PhiloxProduct {
  PhiloxWords low, high;
};

inline PhiloxProduct MultiplyWords(PhiloxWords a, PhiloxWords b) {
  // A factor that Clang knows it extends to 64 bits outside of the loop, and then multiplies all of them: three times as long.
  __asm__ volatile("" : "+r"(a));
  const PhiloxWords left = (PhiloxWords)wasm_u64x2_extmul_low_u32x4((v128_t)a, (v128_t)b);
  const PhiloxWords right = (PhiloxWords)wasm_u64x2_extmul_high_u32x4((v128_t)a, (v128_t)b);
  return {a * b, __builtin_shufflevector(left, right, 1, 3, 5, 7)};
}

inline void StoreUniform(PhiloxWords c0, PhiloxWords c1, PhiloxWords c2, PhiloxWords c3, float* out) {
  const PhiloxWords low02 = __builtin_shufflevector(c0, c2, 0, 4, 1, 5), high02 = __builtin_shufflevector(c0, c2, 2, 6, 3, 7);
  const PhiloxWords low13 = __builtin_shufflevector(c1, c3, 0, 4, 1, 5), high13 = __builtin_shufflevector(c1, c3, 2, 6, 3, 7);
  const auto store = [](float* to, PhiloxWords words) {
    wasm_v128_store(to, wasm_f32x4_mul(wasm_f32x4_convert_i32x4((v128_t)(words >> 8)), wasm_f32x4_splat(0x1p-24f)));
  };
  store(out, __builtin_shufflevector(low02, low13, 0, 4, 1, 5));
  store(out + 4, __builtin_shufflevector(low02, low13, 2, 6, 3, 7));
  store(out + 8, __builtin_shufflevector(high02, high13, 0, 4, 1, 5));
  store(out + 12, __builtin_shufflevector(high02, high13, 2, 6, 3, 7));
}

/** out[k] = uniform number in [0, 1) of element 4 * firstBlock + k. */
inline void PhiloxUniform(uint32_t seed, uint32_t stream, uint32_t step, uint32_t firstBlock, float* out) {
  constexpr int kGroups = 2;
  const PhiloxWords factor0 = PhiloxWords{} + 0xd2511f53;
  const PhiloxWords factor1 = PhiloxWords{} + 0xcd9e8d57;
  for (int block = 0; block < kPhiloxLanes; block += 4 * kGroups) {
    PhiloxWords c0[kGroups], c1[kGroups], c2[kGroups], c3[kGroups];
    for (int g = 0; g < kGroups; ++g) {
      c0[g] = PhiloxWords{0, 1, 2, 3} + (firstBlock + block + 4 * g);
      c1[g] = PhiloxWords{} + step;
      c2[g] = c3[g] = PhiloxWords{};
    }
    PhiloxWords k0 = PhiloxWords{} + seed;
    PhiloxWords k1 = PhiloxWords{} + stream;
    for (int round = 0; round < 10; ++round) {
      for (int g = 0; g < kGroups; ++g) {
        const PhiloxProduct product0 = MultiplyWords(factor0, c0[g]);
        const PhiloxProduct product1 = MultiplyWords(factor1, c2[g]);
        c0[g] = product1.high ^ (c1[g] ^ k0);
        c2[g] = product0.high ^ (c3[g] ^ k1);
        c1[g] = product1.low;
        c3[g] = product0.low;
      }
      k0 += 0x9e3779b9;
      k1 += 0xbb67ae85;
    }
    for (int g = 0; g < kGroups; ++g) StoreUniform(c0[g], c1[g], c2[g], c3[g], out + 4 * (block + 4 * g));
  }
}

#else

/**
 * Compilers vectorise the rounds over the lanes. With 16 lanes GCC unrolls the loops over lanes before it could vectorise
 * them: 3.2 ns per element instead of 0.7 (AVX-512).
 */
inline void PhiloxUniform(uint32_t seed, uint32_t stream, uint32_t step, uint32_t firstBlock, float* out) {
  uint32_t c0[kPhiloxLanes], c1[kPhiloxLanes], c2[kPhiloxLanes], c3[kPhiloxLanes];
  for (int lane = 0; lane < kPhiloxLanes; ++lane) {
    c0[lane] = firstBlock + lane;
    c1[lane] = step;
    c2[lane] = 0;
    c3[lane] = 0;
  }
  uint32_t k0 = seed;
  uint32_t k1 = stream;
  for (int round = 0; round < 10; ++round) {
    for (int lane = 0; lane < kPhiloxLanes; ++lane) {
      const uint64_t product0 = uint64_t{0xd2511f53} * c0[lane];
      const uint64_t product1 = uint64_t{0xcd9e8d57} * c2[lane];
      c0[lane] = static_cast<uint32_t>(product1 >> 32) ^ c1[lane] ^ k0;
      c2[lane] = static_cast<uint32_t>(product0 >> 32) ^ c3[lane] ^ k1;
      c1[lane] = static_cast<uint32_t>(product1);
      c3[lane] = static_cast<uint32_t>(product0);
    }
    k0 += 0x9e3779b9;
    k1 += 0xbb67ae85;
  }
  for (int lane = 0; lane < kPhiloxLanes; ++lane) {
    out[4 * lane] = static_cast<float>(static_cast<int32_t>(c0[lane] >> 8)) * 0x1p-24f;
    out[4 * lane + 1] = static_cast<float>(static_cast<int32_t>(c1[lane] >> 8)) * 0x1p-24f;
    out[4 * lane + 2] = static_cast<float>(static_cast<int32_t>(c2[lane] >> 8)) * 0x1p-24f;
    out[4 * lane + 3] = static_cast<float>(static_cast<int32_t>(c3[lane] >> 8)) * 0x1p-24f;
  }
}

#endif

/** body(i, count, u), piece by piece: elements i .. i + count - 1 and their uniform numbers u[0 .. count - 1]. */
template <class Body>
inline void ForUniform(uint32_t seed, uint32_t stream, uint32_t step, int first, int end, const Body& body) {
  float uniform[kPhiloxElements];
  for (int i = first; i < end;) {
    const int start = i & ~3;
    PhiloxUniform(seed, stream, step, static_cast<uint32_t>(start) >> 2, uniform);
    const int stop = end - start < kPhiloxElements ? end : start + kPhiloxElements;
    body(i, stop - i, uniform + (i - start));
    i = stop;
  }
}

}  // namespace subbit::SUBBIT_ISA
