/** What the packing and the product of conv2d-filter-gradient-dot share: where the operands lie (filter-gradient.ts). */
#pragma once
#include "../packed-conv2d/dot-simd.h"
#include "ops.h"

namespace subbit::SUBBIT_ISA {

/** Output channels of a register block, the same for all instruction sets. */
inline constexpr int kGradientBlock = 16;

struct GradientLayout {
  Conv2dFilterGradientDotParams p;
  /** Output pixels. */
  int pixels;
  int quads;
  int blocks;
  /** Rows of the result: taps x channels. */
  int rows;
  /** Filter row kh reads section kh % period, and there from row kh / period * rowStep on. */
  int period;
  int sections;
  int sectionRows;
  int rowStep;
  ptrdiff_t sampleBytes;

  ptrdiff_t blockBytes() const { return static_cast<ptrdiff_t>(quads) * 4 * kGradientBlock; }
  ptrdiff_t planeOffset(int kw, int c) const { return (static_cast<ptrdiff_t>(kw) * p.inChannels + c) * p.planeBytes; }
  /** What the rows of a tap multiply, from the sample's first plane: the next channel's bytes are planeBytes further on. */
  ptrdiff_t tapOffset(int tap) const {
    const int kh = tap / p.kernelWidth;
    const ptrdiff_t start = kh % period * sectionRows + kh / period * rowStep;
    return planeOffset(tap % p.kernelWidth, 0) + start * p.outWidth;
  }
  uint8_t* gradientOf(uint8_t* block, int sample) const { return block + sample * sampleBytes; }
  uint8_t* imageOf(uint8_t* block, int sample) const { return block + sample * sampleBytes + p.gradientBytes; }
  int32_t* sumsOf(uint8_t* block, int sample) const {
    return reinterpret_cast<int32_t*>(imageOf(block, sample) + p.imageBytes);
  }
  /** Whether bytes of the gradient lack half of the integer. */
  bool needsSums() const { return p.dyMax > 127; }
};

inline int GreatestCommonDivisor(int a, int b) { return b == 0 ? a : GreatestCommonDivisor(b, a % b); }

inline GradientLayout MakeGradientLayout(const Conv2dFilterGradientDotParams& p) {
  GradientLayout g;
  g.p = p;
  g.pixels = p.outHeight * p.outWidth;
  g.quads = CeilDiv(g.pixels, 4);
  g.blocks = CeilDiv(p.outChannels, kGradientBlock);
  g.rows = p.kernelHeight * p.kernelWidth * p.inChannels;
  const int divisor = GreatestCommonDivisor(p.stride, p.dilation);
  g.period = p.stride / divisor;
  g.rowStep = p.dilation / divisor;
  g.sections = Min(p.kernelHeight, g.period);
  g.sectionRows = p.outHeight + (CeilDiv(p.kernelHeight, g.period) - 1) * g.rowStep;
  g.sampleBytes = static_cast<ptrdiff_t>(p.gradientBytes) + p.imageBytes + p.sumBytes;
  return g;
}

}  // namespace subbit::SUBBIT_ISA
