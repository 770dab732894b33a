/**
 * Convolution by look-up tables: tables-walk.h fills the 16-bit sums of a band; here they become outputs, and the work is
 * cut into bands.
 */
#include "band-outputs.h"
#include "ops.h"
#include "tables-kernels.h"
#include "tables-walk.h"
#include "thresholds16.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** A thread's scratch for one band. */
struct TableScratch {
  TableMemory memory;
  /** Of a pixel; where 16 bits do not hold the sums, of the band. */
  int32_t* products;
  int32_t* border;
  int32_t* pixelSums;
  int32_t* windowSums;
  int16_t* thresholds;
};

/** What a call does with its sums. */
struct TablePlan {
  Epilogue epilogue;
  /** Filter rows and chunks whose sums 16 bits hold. */
  int filterRowsAtOnce;
  int chunksAtOnce;
  /** Whether there are more of them, so that the sums are added up in 32 bits. */
  bool isWide;
  bool compares16;
  /** Whether the outputs are 16-bit accumulators that come straight from the sums. */
  bool storesShorts;
};

TableScratch MakeScratch(const TableConvolution& c, const TablePlan& plan, const Band& band, int tableBytes, Pool& pool,
                         int thread) {
  const size_t pixels = band.pixels();
  const size_t width = band.blocks.size() * kTableBlock;
  const bool needsSums = plan.epilogue.needsSums();
  const size_t sizes[] = {
      RoundToLine(c.w.kernelWidth * sizeof(TableRun)),
      RoundToLine(ReadPixels(c, Min(c.pixelsAtOnce(), band.columns.size())) * c.tablesAtOnce() * tableBytes),
      pixels * width * c.weightBits * sizeof(uint16_t),
      (plan.isWide ? pixels : 1) * width * sizeof(int32_t),
      RoundToLine(c.w.outChannels * sizeof(int32_t)),
      needsSums ? RoundToLine(RectangleOf(c.w, band).pixels() * sizeof(int32_t)) : 0,
      needsSums ? RoundToLine(pixels * sizeof(int32_t)) : 0,
      plan.compares16 ? RoundToLine(Thresholds16::NumRows(plan.epilogue) * width * sizeof(int16_t)) : 0,
  };
  size_t total = 0;
  for (size_t size : sizes) total += size;
  uint8_t* at = static_cast<uint8_t*>(pool.Scratch(thread, total));
  uint8_t* parts[8];
  for (int i = 0; i < 8; at += sizes[i++]) parts[i] = at;
  const auto ints = [&](int i) { return reinterpret_cast<int32_t*>(parts[i]); };
  const TableMemory memory = {reinterpret_cast<TableRun*>(parts[0]), parts[1], reinterpret_cast<uint16_t*>(parts[2])};
  return {memory, ints(3), ints(4), ints(5), ints(6), reinterpret_cast<int16_t*>(parts[7])};
}

/** Adds a pixel's 16-bit sums, [block][plane][64], to its products. */
void AddSums(const uint16_t* sums, int blocks, int weightBits, int scale, int32_t* products) {
  constexpr int kHalf = kTableBlock / 2;
  for (int b = 0; b < blocks; ++b, products += kTableBlock) {
    for (int m = 0; m < weightBits; ++m, sums += kTableBlock) {
      for (int i = 0; i < kHalf; ++i) {
        const uint16_t odd = sums[kHalf + i];
        const uint16_t even = static_cast<uint16_t>(sums[i] - (odd << 8));
        products[i] += even << (m + scale);
        products[kHalf + i] += odd << (m + scale);
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

/** Writes the outputs of a band from its sums, or adds these to the products if there are more to come. */
void FinishBand(const TableConvolution& c, const TablePlan& plan, const Band& band, int half, bool isLast,
                const TableScratch& scratch, BorderTerm& border) {
  const Windows& w = c.w;
  const int blocks = band.blocks.size();
  const ptrdiff_t width = blocks * kTableBlock;
  PixelRun run;
  run.firstChannel = band.group * w.groupOutputs() + band.blocks.first * kTableBlock;
  run.count = Min(width, w.groupOutputs() - band.blocks.first * kTableBlock);
  run.windowSum = 0;
  int oh = band.rows.first;
  int ow = band.columns.first;
  for (int i = 0; i < band.pixels(); ++i, ++ow) {
    if (ow == band.columns.end) {
      ow = band.columns.first;
      ++oh;
    }
    int32_t* products = scratch.products + (plan.isWide ? i * width : 0);
    if (!plan.isWide) Clear(products, width);
    AddSums(scratch.memory.sums + i * width * c.weightBits, blocks, c.weightBits, kBitsAtOnce * half, products);
    if (!isLast) continue;
    run.products = products;
    run.pixel = (static_cast<ptrdiff_t>(band.n) * w.outHeight + oh) * w.outWidth + ow;
    if (plan.epilogue.needsSums()) run.windowSum = scratch.windowSums[i];
    run.border = border.At(oh, ow, run.firstChannel, run.firstChannel + run.count);
    Finish(plan.epilogue, run);
  }
}

/** The same for thresholds on 16-bit accumulators. */
void CompareBand(const TableConvolution& c, const TablePlan& plan, const Band& band, const TableScratch& scratch) {
  const Windows& w = c.w;
  const int blocks = band.blocks.size();
  const int firstChannel = band.group * w.groupOutputs() + band.blocks.first * kTableBlock;
  const int count = Min(blocks * kTableBlock, w.groupOutputs() - band.blocks.first * kTableBlock);
  const Thresholds16 thresholds(plan.epilogue, firstChannel, count, blocks * kTableBlock, scratch.thresholds);
  const uint16_t* sums = scratch.memory.sums;
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

/** 16-bit accumulators of one block of a pixel from its sums, [plane][64]. They fit, so arithmetic that wraps around is exact. */
inline void ShortAccumulators(const Epilogue& e, const uint16_t* sums, int weightBits, uint16_t windowTerm, const int32_t* border,
                              int16_t* y) {
  constexpr int kHalf = kTableBlock / 2;
  const uint16_t factor = static_cast<uint16_t>(e.productFactor);
  HalfBlock first = {};
  HalfBlock second = {};
  for (int m = 0; m < weightBits; ++m, sums += kTableBlock) {
    const HalfBlock odd = LoadLanes<kHalf>(sums + kHalf);
    first += (LoadLanes<kHalf>(sums) - (odd << 8)) << m;
    second += odd << m;
  }
  first = first * factor - windowTerm;
  second = second * factor - windowTerm;
  if (border != nullptr) {
    first -= __builtin_convertvector(LoadLanes<kHalf>(border), HalfBlock);
    second -= __builtin_convertvector(LoadLanes<kHalf>(border + kHalf), HalfBlock);
  }
  StoreLanes<kHalf>(reinterpret_cast<uint16_t*>(y), first);
  StoreLanes<kHalf>(reinterpret_cast<uint16_t*>(y + kHalf), second);
}

/** The 16-bit accumulators of a band. */
void StoreShorts(const TableConvolution& c, const TablePlan& plan, const Band& band, const TableScratch& scratch, BorderTerm& border) {
  const Windows& w = c.w;
  const Epilogue e = plan.epilogue;
  const int firstChannel = band.group * w.groupOutputs() + band.blocks.first * kTableBlock;
  const int count = Min(band.blocks.size() * kTableBlock, w.groupOutputs() - band.blocks.first * kTableBlock);
  const uint16_t* sums = scratch.memory.sums;
  const int32_t* windowSums = e.needsSums() ? scratch.windowSums : nullptr;
  for (int oh = band.rows.first; oh < band.rows.end; ++oh) {
    const ptrdiff_t pixel = (static_cast<ptrdiff_t>(band.n) * w.outHeight + oh) * w.outWidth + band.columns.first;
    int16_t* y = e.y.i16() + pixel * w.outChannels + firstChannel;
    for (int ow = band.columns.first; ow < band.columns.end; ++ow, y += w.outChannels) {
      const uint16_t windowTerm = static_cast<uint16_t>(e.sumFactor * static_cast<uint32_t>(windowSums == nullptr ? 0 : *windowSums++));
      const int32_t* taken = border.At(oh, ow, firstChannel, firstChannel + count);
      for (int k = 0; k < count; k += kTableBlock, sums += kTableBlock * c.weightBits) {
        const int32_t* of = taken == nullptr ? nullptr : taken + firstChannel + k;
        if (count - k >= kTableBlock) {
          ShortAccumulators(e, sums, c.weightBits, windowTerm, of, y + k);
          continue;
        }
        int16_t block[kTableBlock];
        ShortAccumulators(e, sums, c.weightBits, windowTerm, nullptr, block);
        for (int i = 0; i < count - k; ++i) y[k + i] = static_cast<int16_t>(block[i] - (of == nullptr ? 0 : of[i]));
      }
    }
  }
}

template <class Look>
void Convolve(const Conv2dTablesParams& p, const Conv2dTablesBuffers& b, Pool& pool) {
  TableConvolution c;
  c.w = MakeWindows(p, Look::kInputs);
  const Windows& w = c.w;
  c.x = b.x.u8();
  c.filter = b.filter.u8();
  c.weightBits = p.weightBits;
  c.halves = CeilDiv(p.activationBits, kBitsAtOnce);
  c.tables = CeilDiv(w.groupInputs(), Look::kInputs);
  const int maxLevel = (1 << Min(p.activationBits, kBitsAtOnce)) - 1;
  c.packs = p.parts & kPackPart;
  c.multiplies = p.parts & kProductPart;
  c.stepsAtOnce = 255 / (Look::kInputs * maxLevel);
  TablePlan plan;
  plan.epilogue = EpilogueOf(p, b);
  const int perTap = Min(c.tablesAtOnce() * Look::kInputs, w.groupInputs()) * maxLevel;
  plan.filterRowsAtOnce = Min(w.kernelHeight, Max(1, 65535 / (w.kernelWidth * perTap)));
  plan.chunksAtOnce = Min(c.chunks(), Max(1, 65535 / (w.taps() * perTap)));
  plan.isWide = c.halves > 1 || plan.chunksAtOnce < c.chunks() || plan.filterRowsAtOnce < w.kernelHeight;
  const double maxSum = static_cast<double>(w.taps()) * w.groupInputs() * ((1 << p.activationBits) - 1);
  plan.compares16 = !plan.isWide && c.weightBits == 1 && !b.offsets.present() && Thresholds16::Fits(plan.epilogue, maxSum, 1);

  plan.storesShorts = !plan.isWide && plan.epilogue.kind == kShortAccumulators;

  ForTableBands(c, pool, [&](const Band& band, int thread) {
    const TableScratch scratch = MakeScratch(c, plan, band, Look::kTableBytes, pool, thread);
    if (plan.epilogue.needsSums() && c.packs) SumWindows(w, c.x, band, scratch.pixelSums, scratch.windowSums);
    if (plan.isWide) Clear(scratch.products, static_cast<ptrdiff_t>(band.pixels()) * band.blocks.size() * kTableBlock);
    BorderTerm border(w, b.offsets.i32(), p.kernelHeight * p.kernelWidth, scratch.border);
    for (int half = 0; half < c.halves; ++half) {
      for (int kh = 0; kh < w.kernelHeight; kh += plan.filterRowsAtOnce) {
        const Range filterRows = {kh, Min(kh + plan.filterRowsAtOnce, w.kernelHeight)};
        for (int first = 0; first < c.chunks(); first += plan.chunksAtOnce) {
          const int end = Min(first + plan.chunksAtOnce, c.chunks());
          for (int i = first; i < end; ++i) AddPart<Look>(c, band, {half, filterRows, i, i == first}, scratch.memory);
          const bool isLast = half == c.halves - 1 && filterRows.end == w.kernelHeight && end == c.chunks();
          if (!(p.parts & kEpiloguePart)) continue;
          if (plan.compares16) {
            CompareBand(c, plan, band, scratch);
          } else if (plan.storesShorts) {
            StoreShorts(c, plan, band, scratch, border);
          } else {
            FinishBand(c, plan, band, half, isLast, scratch, border);
          }
        }
      }
    }
  });
}

}  // namespace

void Conv2dTables(const Conv2dTablesParams& p, const Conv2dTablesBuffers& b, Pool& pool) {
  if (p.tableInputs == NativeTables::kInputs) {
    Convolve<NativeTables>(p, b, pool);
  } else if (p.tableInputs == 6) {
    Convolve<PlainTables<6>>(p, b, pool);
  } else {
    Convolve<PlainTables<4>>(p, b, pool);
  }
}

}  // namespace subbit::SUBBIT_ISA
