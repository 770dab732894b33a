/**
 * The micro-kernel of dot products: windows of some output pixels (bytes) times blocks of signed weights.
 *
 * A block holds, for each four inputs in the order of the window, the four weights of each of its channels: one load
 * serves all pixels, one broadcast of four levels all channels. A window is some *runs* of memory of equal length.
 * Weights of 16 bits are two planes of bytes. AVX-512 multiplies one after the other, the high one first, and its sums by 256
 * in between; the other sets join them, because their products are of 16 bits anyway. Sums may wrap around on the way; the
 * accumulator, which fits, is exact all the same.
 */
#pragma once
#include "dot-simd.h"
#include "windows.h"

namespace subbit::SUBBIT_ISA {

struct DotTile {
  /** First byte of each pixel's window. */
  const uint8_t* const* pixels;
  /** Bytes from there to the runs. */
  const int32_t* runs;
  int numRuns;
  /** Inputs of a run / 4 */
  int runQuads;
  /** Block: [plane][input / 4][kBlock][4] bytes; the next block is blockBytes further on. */
  const uint8_t* filter;
  ptrdiff_t planeBytes;
  ptrdiff_t blockBytes;
  int planes;
  int weightBits;
  int activationBits;
  /** P of pixel i and channel c: out[i * outStride + c]. */
  int32_t* out;
  ptrdiff_t outStride;
};

inline constexpr int kQuadBytes = 4 * kBlock;
inline constexpr int kBlockVectors = kBlock / kLanes;

#if defined(__AVX512VNNI__)
/** 16-bit weights lack 128 per level (dot.ts), which the epilogue adds; elsewhere they are joined and complete. */
inline constexpr bool kMultipliesPlanes = true;
inline constexpr int kDotPixels = 12;
#else
inline constexpr bool kMultipliesPlanes = false;
inline constexpr int kDotPixels = kLanes == 8 ? 4 : 2;
#endif

/** Largest tile of a group of `blocks`; never more than kDotPixels pixels. */
inline TileSize DotTileSize(int blocks) {
#if defined(__AVX512VNNI__)
  // 24 accumulators, the weights and a broadcast fill the registers. Few pixels times many blocks read less from the cache.
  return blocks > 2 ? TileSize{6, 4} : TileSize{12, 2};
#else
  (void)blocks;
  return {kDotPixels, 1};
#endif
}

template <int kPixels, int kBlocks>
void MultiplyQuads(const DotTile& shared) {
  constexpr int kVectors = kBlocks * kBlockVectors;
  const DotTile tile = shared;
  const uint8_t* pixels[kPixels];
#pragma GCC unroll 12
  for (int i = 0; i < kPixels; ++i) pixels[i] = tile.pixels[i];
  Ints sum[kPixels][kVectors];
#pragma GCC unroll 12
  for (int i = 0; i < kPixels; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[i][v] = Ints{};
  }
  for (int plane = 0; plane < tile.planes; ++plane) {
#pragma GCC unroll 12
    for (int i = 0; i < kPixels; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[i][v] = (Ints)((Words)sum[i][v] << 8);
    }
    const uint8_t* filter = tile.filter + plane * tile.planeBytes;
    for (int run = 0; run < tile.numRuns; ++run) {
      const ptrdiff_t first = tile.runs[run];
      const ptrdiff_t end = first + 4 * static_cast<ptrdiff_t>(tile.runQuads);
      for (ptrdiff_t l = first; l < end; l += 4, filter += kQuadBytes) {
        Words weights[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          weights[v] = LoadWords(filter + v / kBlockVectors * tile.blockBytes + v % kBlockVectors * kVectorBytes);
        }
#pragma GCC unroll 12
        for (int i = 0; i < kPixels; ++i) {
          const Words levels = BroadcastWord(pixels[i] + l);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) sum[i][v] = AddQuads(sum[i][v], levels, weights[v]);
        }
      }
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < kPixels; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) StoreWords(tile.out + i * tile.outStride + v * kLanes, (Words)sum[i][v]);
  }
}

/** The same with 16-bit sums, which are added up after every `steps` quads. */
template <int kPixels>
void MultiplyShorts(const DotTile& shared, int steps) {
  const DotTile tile = shared;
  const uint8_t* pixels[kPixels];
#pragma GCC unroll 4
  for (int i = 0; i < kPixels; ++i) pixels[i] = tile.pixels[i];
  Ints sum[kPixels][kBlockVectors] = {};
  const uint8_t* filter = tile.filter;
  for (int run = 0; run < tile.numRuns; ++run) {
    const ptrdiff_t end = tile.runs[run] + 4 * static_cast<ptrdiff_t>(tile.runQuads);
    for (ptrdiff_t first = tile.runs[run]; first < end; first += 4 * steps) {
      const ptrdiff_t stop = end - first > 4 * steps ? first + 4 * steps : end;
      Shorts part[kPixels][kBlockVectors] = {};
      for (ptrdiff_t l = first; l < stop; l += 4, filter += kQuadBytes) {
        Words weights[kBlockVectors];
#pragma GCC unroll 2
        for (int v = 0; v < kBlockVectors; ++v) weights[v] = LoadWords(filter + v * kVectorBytes);
#pragma GCC unroll 4
        for (int i = 0; i < kPixels; ++i) {
          const Words levels = BroadcastWord(pixels[i] + l);
#pragma GCC unroll 2
          for (int v = 0; v < kBlockVectors; ++v) part[i][v] = AddShorts(part[i][v], levels, weights[v]);
        }
      }
#pragma GCC unroll 4
      for (int i = 0; i < kPixels; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < kBlockVectors; ++v) sum[i][v] += SumShorts(part[i][v]);
      }
    }
  }
  for (int i = 0; i < kPixels; ++i) {
    for (int v = 0; v < kBlockVectors; ++v) StoreWords(tile.out + i * tile.outStride + v * kLanes, (Words)sum[i][v]);
  }
}

/**
 * The same with operands widened to 16 bits, even and odd inputs apart, so that a lane stays one channel. Weights of 16 bits
 * are joined first and cost no second pass.
 */
template <int kPixels, int kPlanes>
void MultiplyPairs(const DotTile& shared) {
  const DotTile tile = shared;
  const uint8_t* pixels[kPixels];
#pragma GCC unroll 4
  for (int i = 0; i < kPixels; ++i) pixels[i] = tile.pixels[i];
  Ints sum[kPixels][kBlockVectors];
#pragma GCC unroll 4
  for (int i = 0; i < kPixels; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kBlockVectors; ++v) sum[i][v] = Ints{};
  }
  const uint8_t* filter = tile.filter;
  for (int run = 0; run < tile.numRuns; ++run) {
    const ptrdiff_t first = tile.runs[run];
    const ptrdiff_t end = first + 4 * static_cast<ptrdiff_t>(tile.runQuads);
    for (ptrdiff_t l = first; l < end; l += 4, filter += kQuadBytes) {
      SplitQuads weights[kBlockVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kBlockVectors; ++v) {
        const Words bytes = LoadWords(filter + v * kVectorBytes);
        if constexpr (kPlanes == 2) {
          weights[v] = JoinWeights(bytes, LoadWords(filter + tile.planeBytes + v * kVectorBytes));
        } else {
          weights[v] = SplitWeights(bytes);
        }
      }
#pragma GCC unroll 4
      for (int i = 0; i < kPixels; ++i) {
        const SplitQuads levels = SplitLevels(BroadcastWord(pixels[i] + l));
#pragma GCC unroll 4
        for (int v = 0; v < kBlockVectors; ++v) {
          sum[i][v] = AddPairs(AddPairs(sum[i][v], levels.even, weights[v].even), levels.odd, weights[v].odd);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < kPixels; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kBlockVectors; ++v) StoreWords(tile.out + i * tile.outStride + v * kLanes, (Words)sum[i][v]);
  }
}

template <int kBlocks, int... kSizes>
void SelectQuads(const DotTile& tile, int pixels) {
  static constexpr void (*kKernels[])(const DotTile&) = {MultiplyQuads<kSizes, kBlocks>...};
  kKernels[pixels - 1](tile);
}

template <int kPlanes, int... kSizes>
void SelectPairs(const DotTile& tile, int pixels) {
  static constexpr void (*kKernels[])(const DotTile&) = {MultiplyPairs<kSizes, kPlanes>...};
  kKernels[pixels - 1](tile);
}

/** Up to a tile of pixels and blocks. */
inline void MultiplyDots(const DotTile& tile, int pixels, int blocks) {
#if defined(__AVX512VNNI__)
  switch (blocks) {
    case 4:
      return SelectQuads<4, 1, 2, 3, 4, 5, 6>(tile, pixels);
    case 3:
      return SelectQuads<3, 1, 2, 3, 4, 5, 6>(tile, pixels);
    case 2:
      return SelectQuads<2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>(tile, pixels);
    default:
      return SelectQuads<1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>(tile, pixels);
  }
#else
  (void)blocks;
  if constexpr (kHasShorts) {
    constexpr int kFewestSteps = 8;
    const int steps = 32767 / LargestPair(tile.weightBits, tile.activationBits);
    if (steps >= kFewestSteps && tile.planes == 1) {
      static constexpr void (*kKernels[])(const DotTile&, int) = {MultiplyShorts<1>, MultiplyShorts<2>, MultiplyShorts<3>,
                                                                  MultiplyShorts<4>};
      return kKernels[pixels - 1](tile, steps);
    }
  }
  if constexpr (kHasQuads) {
    if (QuadsAreExact(tile.weightBits, tile.activationBits)) return SelectQuads<1, 1, 2, 3, 4>(tile, pixels);
  }
  if (tile.planes == 2) {
    SelectPairs<2, 1, 2, 3, 4>(tile, pixels);
  } else {
    SelectPairs<1, 1, 2, 3, 4>(tile, pixels);
  }
#endif
}

}  // namespace subbit::SUBBIT_ISA
