/**
 * The micro-kernel of bit planes: windows of some output pixels times one or two blocks of output channels.
 *
 * With weight bits w_m and activation bits a_k of a window, P = sum over m, k of 2^(m+k) popcount(w_m and a_k). Because
 * 2 popcount(w and a) = popcount(w) + popcount(a) - popcount(w xor a), and the sum of the a_k weighted with 2^k is the
 * window sum S,
 *
 *     2 P = (2^A - 1) * sum_m 2^m popcount(w_m)  +  (2^W - 1) * S  -  sum_{m,k} 2^(m+k) popcount(w_m xor a_k)
 *
 * The kernel gives D, the first term (constant per output channel) minus the last. For bipolar weights the term in S is just
 * what the accumulator subtracts again: acc = productFactor / 2 * D, and nobody computes S.
 *
 * The sums of equal m + k run over one set of counters, which doubles from one sum to the next lower.
 *
 * AVX-512 counts words: three instructions per 512 products on four ports, and 7 x 2 registers of counters, so that loads
 * (nine per 14) do not matter: 98 % of that ceiling. Two words through a full adder before counting (five instructions for
 * both) are no faster there. The other sets need several instructions to count bytes, so that in long windows adders pay: of
 * four words, two adders and one of the twos leave one to be counted (AVX2, 72 words and more: 550 GMAC/s against 505
 * without; adders for two or eight words: 535, 525). In short windows their remainders eat the gain.
 */
#pragma once
#include "simd.h"
#include "windows.h"

namespace subbit::SUBBIT_ISA {

struct PlaneTile {
  /** First word of each pixel's window; plane k follows k * pixelPlane bytes later. */
  const uint8_t* const* pixels;
  ptrdiff_t pixelPlane;
  /** Bytes from there to pair (two words) j of the window. */
  const int32_t* offsets;
  int pairs;
  /** Block: [weight plane][pair][2][kBlock] words; the next one is blockBytes further on. */
  const uint8_t* filter;
  ptrdiff_t blockBytes;
  /** sum_m 2^m popcount(w_m) of each output channel. */
  const int32_t* weightSums;
  int weightBits;
  int activationBits;
  /** D of pixel i and channel c: out[i * outStride + c]. */
  int32_t* out;
  ptrdiff_t outStride;
};

inline constexpr int kPairBytes = 2 * kBlock * 4;

/** The weight planes m with an activation plane sum - m. */
inline Range PlanesOfSum(const PlaneTile& tile, int sum) {
  return {Max(0, sum - tile.activationBits + 1), Min(tile.weightBits - 1, sum) + 1};
}

#if defined(__AVX512VPOPCNTDQ__)

inline constexpr int kPlanePixels = 7;
inline constexpr int kPlaneBlocks = 2;

template <int kBlocks, int kPixels>
void CountTile(const PlaneTile& shared) {
  const PlaneTile tile = shared;
  const uint8_t* pixels[kPixels];
#pragma GCC unroll 8
  for (int i = 0; i < kPixels; ++i) pixels[i] = tile.pixels[i];
  Words count[kPixels][kBlocks];
#pragma GCC unroll 8
  for (int i = 0; i < kPixels; ++i) {
#pragma GCC unroll 2
    for (int b = 0; b < kBlocks; ++b) count[i][b] = Words{};
  }
  for (int sum = tile.weightBits + tile.activationBits - 2; sum >= 0; --sum) {
    const Range planes = PlanesOfSum(tile, sum);
#pragma GCC unroll 8
    for (int i = 0; i < kPixels; ++i) {
#pragma GCC unroll 2
      for (int b = 0; b < kBlocks; ++b) count[i][b] += count[i][b];
    }
    for (int m = planes.first; m < planes.end; ++m) {
      const uint8_t* filter = tile.filter + static_cast<ptrdiff_t>(m) * tile.pairs * kPairBytes;
      const ptrdiff_t plane = (sum - m) * tile.pixelPlane;
      for (int j = 0; j < tile.pairs; ++j) {
        const ptrdiff_t offset = plane + tile.offsets[j];
#pragma GCC unroll 2
        for (int word = 0; word < 2; ++word) {
          Words weights[kBlocks];
#pragma GCC unroll 2
          for (int b = 0; b < kBlocks; ++b) weights[b] = LoadWords(filter + word * kBlock * 4 + b * tile.blockBytes);
#pragma GCC unroll 8
          for (int i = 0; i < kPixels; ++i) {
            const Words bits = BroadcastWord(pixels[i] + offset + word * 4);
#pragma GCC unroll 2
            for (int b = 0; b < kBlocks; ++b) count[i][b] += CountWords(bits ^ weights[b]);
          }
        }
        filter += kPairBytes;
      }
    }
  }
  const uint32_t maxLevel = (1u << tile.activationBits) - 1;
#pragma GCC unroll 2
  for (int b = 0; b < kBlocks; ++b) {
    const Words constant = LoadWords(tile.weightSums + b * kBlock) * maxLevel;
#pragma GCC unroll 8
    for (int i = 0; i < kPixels; ++i) StoreWords(tile.out + i * tile.outStride + b * kBlock, constant - count[i][b]);
  }
}

template <int kBlocks, int... kSizes>
void SelectCountTile(const PlaneTile& tile, int pixels) {
  static constexpr void (*kKernels[])(const PlaneTile&) = {CountTile<kBlocks, kSizes>...};
  kKernels[pixels - 1](tile);
}

/** 1 .. kPlanePixels pixels times 1 .. kPlaneBlocks blocks. */
inline void CountPlanes(const PlaneTile& tile, int pixels, int blocks) {
  if (blocks == 2) {
    SelectCountTile<2, 1, 2, 3, 4, 5, 6, 7>(tile, pixels);
  } else {
    SelectCountTile<1, 1, 2, 3, 4, 5, 6, 7>(tile, pixels);
  }
}

#else

inline constexpr int kPlanePixels = 8;
inline constexpr int kPlaneBlocks = 1;

/** Vectors of output channels at once: the adders' state and operands fill sixteen registers. */
inline constexpr int kPlaneVectors = 2;

/** Adds bits x and y to the bits `ones` and returns the carries. */
inline Words AddBits(Words* ones, Words x, Words y) {
  const Words either = x ^ y;
  const Words carry = (x & y) | (either & *ones);
  *ones ^= either;
  return carry;
}

/** Counts of one pixel and kPlaneVectors vectors, of which firstFilter is the first. */
inline void CountVectors(const PlaneTile& tile, const uint8_t* pixel, const uint8_t* firstFilter, Words* count) {
  // A byte takes at most 8 per step.
  constexpr int kStepsPerSum = 31;
  for (int sum = tile.weightBits + tile.activationBits - 2; sum >= 0; --sum) {
    const Range planes = PlanesOfSum(tile, sum);
    for (int v = 0; v < kPlaneVectors; ++v) count[v] += count[v];
    for (int m = planes.first; m < planes.end; ++m) {
      const uint8_t* filter = firstFilter + static_cast<ptrdiff_t>(m) * tile.pairs * kPairBytes;
      const uint8_t* bits = pixel + (sum - m) * tile.pixelPlane;
      const auto different = [&](int j, int word, int v) {
        const uint8_t* weights = filter + static_cast<ptrdiff_t>(j) * kPairBytes + word * kBlock * 4 + v * kVectorBytes;
        return BroadcastWord(bits + tile.offsets[j] + word * 4) ^ LoadWords(weights);
      };
      Words ones[kPlaneVectors] = {};
      Words twos[kPlaneVectors] = {};
      Words fours[kPlaneVectors] = {};
      int j = 0;
      while (j + 1 < tile.pairs) {
        const int end = Min(j + 2 * kStepsPerSum, tile.pairs & ~1);
        Bytes bytes[kPlaneVectors] = {};
        for (; j < end; j += 2) {
#pragma GCC unroll 2
          for (int v = 0; v < kPlaneVectors; ++v) {
            const Words low = AddBits(&ones[v], different(j, 0, v), different(j, 1, v));
            const Words high = AddBits(&ones[v], different(j + 1, 0, v), different(j + 1, 1, v));
            bytes[v] += CountBytes(AddBits(&twos[v], low, high));
          }
        }
        for (int v = 0; v < kPlaneVectors; ++v) fours[v] += SumBytes(bytes[v]);
      }
      for (int v = 0; v < kPlaneVectors; ++v) {
        Bytes rest = CountBytes(ones[v]) + CountBytes(twos[v]) * 2;
        if (j < tile.pairs) rest += CountBytes(different(j, 0, v)) + CountBytes(different(j, 1, v));
        count[v] += fours[v] * 4 + SumBytes(rest);
      }
    }
  }
}

/** Pairs of words whose counts a byte holds. */
inline constexpr int kShortPairs = 15;

/** Counts of windows of at most kShortPairs: the adders' remainders would cost more than they save. */
template <int kPixels>
inline void CountShortVectors(const PlaneTile& tile, const uint8_t* const* pixels, const uint8_t* firstFilter,
                              Words (*count)[kPlaneVectors]) {
  for (int sum = tile.weightBits + tile.activationBits - 2; sum >= 0; --sum) {
    const Range planes = PlanesOfSum(tile, sum);
#pragma GCC unroll 2
    for (int i = 0; i < kPixels; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kPlaneVectors; ++v) count[i][v] += count[i][v];
    }
    for (int m = planes.first; m < planes.end; ++m) {
      const uint8_t* filter = firstFilter + static_cast<ptrdiff_t>(m) * tile.pairs * kPairBytes;
      const ptrdiff_t plane = (sum - m) * tile.pixelPlane;
      Bytes bytes[kPixels][kPlaneVectors] = {};
      for (int j = 0; j < tile.pairs; ++j, filter += kPairBytes) {
        const ptrdiff_t offset = plane + tile.offsets[j];
#pragma GCC unroll 2
        for (int word = 0; word < 2; ++word) {
#pragma GCC unroll 2
          for (int v = 0; v < kPlaneVectors; ++v) {
            const Words weights = LoadWords(filter + word * kBlock * 4 + v * kVectorBytes);
#pragma GCC unroll 2
            for (int i = 0; i < kPixels; ++i) {
              bytes[i][v] += CountBytes(BroadcastWord(pixels[i] + offset + word * 4) ^ weights);
            }
          }
        }
      }
#pragma GCC unroll 2
      for (int i = 0; i < kPixels; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < kPlaneVectors; ++v) count[i][v] += SumBytes(bytes[i][v]);
      }
    }
  }
}

/** kPixels pixels times one block. A function of its own, so that its registers are its own. */
template <int kPixels>
__attribute__((noinline)) void CountBlock(const PlaneTile& tile, int first) {
  const uint32_t maxLevel = (1u << tile.activationBits) - 1;
  for (int c = 0; c < kBlock; c += kPlaneVectors * kLanes) {
    Words count[kPixels][kPlaneVectors] = {};
    if (tile.pairs <= kShortPairs) {
      CountShortVectors<kPixels>(tile, tile.pixels + first, tile.filter + c * 4, count);
    } else {
      for (int i = 0; i < kPixels; ++i) CountVectors(tile, tile.pixels[first + i], tile.filter + c * 4, count[i]);
    }
    for (int i = 0; i < kPixels; ++i) {
      for (int v = 0; v < kPlaneVectors; ++v) {
        const int lane = c + v * kLanes;
        const Words different = count[i][v];
        StoreWords(tile.out + (first + i) * tile.outStride + lane, LoadWords(tile.weightSums + lane) * maxLevel - different);
      }
    }
  }
}

/** 1 .. kPlanePixels pixels times one block. */
inline void CountPlanes(const PlaneTile& tile, int pixels, int) {
  int i = 0;
  for (; i + 2 <= pixels; i += 2) CountBlock<2>(tile, i);
  if (i < pixels) CountBlock<1>(tile, i);
}

#endif

}  // namespace subbit::SUBBIT_ISA
