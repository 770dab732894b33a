/**
 * Convolution by dot products of bytes: dot.ts has the filter's layout, dot-tile.h the arithmetic, windows.h the walk.
 *
 * Where the inputs of a group are a multiple of four, windows are read from the band's padded copy, one run per filter row
 * (per tap, if dilated), or from x itself under a 1x1 filter. Otherwise, as in first layers, each output pixel's window is
 * gathered from the copy.
 */
#include "band-outputs.h"
#include "dot-tile.h"
#include "ops.h"

namespace subbit::SUBBIT_ISA {
namespace {

struct DotConvolution {
  Windows w;
  const uint8_t* x;
  bool isInPlace;
  bool isGathered;
  /** Inputs of a window / 4 */
  int quads;
  /** Neighbouring taps that are one run of memory. */
  int tapsPerRun;
  TileSize tileSize;

  int numRuns() const { return w.taps() / tapsPerRun; }
  ptrdiff_t windowBytes() const { return 4 * static_cast<ptrdiff_t>(quads); }
};

void CopyBytes(const uint8_t* __restrict from, ptrdiff_t bytes, uint8_t* __restrict to) {
  for (ptrdiff_t i = 0; i < bytes; ++i) to[i] = from[i];
}

void FillZero(uint8_t* to, ptrdiff_t bytes) {
  for (ptrdiff_t i = 0; i < bytes; ++i) to[i] = 0;
}

/** The band's padded bytes of the group [row][column][C / groups]. */
void CopyBand(const Windows& w, const uint8_t* x, const Band& band, uint8_t* out) {
  const ptrdiff_t channels = w.groupInputs();
  ForRuns(
      w, x, band,
      [&](const uint8_t* bytes, int first, int count) {
        if (w.groups == 1) return CopyBytes(bytes, count * channels, out + first * channels);
        for (int i = 0; i < count; ++i) {
          CopyBytes(bytes + static_cast<ptrdiff_t>(i) * w.inChannels, channels, out + (first + i) * channels);
        }
      },
      [&](int first, int count) { FillZero(out + first * channels, count * channels); });
}

/** A gather copies runs in chunks of this many bytes, and reads and writes up to so many more; shorter runs in a single one. */
constexpr int kChunk = 32;
constexpr int kShortRun = 16;

template <bool kIsShort>
inline void CopyRun(const uint8_t* from, int bytes, uint8_t* to) {
  if constexpr (kIsShort) {
    __builtin_memcpy(to, from, kShortRun);
  } else {
    for (int i = 0; i < bytes; i += kChunk) __builtin_memcpy(to + i, from + i, kChunk);
  }
}

/** Windows from the padded copy, [pixel][windowBytes]; `runs` are offsets of a window's runs of memory there. */
template <bool kIsShort>
void GatherRuns(const DotConvolution& c, int pixels, const int32_t* starts, const int32_t* runs, const uint8_t* copy,
                uint8_t* out) {
  // Copies, because the stores of bytes may alias whatever is only referred to.
  const ptrdiff_t channels = c.w.groupInputs();
  const int numRuns = c.numRuns();
  const int runBytes = static_cast<int>(c.tapsPerRun * channels);
  const ptrdiff_t bytes = c.w.taps() * channels;
  const ptrdiff_t windowBytes = c.windowBytes();
  for (int i = 0; i < pixels; ++i, out += windowBytes) {
    const uint8_t* window = copy + starts[i] * channels;
    for (int run = 0; run < numRuns; ++run) CopyRun<kIsShort>(window + runs[run], runBytes, out + run * runBytes);
    for (ptrdiff_t byte = bytes; byte < windowBytes; ++byte) out[byte] = 0;
  }
}

void GatherWindows(const DotConvolution& c, int pixels, const int32_t* starts, const int32_t* runs, const uint8_t* copy,
                   uint8_t* out) {
  // Three channels have runs of 9 bytes.
  const bool isShort = c.tapsPerRun * c.w.groupInputs() <= kShortRun;
  (isShort ? GatherRuns<true> : GatherRuns<false>)(c, pixels, starts, runs, copy, out);
}

/** A thread's scratch for one band. */
struct DotScratch {
  int32_t* runs;
  int32_t* starts;
  uint8_t* copy;
  uint8_t* windows;
  int32_t* border;
  int32_t* pixelSums;
  int32_t* sums;
  int32_t* products;
};

/** Lays out the thread's scratch; the same memory again for the same pixels. */
DotScratch MakeScratch(const DotConvolution& c, const Band& band, bool needsSums, Pool& pool, int thread) {
  const size_t read = RectangleOf(c.w, band).pixels();
  const size_t pixels = band.pixels();
  const size_t sizes[] = {
      RoundToLine(c.numRuns() * sizeof(int32_t)),
      RoundToLine(pixels * sizeof(int32_t)),
      // Gathering reads and writes a chunk more.
      c.isInPlace ? 0 : RoundToLine(read * c.w.groupInputs() + kChunk),
      c.isGathered ? RoundToLine(pixels * c.windowBytes() + kChunk) : 0,
      RoundToLine(c.w.outChannels * sizeof(int32_t)),
      needsSums ? RoundToLine(read * sizeof(int32_t)) : 0,
      needsSums ? RoundToLine(pixels * sizeof(int32_t)) : 0,
      ProductBytes(c.w, c.tileSize),
  };
  size_t total = 0;
  for (size_t size : sizes) total += size;
  uint8_t* at = static_cast<uint8_t*>(pool.Scratch(thread, total));
  uint8_t* parts[8];
  for (int i = 0; i < 8; at += sizes[i++]) parts[i] = at;
  const auto ints = [&](int i) { return reinterpret_cast<int32_t*>(parts[i]); };
  return {ints(0), ints(1), parts[2], parts[3], ints(4), ints(5), ints(6), ints(7)};
}

/** Offsets of a window's runs in the padded copy. */
void RunOffsets(const DotConvolution& c, int readWidth, int32_t* runs) {
  const Windows& w = c.w;
  runs[0] = 0;
  if (c.isInPlace) return;
  for (int kh = 0; kh < w.kernelHeight; ++kh) {
    for (int kw = 0; kw < w.kernelWidth; kw += c.tapsPerRun) *runs++ = (kh * readWidth + kw) * w.dilation * w.groupInputs();
  }
}

}  // namespace

void Conv2dDot(const Conv2dDotParams& p, const Conv2dDotBuffers& b, Pool& pool) {
  DotConvolution c;
  c.w = MakeWindows(p, 1);
  const Windows& w = c.w;
  c.x = b.x.u8();
  c.isGathered = w.groupInputs() % 4 != 0;
  c.isInPlace = !c.isGathered && w.taps() == 1 && w.padTop == 0 && w.padLeft == 0 && w.groups == 1;
  c.quads = CeilDiv(w.taps() * w.groupInputs(), 4);
  c.tapsPerRun = w.dilation == 1 ? w.kernelWidth : 1;
  const int planes = p.weightBits == 16 ? 2 : 1;
  const ptrdiff_t planeBytes = c.windowBytes() * kBlock;
  const ptrdiff_t blockBytes = planes * planeBytes;
  const int blocks = w.groupBlocks();
  c.tileSize = DotTileSize(blocks);
  Epilogue epilogue = EpilogueOf(p, b);
  if (planes == 2 && kMultipliesPlanes) epilogue.sumFactor -= 128 * epilogue.productFactor;
  const bool needsSums = epilogue.needsSums();
  /** A gathered window is one run. */
  const int32_t whole = 0;

  const double filterBytes = static_cast<double>(blockBytes) * blocks * w.groups;
  ForBands(w, filterBytes, pool, [&](const Band& band, int thread, bool isNew) {
    const DotScratch scratch = MakeScratch(c, band, needsSums, pool, thread);
    const Rectangle read = RectangleOf(w, band);
    if (isNew) {
      WindowStarts(w, band, scratch.starts);
      RunOffsets(c, read.columns.size(), scratch.runs);
    }
    if (isNew && p.parts & kPackPart) {
      if (!c.isInPlace) CopyBand(w, c.x, band, scratch.copy);
      if (c.isGathered) {
        GatherWindows(c, band.pixels(), scratch.starts, scratch.runs, scratch.copy, scratch.windows);
        for (int i = 0; needsSums && i < band.pixels(); ++i) {
          scratch.sums[i] = SumOfBytes(scratch.windows + i * c.windowBytes(), static_cast<int>(c.windowBytes()));
        }
      } else if (needsSums) {
        SumWindows(w, c.x, band, scratch.pixelSums, scratch.sums);
      }
    }
    DotTile tile;
    tile.runs = c.isGathered ? &whole : scratch.runs;
    tile.numRuns = c.isGathered ? 1 : c.numRuns();
    tile.runQuads = c.quads / tile.numRuns;
    tile.planeBytes = planeBytes;
    tile.blockBytes = blockBytes;
    tile.planes = planes;
    tile.weightBits = p.weightBits;
    tile.activationBits = p.activationBits;
    const ptrdiff_t firstRead = (static_cast<ptrdiff_t>(band.n) * w.height + read.rows.first) * w.width + read.columns.first;
    const BorderTerm border(w, b.offsets.i32(), p.kernelHeight * p.kernelWidth, scratch.border);
    ComputeBand(w, epilogue, band, c.tileSize, border, {scratch.products, needsSums ? scratch.sums : nullptr},
                [&](Range pixels, int block, int blocksAtOnce, int32_t* out, ptrdiff_t stride) {
      const uint8_t* pointers[kDotPixels];
      const int count = pixels.size();
      if (c.isGathered) {
        const uint8_t* window = scratch.windows + pixels.first * c.windowBytes();
        for (int i = 0; i < count; ++i, window += c.windowBytes()) pointers[i] = window;
      } else if (c.isInPlace) {
        for (int i = 0; i < count; ++i) {
          const ptrdiff_t row = scratch.starts[pixels.first + i] / read.columns.size();
          const ptrdiff_t column = scratch.starts[pixels.first + i] % read.columns.size();
          pointers[i] = c.x + (firstRead + row * w.width + column) * w.inChannels;
        }
      } else {
        const ptrdiff_t channels = w.groupInputs();
        for (int i = 0; i < count; ++i) pointers[i] = scratch.copy + scratch.starts[pixels.first + i] * channels;
      }
      tile.pixels = pointers;
      tile.filter = b.filter.u8() + (static_cast<ptrdiff_t>(band.group) * blocks + block) * blockBytes;
      tile.out = out;
      tile.outStride = stride;
      MultiplyDots(tile, count, blocksAtOnce);
    });
  });
}

}  // namespace subbit::SUBBIT_ISA
