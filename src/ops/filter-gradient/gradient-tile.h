/**
 * The micro-kernel of conv2d-filter-gradient-dot: some rows (bytes of the image) times some blocks of channels of the
 * gradient, summed over the pixels of a sample; the sums of some samples are scaled and added up in float.
 *
 * One load has four pixels of the gradient for a register of channels and serves all rows; one broadcast of four bytes of a row serves
 * all channels.
 */
#pragma once
#include "gradient-layout.h"

namespace subbit::SUBBIT_ISA {

struct GradientTile {
  /** The first sample's bytes of each row. */
  const uint8_t* const* rows;
  /** The first sample's gradient: [block][quad][16][4]. */
  const uint8_t* gradient;
  ptrdiff_t blockBytes;
  int quads;
  /** From sample to sample, of rows, gradient and sums. */
  ptrdiff_t sampleBytes;
  int samples;
  const float* scales;
  float factor;
  int dyBits;
  int xBits;
  /** 0, or the integer is twice the product + sumFactor * the row's sum. */
  int sumFactor;
  const int32_t* sums;
  /** out[row * stride + channel] */
  float* out;
  ptrdiff_t stride;
};

/** How four products per lane are added, and what a sum comes to in the end (dot-simd.h). */
struct QuadProducts {
  using Sum = Ints;
  static constexpr bool kFitsAll = true;
  static Sum Add(Sum sum, Words levels, Words weights) { return AddQuads(sum, levels, weights); }
  static Ints Total(Sum sum) { return sum; }
};
struct ShortProducts {
  using Sum = Shorts;
  static constexpr bool kFitsAll = false;
  static Sum Add(Sum sum, Words levels, Words weights) { return AddShorts(sum, levels, weights); }
  static Ints Total(Sum sum) { return SumShorts(sum); }
};
struct PairProducts {
  using Sum = Ints;
  static constexpr bool kFitsAll = true;
  static Sum Add(Sum sum, Words levels, Words weights) {
    const SplitQuads left = SplitLevels(levels);
    const SplitQuads right = SplitWeights(weights);
    return AddPairs(AddPairs(sum, left.even, right.even), left.odd, right.odd);
  }
  static Ints Total(Sum sum) { return sum; }
};

inline constexpr int kBlockRegisters = kGradientBlock / kLanes;

/** Sums over at most `steps` quads fit Sum. With kHoldsTotals the result stays in registers from sample to sample. */
template <class Products, int kRows, int kBlocks, bool kHoldsTotals>
void AddProducts(const GradientTile& shared, int steps) {
  constexpr int kColumns = kBlocks * kBlockRegisters;
  const GradientTile tile = shared;
  const uint8_t* rows[kRows];
  Vec total[kRows][kColumns];
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) {
    rows[i] = tile.rows[i];
#pragma GCC unroll 4
    for (int v = 0; v < kColumns; ++v) {
      if constexpr (kHoldsTotals) total[i][v] = Load(tile.out + i * tile.stride + v * kLanes);
    }
  }
  const int32_t* sums = tile.sums;
  const uint8_t* gradient = tile.gradient;
  const ptrdiff_t end = 4 * static_cast<ptrdiff_t>(tile.quads);
  for (int n = 0; n < tile.samples; ++n) {
    Ints sum[kRows][kColumns];
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < kColumns; ++v) sum[i][v] = Ints{};
    }
    const uint8_t* weights = gradient;
    ptrdiff_t l = 0;
    do {
      const ptrdiff_t stop = Products::kFitsAll || end - l <= 4 * steps ? end : l + 4 * steps;
      typename Products::Sum part[kRows][kColumns];
#pragma GCC unroll 12
      for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < kColumns; ++v) part[i][v] = typename Products::Sum{};
      }
      for (; l < stop; l += 4, weights += 4 * kGradientBlock) {
        Words w[kColumns];
#pragma GCC unroll 4
        for (int v = 0; v < kColumns; ++v) {
          w[v] = LoadWords(weights + v / kBlockRegisters * tile.blockBytes + v % kBlockRegisters * kVectorBytes);
        }
#pragma GCC unroll 12
        for (int i = 0; i < kRows; ++i) {
          const Words levels = BroadcastWord(rows[i] + l);
#pragma GCC unroll 4
          for (int v = 0; v < kColumns; ++v) part[i][v] = Products::Add(part[i][v], levels, w[v]);
        }
      }
#pragma GCC unroll 12
      for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < kColumns; ++v) sum[i][v] += Products::Total(part[i][v]);
      }
    } while (l < end);
    const Vec scale = Vec{} + tile.scales[n] * tile.factor;
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      if (tile.sumFactor != 0) {
        const Ints rest = Ints{} + tile.sumFactor * sums[i];
#pragma GCC unroll 4
        for (int v = 0; v < kColumns; ++v) sum[i][v] = sum[i][v] * 2 + rest;
      }
#pragma GCC unroll 4
      for (int v = 0; v < kColumns; ++v) {
        const Vec scaled = __builtin_convertvector(sum[i][v], Vec) * scale;
        float* out = tile.out + i * tile.stride + v * kLanes;
        if constexpr (kHoldsTotals) {
          total[i][v] += scaled;
        } else {
          Store(out, Load(out) + scaled);
        }
      }
      rows[i] += tile.sampleBytes;
    }
    gradient += tile.sampleBytes;
    sums += tile.sampleBytes / static_cast<ptrdiff_t>(sizeof(int32_t));
  }
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kColumns; ++v) {
      if constexpr (kHoldsTotals) Store(tile.out + i * tile.stride + v * kLanes, total[i][v]);
    }
  }
}

template <class Products, int kBlocks, bool kHoldsTotals, int... kSizes>
void SelectRows(const GradientTile& tile, int steps, int rows) {
  static constexpr void (*kKernels[])(const GradientTile&, int) = {AddProducts<Products, kSizes, kBlocks, kHoldsTotals>...};
  kKernels[rows - 1](tile, steps);
}

#if defined(__AVX512VNNI__)
inline constexpr int kMaxTileRows = 12;
/** Whole tiles of every size. */
inline constexpr int kRowsPerUnit = 24;

/**
 * With few quads, reading and writing the result after each sample would take as long as the products. Then totals stay in
 * registers, at the price of half as large a tile: 1.1 times as fast with 7 quads, slower from 13 on.
 */
inline bool HoldsTotals(int quads) { return quads <= 10; }
inline int TileBlocks(int quads) { return HoldsTotals(quads) ? 2 : 4; }
inline int TileRows(int quads, int blocks) { return HoldsTotals(quads) ? 12 / blocks : Min(24 / blocks, kMaxTileRows); }

/** Up to a tile of rows and blocks. */
inline void AddTile(const GradientTile& tile, int rows, int blocks) {
  const int steps = tile.quads;
  if (HoldsTotals(tile.quads)) {
    if (blocks == 2) return SelectRows<QuadProducts, 2, true, 1, 2, 3, 4, 5, 6>(tile, steps, rows);
    return SelectRows<QuadProducts, 1, true, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>(tile, steps, rows);
  }
  switch (blocks) {
    case 4:
      return SelectRows<QuadProducts, 4, false, 1, 2, 3, 4, 5, 6>(tile, steps, rows);
    case 3:
      return SelectRows<QuadProducts, 3, false, 1, 2, 3, 4, 5, 6, 7, 8>(tile, steps, rows);
    case 2:
      return SelectRows<QuadProducts, 2, false, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>(tile, steps, rows);
    default:
      return SelectRows<QuadProducts, 1, false, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>(tile, steps, rows);
  }
}
#else
inline constexpr int kMaxTileRows = kLanes == 8 || kRegisters == 32 ? 4 : 2;
/** Whole tiles, also of joined channels. */
inline constexpr int kRowsPerUnit = kRegisters == 32 ? 8 : 4;

inline int TileBlocks(int) { return 1; }
inline int TileRows(int, int) { return kMaxTileRows; }

template <class Products>
void SelectTile(const GradientTile& tile, int steps, int rows) {
  if constexpr (kMaxTileRows == 4) {
    SelectRows<Products, 1, false, 1, 2, 3, 4>(tile, steps, rows);
  } else {
    SelectRows<Products, 1, false, 1, 2>(tile, steps, rows);
  }
}

inline void AddTile(const GradientTile& tile, int rows, int) {
  if constexpr (kHasShorts) {
    constexpr int kFewestSteps = 4;
    const int steps = 32767 / LargestPair(tile.dyBits, tile.xBits);
    if (steps >= kFewestSteps) return SelectTile<ShortProducts>(tile, steps, rows);
  }
  if constexpr (kHasQuads) {
    if (QuadsAreExact(tile.dyBits, tile.xBits)) return SelectTile<QuadProducts>(tile, tile.quads, rows);
  }
  SelectTile<PairProducts>(tile, tile.quads, rows);
}
#endif

}  // namespace subbit::SUBBIT_ISA
