/**
 * The micro-kernel of conv2d-filter-gradient-dot: some rows (bytes of the image) times some blocks of channels of the
 * gradient, summed over the pixels of a sample; the sums of some samples are scaled and added up in float.
 */
#pragma once
#include "../packed-conv2d/dot-tile.h"
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

inline constexpr int kTileBlocks = kLanes == 16 ? 4 : 1;
inline constexpr int kMaxTileRows = kLanes == 16 ? 12 : kDotPixels;
/** Whole tiles of every size. */
inline constexpr int kRowsPerUnit = kLanes == 16 ? 24 : kDotPixels;

#if defined(__AVX512VNNI__)
inline constexpr int TileRows(int blocks) { return blocks == 4 ? 6 : blocks == 3 ? 8 : 12; }

template <int kRows, int kBlocks>
void AddProducts(const GradientTile& shared) {
  const GradientTile tile = shared;
  const uint8_t* rows[kRows];
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) rows[i] = tile.rows[i];
  const int32_t* sums = tile.sums;
  const uint8_t* gradient = tile.gradient;
  const ptrdiff_t end = 4 * static_cast<ptrdiff_t>(tile.quads);
  for (int n = 0; n < tile.samples; ++n) {
    Ints sum[kRows][kBlocks];
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < kBlocks; ++v) sum[i][v] = Ints{};
    }
    const uint8_t* weights = gradient;
    for (ptrdiff_t l = 0; l < end; l += 4, weights += 4 * kGradientBlock) {
      Words w[kBlocks];
#pragma GCC unroll 4
      for (int v = 0; v < kBlocks; ++v) w[v] = LoadWords(weights + v * tile.blockBytes);
#pragma GCC unroll 12
      for (int i = 0; i < kRows; ++i) {
        const Words levels = BroadcastWord(rows[i] + l);
#pragma GCC unroll 4
        for (int v = 0; v < kBlocks; ++v) sum[i][v] = AddQuads(sum[i][v], levels, w[v]);
      }
    }
    const Vec scale = Vec{} + tile.scales[n] * tile.factor;
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      float* out = tile.out + i * tile.stride;
      if (tile.sumFactor != 0) {
        const Ints rest = Ints{} + tile.sumFactor * sums[i];
#pragma GCC unroll 4
        for (int v = 0; v < kBlocks; ++v) sum[i][v] = sum[i][v] * 2 + rest;
      }
#pragma GCC unroll 4
      for (int v = 0; v < kBlocks; ++v) {
        Store(out + v * kLanes, Load(out + v * kLanes) + __builtin_convertvector(sum[i][v], Vec) * scale);
      }
      rows[i] += tile.sampleBytes;
    }
    gradient += tile.sampleBytes;
    sums = reinterpret_cast<const int32_t*>(reinterpret_cast<const uint8_t*>(sums) + tile.sampleBytes);
  }
}

template <int kBlocks, int... kSizes>
void SelectRows(const GradientTile& tile, int rows) {
  static constexpr void (*kKernels[])(const GradientTile&) = {AddProducts<kSizes, kBlocks>...};
  kKernels[rows - 1](tile);
}

inline void AddTile(const GradientTile& tile, int rows, int blocks) {
  switch (blocks) {
    case 4:
      return SelectRows<4, 1, 2, 3, 4, 5, 6>(tile, rows);
    case 3:
      return SelectRows<3, 1, 2, 3, 4, 5, 6, 7, 8>(tile, rows);
    case 2:
      return SelectRows<2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>(tile, rows);
    default:
      return SelectRows<1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>(tile, rows);
  }
}
#else
inline constexpr int TileRows(int) { return kDotPixels; }

/** By the kernels of convolution, whose pixels are the rows here. */
inline void AddTile(const GradientTile& tile, int rows, int blocks) {
  (void)blocks;
  alignas(64) int32_t sums[kDotPixels * kGradientBlock];
  const int32_t run = 0;
  DotTile product;
  product.runs = &run;
  product.numRuns = 1;
  product.runQuads = tile.quads;
  product.planeBytes = 0;
  product.blockBytes = tile.blockBytes;
  product.planes = 1;
  product.weightBits = tile.dyBits;
  product.activationBits = tile.xBits;
  product.out = sums;
  product.outStride = kGradientBlock;
  const uint8_t* pixels[kDotPixels];
  for (int n = 0; n < tile.samples; ++n) {
    const ptrdiff_t sample = n * tile.sampleBytes;
    for (int i = 0; i < rows; ++i) pixels[i] = tile.rows[i] + sample;
    product.pixels = pixels;
    product.filter = tile.gradient + sample;
    MultiplyDots(product, rows, 1);
    const int32_t* rowSums = reinterpret_cast<const int32_t*>(reinterpret_cast<const uint8_t*>(tile.sums) + sample);
    const float scale = tile.scales[n] * tile.factor;
    for (int i = 0; i < rows; ++i) {
      float* __restrict out = tile.out + i * tile.stride;
      const int32_t* own = sums + i * kGradientBlock;
      if (tile.sumFactor == 0) {
        for (int k = 0; k < kGradientBlock; ++k) out[k] += static_cast<float>(own[k]) * scale;
      } else {
        const int32_t rest = tile.sumFactor * rowSums[i];
        for (int k = 0; k < kGradientBlock; ++k) out[k] += static_cast<float>(2 * own[k] + rest) * scale;
      }
    }
  }
}
#endif

}  // namespace subbit::SUBBIT_ISA
