/**
 * What tables and codebook do with the sums of a band, which both leave as [row][column][block][plane][64] 16-bit numbers in the
 * tables' order of lanes (tables-tile.h): outputs come from them, or 32-bit products where 16 bits do not hold everything.
 * And how both cut their work into bands.
 */
#pragma once
#include "band-outputs.h"
#include "tables-walk.h"
#include "thresholds16.h"

namespace subbit::SUBBIT_ISA {

/** A band's sums, and the memory that making outputs of them wants. */
struct BandSums {
  uint16_t* sums;
  /** Of a pixel; where 16 bits do not hold the sums, of the band. */
  int32_t* products;
  int32_t* border;
  int32_t* pixelSums;
  int32_t* windowSums;
  int16_t* thresholds;
};

/** What a call does with its sums. */
struct OutputPlan {
  Epilogue epilogue;
  /** Whether the sums are added up in 32 bits, because 16 do not hold them all. */
  bool isWide;
  bool compares16;
  /** Whether the outputs are 16-bit accumulators that come straight from the sums. */
  bool storesShorts;

  /** `maxSum`: the largest S. */
  OutputPlan(const Epilogue& e, bool isInParts, int weightBits, bool hasOffsets, double maxSum)
      : epilogue(e),
        isWide(isInParts),
        compares16(!isInParts && weightBits == 1 && !hasOffsets && Thresholds16::Fits(e, maxSum, 1)),
        storesShorts(!isInParts && e.kind == kShortAccumulators) {}
};

inline constexpr int kBandSumsParts = 6;

/** Bytes of the parts of BandSums' memory. */
inline void BandSumsSizes(const TableConvolution& c, const OutputPlan& plan, const Band& band, size_t* sizes) {
  const size_t pixels = band.pixels();
  const size_t width = band.blocks.size() * kTableBlock;
  const bool needsSums = plan.epilogue.needsSums();
  sizes[0] = pixels * width * c.weightBits * sizeof(uint16_t);
  sizes[1] = (plan.isWide ? pixels : 1) * width * sizeof(int32_t);
  sizes[2] = RoundToLine(c.w.outChannels * sizeof(int32_t));
  sizes[3] = needsSums ? RoundToLine(RectangleOf(c.w, band).pixels() * sizeof(int32_t)) : 0;
  sizes[4] = needsSums ? RoundToLine(pixels * sizeof(int32_t)) : 0;
  sizes[5] = plan.compares16 ? RoundToLine(Thresholds16::NumRows(plan.epilogue) * width * sizeof(int16_t)) : 0;
}

/** At addresses of such parts. */
inline BandSums BandSumsAt(uint8_t* const* parts) {
  const auto ints = [&](int i) { return reinterpret_cast<int32_t*>(parts[i]); };
  return {reinterpret_cast<uint16_t*>(parts[0]), ints(1), ints(2), ints(3), ints(4), reinterpret_cast<int16_t*>(parts[5])};
}

/** Adds a pixel's 16-bit sums, [block][plane][64], to its products. */
inline void AddSums(const uint16_t* sums, int blocks, int weightBits, int shift, int32_t* products) {
  constexpr int kHalf = kTableBlock / 2;
  for (int b = 0; b < blocks; ++b, products += kTableBlock) {
    for (int m = 0; m < weightBits; ++m, sums += kTableBlock) {
      for (int i = 0; i < kHalf; ++i) {
        const uint16_t odd = sums[kHalf + i];
        const uint16_t even = static_cast<uint16_t>(sums[i] - (odd << 8));
        products[i] += even << (m + shift);
        products[kHalf + i] += odd << (m + shift);
      }
    }
  }
}

/** Band of each task. */
template <class Body>
void ForTableBands(const TableConvolution& c, Pool& pool, const Body& body) {
  constexpr int kTasks = 4;
  constexpr double kProductsPerTask = 1 << 21;
  /** Sums of a band stay in the second-level cache. */
  constexpr double kBandBytes = 256 << 10;
  /** Building a table costs as much as looking this many registers up in it. */
  constexpr double kBuildSteps = 2.5;
  /** What tables that are built twice may cost, as part of the whole. */
  constexpr double kBuiltTwice = 0.04;
  const Windows& w = c.w;
  const int columns = c.groupBlocks() * c.weightBits;
  const double outputs = static_cast<double>(w.batch) * w.outHeight * w.outWidth * w.outChannels;
  const double products = outputs * w.taps() * w.groupInputs();
  const double wanted = products > kTasks * kProductsPerTask ? kTasks : 1 + products / kProductsPerTask;
  const int lines = w.outHeight > 1 ? w.outHeight : w.outWidth;
  const int halo = w.outHeight > 1 ? Max(0, (w.kernelHeight - 1) * w.dilation + 1 - w.stride) : 0;
  const double leastLines = Max(1.0, halo * kBuildSteps / (w.taps() * columns) / kBuiltTwice);
  const double bandBytes = static_cast<double>(w.outHeight) * w.outWidth * columns * kTableBlock * sizeof(uint16_t);
  int bands = 1;
  while (bandBytes / bands > kBandBytes && 2 * bands <= lines) bands *= 2;
  while (bands * w.batch * w.groups < wanted && 2 * bands * leastLines <= lines) bands *= 2;
  int ranges = 1;
  while (ranges * bands * w.batch * w.groups < wanted && 2 * ranges <= c.groupBlocks()) ranges *= 2;
  pool.Run(w.batch * bands * w.groups * ranges, [&](int task, int thread) {
    const int pixels = task / ranges;
    const Range cut = PartOf(pixels / w.groups % bands, bands, lines);
    Band band;
    band.n = pixels / w.groups / bands;
    band.rows = w.outHeight > 1 ? cut : Range{0, 1};
    band.columns = w.outHeight > 1 ? Range{0, w.outWidth} : cut;
    band.group = pixels % w.groups;
    band.blocks = PartOf(task % ranges, ranges, c.groupBlocks());
    body(band, thread);
  });
}

/**
 * Writes the outputs of a band from its sums times 2^shift, or adds these to the products if there are more to come.
 */
inline void FinishBand(const TableConvolution& c, const OutputPlan& plan, const Band& band, int shift, bool isLast,
                       const BandSums& scratch, BorderTerm& border) {
  const Windows& w = c.w;
  const int blocks = band.blocks.size();
  const ptrdiff_t width = blocks * kTableBlock;
  PixelRun run;
  run.firstChannel = band.group * w.groupOutputs() + band.blocks.first * kTableBlock;
  run.count = Min(width, w.groupOutputs() - band.blocks.first * kTableBlock);
  run.stride = width;
  run.pixels = 1;
  run.windowSums = nullptr;
  int oh = band.rows.first;
  int ow = band.columns.first;
  for (int i = 0; i < band.pixels(); ++i, ++ow) {
    if (ow == band.columns.end) {
      ow = band.columns.first;
      ++oh;
    }
    int32_t* products = scratch.products + (plan.isWide ? i * width : 0);
    if (!plan.isWide) Clear(products, width);
    AddSums(scratch.sums + i * width * c.weightBits, blocks, c.weightBits, shift, products);
    if (!isLast) continue;
    run.products = products;
    run.pixel = (static_cast<ptrdiff_t>(band.n) * w.outHeight + oh) * w.outWidth + ow;
    if (plan.epilogue.needsSums()) run.windowSums = scratch.windowSums + i;
    run.border = border.At(oh, ow, run.firstChannel, run.firstChannel + run.count);
    Finish(plan.epilogue, run);
  }
}

/** The same for thresholds on 16-bit accumulators. */
inline void CompareBand(const TableConvolution& c, const OutputPlan& plan, const Band& band, const BandSums& scratch) {
  const Windows& w = c.w;
  const int blocks = band.blocks.size();
  const int firstChannel = band.group * w.groupOutputs() + band.blocks.first * kTableBlock;
  const int count = Min(blocks * kTableBlock, w.groupOutputs() - band.blocks.first * kTableBlock);
  const Thresholds16 thresholds(plan.epilogue, firstChannel, count, blocks * kTableBlock, scratch.thresholds);
  const uint16_t* sums = scratch.sums;
  const int32_t* windowSums = plan.epilogue.needsSums() ? scratch.windowSums : nullptr;
  for (int row = band.rows.first; row < band.rows.end; ++row) {
    const ptrdiff_t pixel = (static_cast<ptrdiff_t>(band.n) * w.outHeight + row) * w.outWidth + band.columns.first;
    uint8_t* y = plan.epilogue.y.u8() + pixel * w.outChannels + firstChannel;
    for (int i = 0; i < band.columns.size(); ++i, y += w.outChannels) {
      const int32_t windowSum = windowSums == nullptr ? 0 : *windowSums++;
      for (int k = 0; k < count; k += kTableBlock, sums += kTableBlock) {
        thresholds.Finish(sums, windowSum, k, Min(kTableBlock, count - k), y + k);
      }
    }
  }
}

typedef Lanes<uint16_t, kTableBlock / 2> HalfBlock;

/** Changes the sign of the accumulators of some channels. */
inline void Turn(HalfBlock& acc, const int32_t* turned) {
  const HalfBlock mask = __builtin_convertvector(LoadLanes<kTableBlock / 2>(turned), HalfBlock);
  acc = (acc ^ mask) - mask;
}

/**
 * 16-bit accumulators of one block of a pixel from its sums, [plane][64]. They fit, so arithmetic that wraps around is exact.
 * `turned` and `border` are the block's, or null.
 */
inline void ShortAccumulators(const Epilogue& e, const uint16_t* sums, int weightBits, uint16_t windowTerm, const int32_t* turned,
                              const int32_t* border, int16_t* y) {
  constexpr int kHalf = kTableBlock / 2;
  HalfBlock first = {};
  HalfBlock second = {};
  for (int m = 0; m < weightBits; ++m, sums += kTableBlock) {
    const HalfBlock odd = LoadLanes<kHalf>(sums + kHalf);
    first += (LoadLanes<kHalf>(sums) - (odd << 8)) << m;
    second += odd << m;
  }
  first = first * static_cast<uint16_t>(e.productFactor) - windowTerm;
  second = second * static_cast<uint16_t>(e.productFactor) - windowTerm;
  if (turned != nullptr) {
    Turn(first, turned);
    Turn(second, turned + kHalf);
  }
  if (border != nullptr) {
    first -= __builtin_convertvector(LoadLanes<kHalf>(border), HalfBlock);
    second -= __builtin_convertvector(LoadLanes<kHalf>(border + kHalf), HalfBlock);
  }
  StoreLanes<kHalf>(reinterpret_cast<uint16_t*>(y), first);
  StoreLanes<kHalf>(reinterpret_cast<uint16_t*>(y + kHalf), second);
}

/** The 16-bit accumulators of a band. */
inline void StoreShorts(const TableConvolution& c, const OutputPlan& plan, const Band& band, const BandSums& scratch, BorderTerm& border) {
  const Windows& w = c.w;
  const Epilogue e = plan.epilogue;
  const int firstChannel = band.group * w.groupOutputs() + band.blocks.first * kTableBlock;
  const int count = Min(band.blocks.size() * kTableBlock, w.groupOutputs() - band.blocks.first * kTableBlock);
  const uint16_t* sums = scratch.sums;
  const int32_t* windowSums = e.needsSums() ? scratch.windowSums : nullptr;
  for (int oh = band.rows.first; oh < band.rows.end; ++oh) {
    const ptrdiff_t pixel = (static_cast<ptrdiff_t>(band.n) * w.outHeight + oh) * w.outWidth + band.columns.first;
    int16_t* y = e.y.i16() + pixel * w.outChannels + firstChannel;
    for (int ow = band.columns.first; ow < band.columns.end; ++ow, y += w.outChannels) {
      const uint16_t windowTerm = static_cast<uint16_t>(e.sumFactor * static_cast<uint32_t>(windowSums == nullptr ? 0 : *windowSums++));
      const int32_t* taken = border.At(oh, ow, firstChannel, firstChannel + count);
      for (int k = 0; k < count; k += kTableBlock, sums += kTableBlock * c.weightBits) {
        const int32_t* of = taken == nullptr ? nullptr : taken + firstChannel + k;
        const int32_t* turned = e.turned == nullptr ? nullptr : e.turned + firstChannel + k;
        if (count - k >= kTableBlock) {
          ShortAccumulators(e, sums, c.weightBits, windowTerm, turned, of, y + k);
          continue;
        }
        int16_t block[kTableBlock];
        ShortAccumulators(e, sums, c.weightBits, windowTerm, nullptr, nullptr, block);
        for (int i = 0; i < count - k; ++i) {
          const int acc = turned == nullptr || turned[i] == 0 ? block[i] : -block[i];
          y[k + i] = static_cast<int16_t>(acc - (of == nullptr ? 0 : of[i]));
        }
      }
    }
  }
}

/** The outputs of a band from its sums times 2^shift; `isLast` if there are no more sums to come. */
inline void MakeOutputs(const TableConvolution& c, const OutputPlan& plan, const Band& band, int shift, bool isLast,
                        const BandSums& scratch, BorderTerm& border) {
  if (plan.compares16) return CompareBand(c, plan, band, scratch);
  if (plan.storesShorts) return StoreShorts(c, plan, band, scratch, border);
  FinishBand(c, plan, band, shift, isLast, scratch, border);
}

}  // namespace subbit::SUBBIT_ISA
