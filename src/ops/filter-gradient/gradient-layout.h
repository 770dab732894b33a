/** What the packing and the product of conv2d-filter-gradient-dot share: where the operands lie (filter-gradient.ts). */
#pragma once
#include "../packed-conv2d/dot-simd.h"
#include "ops.h"

namespace subbit::SUBBIT_ISA {

/** Output channels of a register block, the same for all instruction sets. */
inline constexpr int kGradientBlock = 16;

/** Whether the best product of an instruction set is that of 16-bit integers (dot-simd.h). */
inline constexpr bool kMayJoin = !kHasQuads && !kHasShorts;

struct GradientLayout {
  Conv2dFilterGradientDotParams p;
  /** Output pixels. */
  int pixels;
  int quads;
  int blocks;
  /** Rows of the result: taps x channels. */
  int rows;
  ptrdiff_t sampleBytes;
  /** Where the upper one of two joined channels begins (joined-tile.h); 0: every channel has bytes of its own. */
  int joinShift;

  ptrdiff_t blockBytes() const { return static_cast<ptrdiff_t>(quads) * 4 * kGradientBlock; }
  ptrdiff_t planeOffset(int kw, int c) const { return (static_cast<ptrdiff_t>(kw) * p.inChannels + c) * p.planeBytes; }
  /** What the rows of a tap multiply, from the sample's first plane: the next channel's bytes are planeBytes further on. */
  ptrdiff_t tapOffset(int tap) const {
    const int kh = tap / p.kernelWidth;
    const ptrdiff_t start = kh % p.period * p.sectionRows + kh / p.period * p.rowStep;
    return planeOffset(tap % p.kernelWidth, 0) + start * p.outWidth * elementBytes();
  }
  bool isJoined() const { return kMayJoin && joinShift != 0; }
  int elementBytes() const { return isJoined() ? 2 : 1; }
  uint8_t* gradientOf(uint8_t* block, int sample) const { return block + sample * sampleBytes; }
  uint8_t* imageOf(uint8_t* block, int sample) const { return block + sample * sampleBytes + p.gradientBytes; }
  int32_t* sumsOf(uint8_t* block, int sample) const {
    return reinterpret_cast<int32_t*>(imageOf(block, sample) + p.imageBytes);
  }
  /** Whether bytes of the gradient lack half of the integer. */
  bool needsSums() const { return p.dyMax > 127; }
};

/** The gradient's largest byte. */
inline int LargestGradient(int dyMax) { return Min(dyMax, 128); }

/** How many quads of pixels a joined sum may take before its lower half has to be read. */
inline int QuadsPerSplit(const Conv2dFilterGradientDotParams& p, int shift) {
  return ((1 << (shift - 1)) - 1) / (4 * ((1 << p.xBits) - 1) * LargestGradient(p.dyMax));
}

/** With fewer, reading takes longer than the products that are saved. */
inline constexpr int kFewestQuadsPerSplit = 2;

/** With these, 16 bits hold two levels of three bits, and of two (or one). */
inline constexpr int kLowShift = 12, kHighShift = 13;

/** 0 where channels are not to be joined; else such that neither half of the sum overflows. */
inline int JoinShift(const Conv2dFilterGradientDotParams& p, int pixels) {
  if (!kMayJoin || p.inChannels % 2 != 0 || p.xBits > 3) return 0;
  const int shift = p.xBits == 3 ? kLowShift : kHighShift;
  if (QuadsPerSplit(p, shift) < kFewestQuadsPerSplit) return 0;
  const int64_t largest = static_cast<int64_t>(pixels) * ((1 << p.xBits) - 1) * LargestGradient(p.dyMax);
  return largest * ((1 << shift) + 1) < int64_t{1} << 31 ? shift : 0;
}

inline GradientLayout MakeGradientLayout(const Conv2dFilterGradientDotParams& p) {
  GradientLayout g;
  g.p = p;
  g.pixels = p.outHeight * p.outWidth;
  g.quads = CeilDiv(g.pixels, 4);
  g.blocks = CeilDiv(p.outChannels, kGradientBlock);
  g.rows = p.kernelHeight * p.kernelWidth * p.inChannels;
  g.sampleBytes = static_cast<ptrdiff_t>(p.gradientBytes) + p.imageBytes + p.sumBytes;
  g.joinShift = JoinShift(p, g.pixels);
  return g;
}

}  // namespace subbit::SUBBIT_ISA
