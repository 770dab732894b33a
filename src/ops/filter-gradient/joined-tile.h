/**
 * The micro-kernel of conv2d-filter-gradient-dot where products of 16-bit integers are the best there are, for levels of so few
 * bits that one integer holds those of two channels, a + 2^s b. One product then serves two rows of the result:
 *
 *     sum g (a + 2^s b) = A + 2^s B,   A = sum g a,   B = sum g b
 *
 * A grows larger than s bits, but from time to time it is read: as long as it has changed by less than 2^(s - 1) since, the lower s
 * bits of the sum less the A of then are its change, as a signed integer. B is what is left in the end.
 */
#pragma once
#include "gradient-tile.h"

namespace subbit::SUBBIT_ISA {

/** Rows of a tile: half as many sums for each register of a block, and room for the operands of a step. */
inline constexpr int kJoinedRows = kRegisters == 32 ? 8 : 4;

typedef int8_t HalfBytes __attribute__((vector_size(kVectorBytes / 2)));

/** Two pixels of a register of channels. */
inline Shorts LoadPairs(const uint8_t* p) { return __builtin_convertvector(LoadAs<HalfBytes>(p), Shorts); }

/** One step at a time: V8 would load the operands of two before the first product, and keep sums in memory for want of registers. */
template <int kPairs, int kShift>
void AddJoined(const GradientTile& shared, int quadsPerSplit) {
  const GradientTile tile = shared;
  constexpr int kOthers = 32 - kShift;
  const ptrdiff_t end = 4 * static_cast<ptrdiff_t>(tile.quads);
  const uint8_t* gradient = tile.gradient;
  const int32_t* sums = tile.sums;
  ptrdiff_t image = 0;
  for (int n = 0; n < tile.samples; ++n) {
    Ints sum[kPairs][kBlockRegisters];
    Ints low[kPairs][kBlockRegisters];
    const uint8_t* rows[kPairs];
#pragma GCC unroll 4
    for (int i = 0; i < kPairs; ++i) {
      rows[i] = tile.rows[2 * i] + image;
#pragma GCC unroll 4
      for (int v = 0; v < kBlockRegisters; ++v) sum[i][v] = low[i][v] = Ints{};
    }
    const uint8_t* weights = gradient;
    for (ptrdiff_t l = 0; l < end;) {
      const ptrdiff_t stop = end - l <= 4 * quadsPerSplit ? end : l + 4 * quadsPerSplit;
#pragma GCC unroll 1
      for (; l < stop; l += 2, weights += 2 * kGradientBlock) {
        Shorts w[kBlockRegisters];
#pragma GCC unroll 4
        for (int v = 0; v < kBlockRegisters; ++v) w[v] = LoadPairs(weights + v * (kVectorBytes / 2));
#pragma GCC unroll 4
        for (int i = 0; i < kPairs; ++i) {
          const Shorts levels = (Shorts)BroadcastWord(rows[i] + 2 * l);
#pragma GCC unroll 4
          for (int v = 0; v < kBlockRegisters; ++v) sum[i][v] = AddPairs(sum[i][v], levels, w[v]);
        }
      }
#pragma GCC unroll 4
      for (int i = 0; i < kPairs; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < kBlockRegisters; ++v) low[i][v] += (sum[i][v] - low[i][v]) << kOthers >> kOthers;
      }
    }
    const Vec scale = Vec{} + tile.scales[n] * tile.factor;
#pragma GCC unroll 4
    for (int i = 0; i < kPairs; ++i) {
      float* out = tile.out + 2 * i * tile.stride;
#pragma GCC unroll 4
      for (int v = 0; v < kBlockRegisters; ++v, out += kLanes) {
        Ints lower = low[i][v];
        Ints upper = (sum[i][v] - lower) >> kShift;
        if (tile.sumFactor != 0) {
          lower = lower * 2 + tile.sumFactor * sums[2 * i];
          upper = upper * 2 + tile.sumFactor * sums[2 * i + 1];
        }
        Store(out, Load(out) + __builtin_convertvector(lower, Vec) * scale);
        Store(out + tile.stride, Load(out + tile.stride) + __builtin_convertvector(upper, Vec) * scale);
      }
    }
    image += tile.sampleBytes;
    gradient += tile.sampleBytes;
    sums += tile.sampleBytes / static_cast<ptrdiff_t>(sizeof(int32_t));
  }
}

template <int... kSizes>
void SelectJoined(const GradientTile& tile, int shift, int quadsPerSplit, int pairs) {
  static constexpr void (*kKernels[2][sizeof...(kSizes)])(const GradientTile&, int) = {{AddJoined<kSizes, kLowShift>...},
                                                                                       {AddJoined<kSizes, kHighShift>...}};
  kKernels[shift == kHighShift][pairs - 1](tile, quadsPerSplit);
}

/** Up to a tile of rows, an even number. */
inline void AddJoinedTile(const GradientTile& tile, int shift, int quadsPerSplit, int rows) {
  if constexpr (kJoinedRows == 8) {
    SelectJoined<1, 2, 3, 4>(tile, shift, quadsPerSplit, rows / 2);
  } else {
    SelectJoined<1, 2>(tile, shift, quadsPerSplit, rows / 2);
  }
}

}  // namespace subbit::SUBBIT_ISA
