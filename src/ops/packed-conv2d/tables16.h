/**
 * Look-up tables with instructions that look up 16 bytes (AVX2, WebAssembly, NEON): a table holds the 16 subset sums of four
 * inputs, a column is two or four registers of indices.
 *
 * A tile is as many pixels as leave a few registers for tables and indices. Engines that compile WebAssembly spill what is
 * beyond that; with 8 byte sums (two pixels of 64 channels) they do not.
 */
#pragma once
#include "bytes16.h"
#include "tables-tile.h"
#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#else
#include <arm_neon.h>
#endif

namespace subbit::SUBBIT_ISA {

#if defined(__AVX2__)
inline constexpr int kFoundBytes = 32;
inline constexpr int kTables16Pixels = 4;
#elif defined(__wasm_simd128__)
inline constexpr int kFoundBytes = 16;
inline constexpr int kTables16Pixels = 2;
#else
inline constexpr int kFoundBytes = 16;
inline constexpr int kTables16Pixels = 4;
#endif
inline constexpr int kColumnRegisters = kTableBlock / kFoundBytes;

typedef uint8_t FoundBytes __attribute__((vector_size(kFoundBytes)));
typedef uint16_t FoundWords __attribute__((vector_size(kFoundBytes)));
typedef uint8_t UnalignedBytes16 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint8_t UnalignedFound __attribute__((vector_size(kFoundBytes), aligned(1), may_alias));
typedef uint16_t AliasedWords __attribute__((vector_size(kFoundBytes), may_alias));

/** table[index[i]] for index[i] < 16; 0 for index[i] = 0x80. */
SUBBIT_INLINE Bytes16 Find16(Bytes16 table, Bytes16 index) {
#if defined(__AVX2__)
  return (Bytes16)_mm_shuffle_epi8((__m128i)table, (__m128i)index);
#elif defined(__wasm_relaxed_simd__)
  return (Bytes16)wasm_i8x16_relaxed_swizzle((v128_t)table, (v128_t)index);
#elif defined(__wasm_simd128__)
  return (Bytes16)wasm_i8x16_swizzle((v128_t)table, (v128_t)index);
#else
  return (Bytes16)vqtbl1q_u8((uint8x16_t)table, (uint8x16_t)index);
#endif
}

/** A table for every 16 bytes of a register. */
SUBBIT_INLINE FoundBytes LoadTable(const uint8_t* p) {
  const Bytes16 table = *reinterpret_cast<const UnalignedBytes16*>(p);
#if defined(__AVX2__)
  return (FoundBytes)_mm256_broadcastsi128_si256((__m128i)table);
#else
  return table;
#endif
}

SUBBIT_INLINE FoundBytes FindAll(FoundBytes table, FoundBytes index) {
#if defined(__AVX2__)
  return (FoundBytes)_mm256_shuffle_epi8((__m256i)table, (__m256i)index);
#else
  return Find16(table, index);
#endif
}

/** Where the subset sums of pairs of channels, and of these those of fours, come from. */
struct PairPatterns {
  uint8_t first[2][16], second[2][16], low[2][16], high[2][16];
  constexpr PairPatterns() : first(), second(), low(), high() {
    constexpr uint8_t kNone = 0x80;
    for (int h = 0; h < 2; ++h) {
      for (int i = 0; i < 16; ++i) {
        const int channel = 8 * h + i / 4 * 2;
        first[h][i] = static_cast<uint8_t>(i % 2 == 1 ? channel : kNone);
        second[h][i] = static_cast<uint8_t>(i / 2 % 2 == 1 ? channel + 1 : kNone);
        low[h][i] = static_cast<uint8_t>(8 * h + i % 4);
        high[h][i] = static_cast<uint8_t>(8 * h + 4 + i / 4);
      }
    }
  }
};
inline constexpr PairPatterns kPairPatterns;

SUBBIT_INLINE Bytes16 LoadBytes16(const uint8_t* p) { return *reinterpret_cast<const UnalignedBytes16*>(p); }

/** Adds a tile's byte sums to its 16-bit sums. */
template <int kPixels>
SUBBIT_INLINE void AddFound(const TableTile& t, const FoundBytes (&bytes)[kPixels][kColumnRegisters]) {
  for (int i = 0; i < kPixels; ++i) {
    for (int k = 0; k < kColumnRegisters; ++k) {
      uint16_t* sums = t.sums + i * t.sumsPixel + k * (kFoundBytes / 2);
      AliasedWords* mixed = reinterpret_cast<AliasedWords*>(sums);
      AliasedWords* odd = reinterpret_cast<AliasedWords*>(sums + kTableBlock / 2);
      *mixed += (FoundWords)bytes[i][k];
      *odd += (FoundWords)bytes[i][k] >> 8;
    }
  }
}

struct Tables16 {
  static constexpr int kInputs = 4;
  static constexpr int kTableBytes = 16;
  static constexpr int kMaxColumns = 1;

  static constexpr int MaxPixels(int, int) { return kTables16Pixels; }

  /** 16 channels at a time: the subset sums of eight pairs, then of four fours, each of them two look-ups and a sum. */
  static void Build(const TableRow& row) {
    const TableRow r = row;
    for (int i = 0; i < r.pixels; ++i) {
      const uint8_t* x = r.x + i * r.xPixel;
      uint8_t* out = r.out + i * r.outPixel;
      for (int c = 0; c < r.channels; c += 16) {
        const int count = Min(16, r.channels - c);
        Bytes16 v = {};
        if (count == 16) {
          v = LoadBytes16(x + c);
        } else {
          for (int j = 0; j < count; ++j) v[j] = x[c + j];
        }
        v = (r.shift == 0 ? v : v >> 4) & 15;
        for (int h = 0; h < 2 && 8 * h < count; ++h) {
          const Bytes16 pairs = Find16(v, LoadBytes16(kPairPatterns.first[h])) + Find16(v, LoadBytes16(kPairPatterns.second[h]));
          for (int t = 0; t < 2 && 8 * h + 4 * t < count; ++t, out += 16) {
            const Bytes16 sums = Find16(pairs, LoadBytes16(kPairPatterns.low[t])) + Find16(pairs, LoadBytes16(kPairPatterns.high[t]));
            *reinterpret_cast<UnalignedBytes16*>(out) = sums;
          }
        }
      }
    }
  }

  template <int kPixels>
  static void Run(const TableTile& tile) {
    const TableTile t = tile;
    for (int r = 0; r < t.numRuns; ++r) {
      const TableRun run = t.runs[r];
      const uint8_t* tables = t.tables + run.tables;
      const uint8_t* filter = t.filter + run.filter;
      for (int left = run.steps; left > 0; left -= t.stepsAtOnce) {
        FoundBytes bytes[kPixels][kColumnRegisters] = {};
        for (int s = Min(t.stepsAtOnce, left); s > 0; --s, tables += kTableBytes, filter += kTableBlock) {
          FoundBytes table[kPixels];
          for (int i = 0; i < kPixels; ++i) table[i] = LoadTable(tables + i * t.pixelBytes);
          for (int k = 0; k < kColumnRegisters; ++k) {
            const FoundBytes index = *reinterpret_cast<const UnalignedFound*>(filter + k * kFoundBytes);
            for (int i = 0; i < kPixels; ++i) bytes[i][k] += FindAll(table[i], index);
          }
        }
        AddFound(t, bytes);
      }
    }
  }

  static TileKernel Kernel(int pixels, int, int) {
#if defined(__wasm_simd128__)
    static constexpr TileKernel kernels[kTables16Pixels] = {Run<1>, Run<2>};
#else
    static constexpr TileKernel kernels[kTables16Pixels] = {Run<1>, Run<2>, Run<3>, Run<4>};
#endif
    return kernels[pixels - 1];
  }
};

}  // namespace subbit::SUBBIT_ISA
