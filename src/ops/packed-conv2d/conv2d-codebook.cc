/**
 * Convolution with few codewords: codebook.ts has the filter's layout, codebook-tile.h the arithmetic.
 *
 * A band goes by groups of rows: their patches are built, then all input channels are looked up for tiles of their pixels. (Runs
 * of few channels, whose indices would stay in the first-level cache, were slower: tiles began and ended more often.)
 */
#include "codebook-kernels.h"
#include "codebook-patches.h"
#include "ops.h"
#include "tables-outputs.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** Pixels whose patches are built at once, in whole rows: their sums should stay in the first-level cache. */
constexpr int kPatchPixels = 28;

struct CodebookConvolution {
  TableConvolution tables;
  PatchPlan patches;
  CodebookKernels kernels;
  /** Input channels per index. */
  int inputs;

  /** Groups of rows of a band. */
  int rowGroups(const Band& band) const {
    return Min(band.rows.size(), CeilDiv(band.pixels(), Max(kPatchPixels, band.columns.size())));
  }
  int mostPixels(const Band& band) const { return CeilDiv(band.rows.size(), rowGroups(band)) * band.columns.size(); }
  /** From one block's indices to the next. */
  ptrdiff_t blockBytes() const { return static_cast<ptrdiff_t>(tables.tables) * kTableBlock; }
};

/** A thread's scratch for one band. */
struct CodebookScratch {
  uint8_t* responses;
  uint8_t* codes;
  uint16_t* columns;
  uint16_t* patches;
  BandSums outputs;
  /** Of all of it. */
  size_t bytes;
};

CodebookScratch MakeScratch(const CodebookConvolution& c, const OutputPlan& plan, const Band& band, Pool& pool, int thread) {
  constexpr int kOwn = 4;
  const size_t read = RectangleOf(c.tables.w, band).columns.size();
  size_t sizes[kOwn + kBandSumsParts] = {
      // As far as a patch can point: benchmarks leave the building out.
      (1 << 16) + kMaxCodewords,
      RoundToLine(read * c.patches.channels),
      RoundToLine(read * c.patches.pixelBytes()),
      RoundToLine(c.mostPixels(band) * c.patches.pixelBytes()),
  };
  BandSumsSizes(c.tables, plan, band, sizes + kOwn);
  uint8_t* parts[kOwn + kBandSumsParts];
  const size_t bytes = TakeScratch(pool, thread, sizes, parts);
  const auto shorts = [&](int i) { return reinterpret_cast<uint16_t*>(parts[i]); };
  return {parts[0], parts[1], shorts(2), shorts(3), BandSumsAt(parts + kOwn), bytes};
}

/** Adds what some steps give to the sums of some pixels. */
void Multiply(const CodebookConvolution& c, const Band& band, Range steps, int pixels, const CodebookScratch& scratch,
              uint16_t* sums) {
  const int blocks = band.blocks.size();
  const uint8_t* patches = reinterpret_cast<const uint8_t*>(scratch.patches);
  const uint8_t* filter = c.tables.filter + (band.group * c.tables.groupBlocks() + band.blocks.first) * c.blockBytes();
  const TableRun run = {steps.first * c.inputs * c.patches.planes * static_cast<int>(sizeof(uint16_t)), steps.first * kTableBlock,
                        steps.size()};
  TableTile tile;
  tile.pixelBytes = c.patches.pixelBytes();
  tile.columnBytes = c.blockBytes();
  tile.runs = &run;
  tile.numRuns = 1;
  tile.stepsAtOnce = c.tables.stepsAtOnce;
  tile.sumsPixel = static_cast<ptrdiff_t>(blocks) * kTableBlock;
  tile.sumsColumn = kTableBlock;
  tile.responses = scratch.responses;
  int columns = c.kernels.maxColumns;
  for (int block = 0; block < blocks; block += columns) {
    while (columns > blocks - block) columns /= 2;
    tile.filter = filter + block * c.blockBytes();
    const int tiles = CeilDiv(pixels, c.kernels.maxPixels(columns));
    for (int t = 0; t < tiles; ++t) {
      const Range part = PartOf(t, tiles, pixels);
      tile.tables = patches + part.first * tile.pixelBytes;
      tile.sums = sums + part.first * tile.sumsPixel + block * kTableBlock;
      c.kernels.kernel(part.size(), columns)(tile);
    }
  }
}

/** Of every output channel -1 if it is turned, else 0; null where none is. */
const int32_t* TurnedChannels(const CodebookConvolution& c, const uint8_t* packed) {
  const Windows& w = c.tables.w;
  const int32_t* turned =
      reinterpret_cast<const int32_t*>(packed + TurnedStart(w.groups * c.tables.groupBlocks(), c.tables.tables));
  int32_t any = 0;
  for (int k = 0; k < w.outChannels; ++k) any |= turned[k];
  return any == 0 ? nullptr : turned;
}

/** The sums of a band over some steps. */
void FillSums(const CodebookConvolution& c, const Band& band, Range steps, const CodebookScratch& scratch) {
  const int groups = c.rowGroups(band);
  uint16_t* sums = scratch.outputs.sums;
  for (int i = 0; i < groups; ++i) {
    const Range part = PartOf(i, groups, band.rows.size());
    const Range rows = {band.rows.first + part.first, band.rows.first + part.end};
    const int pixels = rows.size() * band.columns.size();
    const ptrdiff_t count = static_cast<ptrdiff_t>(pixels) * band.blocks.size() * kTableBlock;
    if (c.tables.packs) {
      const auto build = c.patches.planes == 1 ? BuildPatches<1> : BuildPatches<2>;
      build(c.patches, band, rows, scratch.codes, scratch.columns, scratch.patches);
    }
    Clear(sums, count);
    if (c.tables.multiplies) Multiply(c, band, steps, pixels, scratch, sums);
    sums += count;
  }
}

}  // namespace

void Conv2dCodebook(const Conv2dCodebookParams& p, const Conv2dCodebookBuffers& b, Pool& pool) {
  const Codebook codebook(b.filter.u8());
  // A filter as large as the image is no dense layer here.
  const Windows w = MakeWindows(p, p.inChannels + 1);
  const int maxLevel = (1 << p.activationBits) - 1;
  const int perStep = p.tableInputs * codebook.mostOnes * maxLevel;
  const CodebookKernels kernels = CodebookKernelsFor(codebook.count, p.activationBits, p.tableInputs);
  TableConvolution tables;
  tables.w = w;
  tables.x = b.x.u8();
  tables.filter = b.filter.u8() + kCodebookHeader;
  tables.weightBits = 1;
  tables.halves = 1;
  tables.tables = CeilDiv(w.groupInputs(), p.tableInputs);
  tables.packs = p.parts & kPackPart;
  tables.multiplies = p.parts & kProductPart;
  tables.stepsAtOnce = 255 / perStep;
  const CodebookConvolution c = {tables, PatchPlan(w, tables.x, p.activationBits, kernels), kernels, p.tableInputs};
  const int stepsAtOnce = Min(tables.tables, 65535 / perStep);
  const double maxSum = static_cast<double>(w.taps()) * w.groupInputs() * maxLevel;
  Epilogue epilogue = EpilogueOf(p, b);
  epilogue.turned = TurnedChannels(c, b.filter.u8());
  const OutputPlan plan(epilogue, stepsAtOnce < tables.tables, 1, b.offsets.present(), maxSum);

  // Each thread builds the responses again only when its scratch may have moved.
  size_t held[Pool::kMaxThreads];
  for (int i = 0; i < pool.threads(); ++i) held[i] = 0;
  ForTableBands(tables, pool, [&](const Band& band, int thread) {
    const CodebookScratch scratch = MakeScratch(c, plan, band, pool, thread);
    if (scratch.bytes > held[thread]) {
      kernels.build(codebook, scratch.responses);
      held[thread] = scratch.bytes;
    }
    if (plan.epilogue.needsSums() && tables.packs) SumWindows(w, tables.x, band, scratch.outputs.pixelSums, scratch.outputs.windowSums);
    if (plan.isWide) Clear(scratch.outputs.products, static_cast<ptrdiff_t>(band.pixels()) * band.blocks.size() * kTableBlock);
    BorderTerm border(w, b.offsets.i32(), p.kernelHeight * p.kernelWidth, scratch.outputs.border);
    for (int first = 0; first < tables.tables; first += stepsAtOnce) {
      const int end = Min(first + stepsAtOnce, tables.tables);
      FillSums(c, band, {first, end}, scratch);
      if (p.parts & kEpiloguePart) MakeOutputs(tables, plan, band, 0, end == tables.tables, scratch.outputs, border);
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
