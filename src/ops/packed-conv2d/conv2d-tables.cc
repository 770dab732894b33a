/**
 * Convolution by look-up tables: tables-walk.h fills the 16-bit sums of a band, tables-outputs.h makes outputs of them.
 */
#include "ops.h"
#include "tables-kernels.h"
#include "tables-outputs.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** A thread's scratch for one band. */
struct TableScratch {
  TableMemory memory;
  BandSums outputs;
};

TableScratch MakeScratch(const TableConvolution& c, const OutputPlan& plan, const Band& band, int tableBytes, Pool& pool,
                         int thread) {
  constexpr int kOwn = 2;
  size_t sizes[kOwn + kBandSumsParts] = {
      RoundToLine(c.w.kernelWidth * sizeof(TableRun)),
      RoundToLine(ReadPixels(c, Min(c.pixelsAtOnce(), band.columns.size())) * c.tablesAtOnce() * tableBytes),
  };
  BandSumsSizes(c, plan, band, sizes + kOwn);
  uint8_t* parts[kOwn + kBandSumsParts];
  TakeScratch(pool, thread, sizes, parts);
  const BandSums outputs = BandSumsAt(parts + kOwn);
  return {{reinterpret_cast<TableRun*>(parts[0]), parts[1], outputs.sums}, outputs};
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
  const int perTap = Min(c.tablesAtOnce() * Look::kInputs, w.groupInputs()) * maxLevel;
  // Filter rows and chunks whose sums 16 bits hold.
  const int filterRowsAtOnce = Min(w.kernelHeight, Max(1, 65535 / (w.kernelWidth * perTap)));
  const int chunksAtOnce = Min(c.chunks(), Max(1, 65535 / (w.taps() * perTap)));
  const bool isWide = c.halves > 1 || chunksAtOnce < c.chunks() || filterRowsAtOnce < w.kernelHeight;
  const double maxSum = static_cast<double>(w.taps()) * w.groupInputs() * ((1 << p.activationBits) - 1);
  const OutputPlan plan(EpilogueOf(p, b), isWide, c.weightBits, b.offsets.present(), maxSum);

  ForTableBands(c, pool, [&](const Band& band, int thread) {
    const TableScratch scratch = MakeScratch(c, plan, band, Look::kTableBytes, pool, thread);
    if (plan.epilogue.needsSums() && c.packs) SumWindows(w, c.x, band, scratch.outputs.pixelSums, scratch.outputs.windowSums);
    if (plan.isWide) Clear(scratch.outputs.products, static_cast<ptrdiff_t>(band.pixels()) * band.blocks.size() * kTableBlock);
    BorderTerm border(w, b.offsets.i32(), p.kernelHeight * p.kernelWidth, scratch.outputs.border);
    for (int half = 0; half < c.halves; ++half) {
      for (int kh = 0; kh < w.kernelHeight; kh += filterRowsAtOnce) {
        const Range filterRows = {kh, Min(kh + filterRowsAtOnce, w.kernelHeight)};
        for (int first = 0; first < c.chunks(); first += chunksAtOnce) {
          const int end = Min(first + chunksAtOnce, c.chunks());
          for (int i = first; i < end; ++i) AddPart<Look>(c, band, {half, filterRows, i, i == first}, scratch.memory);
          const bool isLast = half == c.halves - 1 && filterRows.end == w.kernelHeight && end == c.chunks();
          if (p.parts & kEpiloguePart) MakeOutputs(c, plan, band, kBitsAtOnce * half, isLast, scratch.outputs, border);
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
