/**
 * Look-up tables with AVX-512 VBMI: a register is a table of the 64 subset sums of six inputs, and `vpermb` looks 64 output
 * channels up in it.
 *
 * Zen 5 starts two vpermb and two other vector instructions per cycle, so the addition beside a look-up is free and what
 * counts is the rest: index registers are used for every pixel of the tile (they stream from the second-level cache), tables
 * for every column. With one column there are about as many loads as look-ups, the limit of both.
 */
#pragma once
#include <immintrin.h>

#include "tables-tile.h"

namespace subbit::SUBBIT_ISA {

/** table[index[i]]; a mask of ones instead of no mask, because GCC 12 warns of the undefined register that it means. */
SUBBIT_INLINE __m512i FindBytes(__m512i index, __m512i table) {
  return _mm512_maskz_permutexvar_epi8(~__mmask64{0}, index, table);
}

/** Keeps a value in a register: GCC would rather load an index or table again for each use, and loads are what is short. */
SUBBIT_INLINE __m512i Held(__m512i value) {
  asm("" : "+v"(value));
  return value;
}

SUBBIT_INLINE __m512i LoadOnce(const uint8_t* p) { return Held(_mm512_loadu_si512(p)); }

struct Tables64 {
  static constexpr int kInputs = 6;
  static constexpr int kTableBytes = 64;
  static constexpr int kMaxColumns = 4;

  /** Of activations of 4 bits. */
  static constexpr int kShortSteps = 2;

  /** Pixels of a tile. */
  static constexpr int MaxPixels(int columns, int stepsAtOnce) {
    if (stepsAtOnce <= kShortSteps) return columns == 1 ? 8 : 12 / columns;
    return columns == 1 ? 8 : columns == 2 ? 7 : columns == 3 ? 5 : 5;
  }

  static void Build(const TableRow& row);
  static TileKernel Kernel(int pixels, int columns, int stepsAtOnce);
};

struct SubsetPatterns {
  uint8_t first[64], second[64], third[64], low[4][64], high[4][64];
  constexpr SubsetPatterns() : first(), second(), third(), low(), high() {
    for (int i = 0; i < 64; ++i) {
      first[i] = static_cast<uint8_t>(i / 8 * 3);
      second[i] = static_cast<uint8_t>(i / 8 * 3 + 1);
      third[i] = static_cast<uint8_t>(i / 8 * 3 + 2);
      for (int t = 0; t < 4; ++t) low[t][i] = static_cast<uint8_t>(16 * t + i % 8);
      for (int t = 0; t < 4; ++t) high[t][i] = static_cast<uint8_t>(16 * t + 8 + i / 8);
    }
  }
};
inline constexpr SubsetPatterns kSubsetPatterns;

/**
 * The tables of one pixel's channels. A register takes 24 channels: first the eight subset sums of each three, then a table
 * is the sums of its lower three, repeated, plus those of its upper three, each eight times. No byte overflows, so that eight
 * of them may be added as one 64-bit number, which an instruction can broadcast from memory.
 */
inline void Tables64::Build(const TableRow& row) {
  const __m512i first = _mm512_loadu_si512(kSubsetPatterns.first);
  const __m512i second = _mm512_loadu_si512(kSubsetPatterns.second);
  const __m512i third = _mm512_loadu_si512(kSubsetPatterns.third);
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m128i shift = _mm_cvtsi32_si128(row.shift);
  __m512i low[4];
  __m512i high[4];
  for (int t = 0; t < 4; ++t) {
    low[t] = _mm512_loadu_si512(kSubsetPatterns.low[t]);
    high[t] = _mm512_loadu_si512(kSubsetPatterns.high[t]);
  }
  for (int i = 0; i < row.pixels; ++i) {
    const uint8_t* x = row.x + i * row.xPixel;
    uint8_t* out = row.out + i * row.outPixel;
    for (int c = 0; c < row.channels; c += 24, out += 4 * 64) {
      const int count = Min(24, row.channels - c);
      const __mmask32 mask = count == 24 ? 0xffffffu : (1u << count) - 1;
      __m512i v = _mm512_castsi256_si512(_mm256_maskz_loadu_epi8(mask, x + c));
      v = _mm512_and_si512(_mm512_srl_epi16(v, shift), nibble);
      const __m512i ones = _mm512_maskz_permutexvar_epi8(0xaaaaaaaaaaaaaaaa, first, v);
      const __m512i twos = _mm512_maskz_permutexvar_epi8(0xcccccccccccccccc, second, v);
      const __m512i fours = _mm512_maskz_permutexvar_epi8(0xf0f0f0f0f0f0f0f0, third, v);
      const __m512i threes = _mm512_add_epi8(_mm512_add_epi8(ones, twos), fours);
      for (int t = 0; t < 4 && 6 * t < count; ++t) {
        const __m512i sums = _mm512_add_epi8(FindBytes(high[t], threes), FindBytes(low[t], threes));
        _mm512_storeu_si512(out + 64 * t, sums);
      }
    }
  }
}

/** Where LongSteps finds the table of a step: here it is stored. */
struct StoredTable {
  static constexpr int kStepBytes = 64;

  SUBBIT_INLINE __m512i Table(const TableTile&, const uint8_t* p) const { return _mm512_loadu_si512(p); }
};

/** Unrolled late, loops over a tile would leave copies of its sums in memory. */
#define SUBBIT_UNROLL _Pragma("GCC unroll 8")

template <class Find, int kPixels, int kColumns>
SUBBIT_INLINE void LookUp(const Find& find, const TableTile& t, const uint8_t* tables, const uint8_t* filter,
                          __m512i (&out)[kPixels][kColumns], bool adds) {
  __m512i index[kColumns];
  SUBBIT_UNROLL for (int k = 0; k < kColumns; ++k) index[k] = LoadOnce(filter + k * t.columnBytes);
  SUBBIT_UNROLL for (int i = 0; i < kPixels; ++i) {
    const __m512i found = find.Table(t, tables + i * t.pixelBytes);
    const __m512i table = kColumns == 1 ? found : Held(found);
    SUBBIT_UNROLL for (int k = 0; k < kColumns; ++k) {
      const __m512i looked = FindBytes(index[k], table);
      out[i][k] = adds ? _mm512_add_epi8(out[i][k], looked) : looked;
    }
  }
}

/** The byte sums of `steps` steps. */
template <class Find, int kPixels, int kColumns>
SUBBIT_INLINE void LookUpSteps(const Find& find, const TableTile& t, const uint8_t* tables, const uint8_t* filter, int steps,
                               __m512i (&out)[kPixels][kColumns]) {
  LookUp(find, t, tables, filter, out, false);
  for (int s = 1; s < steps; ++s) {
    tables += Find::kStepBytes;
    filter += kTableBlock;
    LookUp(find, t, tables, filter, out, true);
  }
}

/** Adds a tile's byte sums to its 16-bit sums. */
template <int kPixels, int kColumns>
SUBBIT_INLINE void AddBytes(const TableTile& t, const __m512i (&bytes)[kPixels][kColumns]) {
  for (int i = 0; i < kPixels; ++i) {
    for (int k = 0; k < kColumns; ++k) {
      uint16_t* sums = t.sums + i * t.sumsPixel + k * t.sumsColumn;
      const __m512i high = _mm512_srli_epi16(bytes[i][k], 8);
      _mm512_store_si512(sums, _mm512_add_epi16(_mm512_load_si512(sums), bytes[i][k]));
      _mm512_store_si512(sums + 32, _mm512_add_epi16(_mm512_load_si512(sums + 32), high));
    }
  }
}

/** For many steps at once: only byte sums in registers. */
template <class Find, int kPixels, int kColumns>
void LongSteps(const TableTile& tile) {
  const TableTile t = tile;
  const Find find{};
  for (int r = 0; r < t.numRuns; ++r) {
    const TableRun run = t.runs[r];
    for (int s = 0; s < run.steps; s += t.stepsAtOnce) {
      __m512i bytes[kPixels][kColumns];
      LookUpSteps(find, t, t.tables + run.tables + s * Find::kStepBytes, t.filter + run.filter + s * kTableBlock,
                  Min(t.stepsAtOnce, run.steps - s), bytes);
      AddBytes(t, bytes);
    }
  }
}

/** The 16-bit sums of a tile, in registers. */
template <int kPixels, int kColumns>
struct HeldSums {
  __m512i mixed[kPixels][kColumns];
  __m512i odd[kPixels][kColumns];

  SUBBIT_INLINE explicit HeldSums(const TableTile& t) {
    for (int i = 0; i < kPixels; ++i) {
      for (int k = 0; k < kColumns; ++k) {
        const uint16_t* sums = t.sums + i * t.sumsPixel + k * t.sumsColumn;
        mixed[i][k] = _mm512_load_si512(sums);
        odd[i][k] = _mm512_load_si512(sums + 32);
      }
    }
  }
  SUBBIT_INLINE void Add(int i, int k, __m512i bytes) {
    mixed[i][k] = _mm512_add_epi16(mixed[i][k], bytes);
    odd[i][k] = _mm512_add_epi16(odd[i][k], _mm512_srli_epi16(bytes, 8));
  }
  SUBBIT_INLINE void Store(const TableTile& t) const {
    for (int i = 0; i < kPixels; ++i) {
      for (int k = 0; k < kColumns; ++k) {
        uint16_t* sums = t.sums + i * t.sumsPixel + k * t.sumsColumn;
        _mm512_store_si512(sums, mixed[i][k]);
        _mm512_store_si512(sums + 32, odd[i][k]);
      }
    }
  }
};

/** For two steps at once (4-bit levels): only 16-bit sums in registers. */
template <int kPixels, int kColumns>
void ShortSteps(const TableTile& tile) {
  const TableTile t = tile;
  HeldSums<kPixels, kColumns> held(t);
  for (int r = 0; r < t.numRuns; ++r) {
    const TableRun run = t.runs[r];
    const uint8_t* tables = t.tables + run.tables;
    const uint8_t* filter = t.filter + run.filter;
    for (int s = 0; s < run.steps / 2; ++s, tables += 128, filter += 128) {
      for (int k = 0; k < kColumns; ++k) {
        const __m512i index0 = LoadOnce(filter + k * t.columnBytes);
        const __m512i index1 = LoadOnce(filter + k * t.columnBytes + 64);
        for (int i = 0; i < kPixels; ++i) {
          const __m512i found0 = FindBytes(index0, _mm512_loadu_si512(tables + i * t.pixelBytes));
          const __m512i found1 = FindBytes(index1, _mm512_loadu_si512(tables + i * t.pixelBytes + 64));
          held.Add(i, k, _mm512_add_epi8(found0, found1));
        }
      }
    }
    if (run.steps % 2 == 0) continue;
    for (int k = 0; k < kColumns; ++k) {
      const __m512i index = _mm512_loadu_si512(filter + k * t.columnBytes);
      for (int i = 0; i < kPixels; ++i) held.Add(i, k, FindBytes(index, _mm512_loadu_si512(tables + i * t.pixelBytes)));
    }
  }
  held.Store(t);
}

template <bool kIsShort, int kColumns, int... kPixels>
TileKernel KernelOf(int pixels) {
  static constexpr TileKernel kernels[] = {(kIsShort ? ShortSteps<kPixels, kColumns> : LongSteps<StoredTable, kPixels, kColumns>)...};
  return kernels[pixels - 1];
}

inline TileKernel Tables64::Kernel(int pixels, int columns, int stepsAtOnce) {
  if (stepsAtOnce <= kShortSteps) {
    if (columns == 1) return KernelOf<true, 1, 1, 2, 3, 4, 5, 6, 7, 8>(pixels);
    if (columns == 2) return KernelOf<true, 2, 1, 2, 3, 4, 5, 6>(pixels);
    if (columns == 3) return KernelOf<true, 3, 1, 2, 3, 4>(pixels);
    return KernelOf<true, 4, 1, 2, 3>(pixels);
  }
  if (columns == 1) return KernelOf<false, 1, 1, 2, 3, 4, 5, 6, 7, 8>(pixels);
  if (columns == 2) return KernelOf<false, 2, 1, 2, 3, 4, 5, 6, 7>(pixels);
  if (columns == 3) return KernelOf<false, 3, 1, 2, 3, 4, 5, 6, 7>(pixels);
  return KernelOf<false, 4, 1, 2, 3, 4, 5>(pixels);
}

}  // namespace subbit::SUBBIT_ISA
