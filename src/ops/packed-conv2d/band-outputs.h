/**
 * A band's products, tile by tile, and what the epilogue wants to know of each pixel.
 *
 * Blocks go outside and pixels inside, so that the weights of a tile stay in the first-level cache; but only over so many
 * pixels that their products, which the epilogue then reads, stay there too.
 */
#pragma once
#include "epilogue.h"
#include "windows.h"

namespace subbit::SUBBIT_ISA {

/** Bytes as the parts of a thread's scratch count them. */
inline size_t RoundToLine(size_t bytes) { return (bytes + 63) & ~static_cast<size_t>(63); }

/** A thread's scratch in parts, whose first one stays where it is until more is asked for; returns its bytes. */
template <int kParts>
inline size_t TakeScratch(Pool& pool, int thread, const size_t (&sizes)[kParts], uint8_t* (&parts)[kParts]) {
  size_t total = 0;
  for (size_t size : sizes) total += size;
  uint8_t* at = static_cast<uint8_t*>(pool.Scratch(thread, total));
  for (int i = 0; i < kParts; at += sizes[i++]) parts[i] = at;
  return total;
}

inline constexpr int kProductsAtOnce = 4096;

/** Tiles of pixels whose products lie in memory at once. */
inline int TilesAtOnce(const Band& band, TileSize size) {
  return Max(1, kProductsAtOnce / (band.blocks.size() * kBlock * size.pixels));
}

/** Enough for any range of blocks, so that a thread's scratch stays where it is from one range to the next. */
inline size_t ProductBytes(const Windows& w, TileSize size) {
  return sizeof(int32_t) * Max(kProductsAtOnce, w.groupBlocks() * kBlock * size.pixels);
}

/** O of one pixel after another; `offsets` is null where there are none, `sum` scratch of K. */
class BorderTerm {
 public:
  BorderTerm(const Windows& w, const int32_t* offsets, int rows, int32_t* sum)
      : w_(w),
        offsets_(offsets),
        all_(offsets == nullptr ? nullptr : offsets + static_cast<ptrdiff_t>(rows) * w.outChannels),
        sum_(sum),
        insideRows_(WindowsInside(w.padTop, w.stride, w.dilation, w.kernelHeight, w.height)),
        insideColumns_(WindowsInside(w.padLeft, w.stride, w.dilation, w.kernelWidth, w.width)) {}

  /** How many pixels from this one on to before column `end` have one O. */
  int PixelsAlike(int column, int end) const {
    if (offsets_ == nullptr) return end - column;
    return insideColumns_.Has(column) ? Min(insideColumns_.end, end) - column : 1;
  }

  /** [K], of which only the channels first .. end - 1 hold O. */
  const int32_t* At(int row, int column, int first, int end) {
    if (offsets_ == nullptr) return nullptr;
    if (insideRows_.Has(row) && insideColumns_.Has(column)) return all_;
    const Range taps = PositionsInside(row * w_.stride - w_.padTop, w_.dilation, w_.kernelHeight, w_.height);
    const Range columns = PositionsInside(column * w_.stride - w_.padLeft, w_.dilation, w_.kernelWidth, w_.width);
    const bool isSame = taps.first == rows_.first && taps.end == rows_.end && columns.first == columns_.first &&
                        columns.end == columns_.end;
    if (isSame) return sum_;
    rows_ = taps;
    columns_ = columns;
    for (int k = first; k < end; ++k) sum_[k] = 0;
    for (int kh = taps.first; kh < taps.end; ++kh) {
      for (int kw = columns.first; kw < columns.end; ++kw) {
        const int32_t* offset = offsets_ + static_cast<ptrdiff_t>(kh * w_.kernelWidth + kw) * w_.outChannels;
        for (int k = first; k < end; ++k) sum_[k] += offset[k];
      }
    }
    return sum_;
  }

 private:
  /** The outputs along one axis whose windows lie inside the image. */
  static Range WindowsInside(int pad, int stride, int dilation, int taps, int extent) {
    const int first = CeilDiv(pad, stride);
    const int last = extent - 1 - (taps - 1) * dilation + pad;
    return {first, last < 0 ? first : last / stride + 1};
  }

  const Windows& w_;
  const int32_t* offsets_;
  const int32_t* all_;
  int32_t* sum_;
  Range insideRows_;
  Range insideColumns_;
  /** Taps inside the image that sum_ holds. */
  Range rows_ = {-1, -1};
  Range columns_ = {-1, -1};
};

/** Scratch of ComputeBand, and the window sums if the epilogue needs them. */
struct BandScratch {
  /** ProductBytes */
  int32_t* products;
  const int32_t* sums;
};

/**
 * multiply(pixels, block, blocks, out, stride) writes the products of a range of the band's pixels and some blocks:
 * out[i * stride + channel of the blocks].
 */
template <class Multiply>
void ComputeBand(const Windows& w, const Epilogue& epilogue, const Band& band, TileSize size, BorderTerm border,
                 const BandScratch& scratch, const Multiply& multiply) {
  const ptrdiff_t stride = band.blocks.size() * kBlock;
  const int pixels = band.pixels();
  const int tiles = CeilDiv(pixels, size.pixels);
  const int atOnce = TilesAtOnce(band, size);
  PixelRun run;
  run.firstChannel = band.group * w.groupOutputs() + band.blocks.first * kBlock;
  run.count = Min(band.blocks.size() * kBlock, w.groupOutputs() - band.blocks.first * kBlock);
  run.stride = stride;
  run.windowSums = nullptr;
  for (int first = 0; first < tiles; first += atOnce) {
    const int end = Min(first + atOnce, tiles);
    const int firstPixel = PartOf(first, tiles, pixels).first;
    const int endBlock = epilogue.parts & kProductPart ? band.blocks.end : band.blocks.first;
    for (int block = band.blocks.first; block < endBlock; block += size.blocks) {
      const int blocks = Min(size.blocks, band.blocks.end - block);
      for (int t = first; t < end; ++t) {
        const Range part = PartOf(t, tiles, pixels);
        int32_t* out = scratch.products + (part.first - firstPixel) * stride + (block - band.blocks.first) * kBlock;
        multiply(part, block, blocks, out, stride);
      }
    }
    if (!(epilogue.parts & kEpiloguePart)) continue;
    const int endPixel = PartOf(end - 1, tiles, pixels).end;
    int row = band.rows.first + firstPixel / band.columns.size();
    int column = band.columns.first + firstPixel % band.columns.size();
    for (int i = firstPixel; i < endPixel; i += run.pixels) {
      run.pixels = Min(border.PixelsAlike(column, band.columns.end), endPixel - i);
      run.products = scratch.products + (i - firstPixel) * stride;
      run.pixel = (static_cast<ptrdiff_t>(band.n) * w.outHeight + row) * w.outWidth + column;
      if (scratch.sums != nullptr) run.windowSums = scratch.sums + i;
      run.border = border.At(row, column, run.firstChannel, run.firstChannel + run.count);
      Finish(epilogue, run);
      column += run.pixels;
      if (column == band.columns.end) {
        column = band.columns.first;
        ++row;
      }
    }
  }
}

}  // namespace subbit::SUBBIT_ISA
