/**
 * Convolution by bit planes: planes.ts has the filter's layout, planes-tile.h the arithmetic, windows.h the walk.
 *
 * A band of x becomes bits in the thread's scratch. With whole pairs of words per tap (channels a multiple of 64) windows
 * are read where they lie: [row][column][plane][C / 8] bytes. Otherwise each output pixel's window is gathered, so that
 * few channels do not leave most bits of a word empty: [pixel][plane][window] bytes.
 */
#include "band-outputs.h"
#include "ops.h"
#include "planes-tile.h"

namespace subbit::SUBBIT_ISA {
namespace {

struct PlaneConvolution {
  Windows w;
  const uint8_t* x;
  int activationBits;
  /** Bytes of a pixel's bits in one plane. */
  int tapBytes;
  bool isGathered;
  int pairs;

  ptrdiff_t windowBytes() const { return pairs * 8; }
};

/** Bits of all planes of some bytes: plane k at out + k * planeStride. */
void PackPixel(const uint8_t* x, int channels, int activationBits, uint8_t* out, ptrdiff_t planeStride) {
  int c = 0;
  for (; c + 64 <= channels; c += 64) {
    for (int k = 0; k < activationBits; ++k) StoreAs(out + k * planeStride + c / 8, BitOf64(x + c, k));
  }
  for (; c < channels; c += 8) {
    uint64_t bytes = 0;
    if (c + 8 <= channels) {
      bytes = LoadAs<uint64_t>(x + c);
    } else {
      for (int i = c; i < channels; ++i) bytes |= static_cast<uint64_t>(x[i]) << 8 * (i - c);
    }
    for (int k = 0; k < activationBits; ++k) out[k * planeStride + c / 8] = BitOf8(bytes, k);
  }
}

/** The band's padded bits: pixel i, plane k at bits + i * pixelStride + k * planeStride. */
void PackBand(const PlaneConvolution& c, const Band& band, uint8_t* bits, ptrdiff_t pixelStride, ptrdiff_t planeStride) {
  const int channels = c.w.groupInputs();
  // Then a run of pixels is like one pixel of many channels.
  const bool isOneRun = c.w.groups == 1 && channels % 8 == 0 && pixelStride == c.tapBytes;
  ForRuns(
      c.w, c.x, band,
      [&](const uint8_t* x, int first, int count) {
        if (isOneRun) return PackPixel(x, count * channels, c.activationBits, bits + first * pixelStride, planeStride);
        for (int i = 0; i < count; ++i) {
          uint8_t* out = bits + (first + i) * pixelStride;
          PackPixel(x + static_cast<ptrdiff_t>(i) * c.w.inChannels, channels, c.activationBits, out, planeStride);
        }
      },
      [&](int first, int count) {
        for (int i = first; i < first + count; ++i) {
          for (int k = 0; k < c.activationBits; ++k) {
            uint8_t* out = bits + i * pixelStride + k * planeStride;
            for (int byte = 0; byte < c.tapBytes; ++byte) out[byte] = 0;
          }
        }
      });
}

/** Copies `bytes` in eights; reads and writes up to 7 bytes more. */
inline void CopyEights(const uint8_t* from, int bytes, uint8_t* to) {
  for (int i = 0; i < bytes; i += 8) StoreAs(to + i, LoadAs<uint64_t>(from + i));
}

/** Windows from padded bits [plane][row][column][tapBytes]. */
void GatherWindows(const PlaneConvolution& c, const Band& band, const int32_t* starts, const uint8_t* bits,
                   ptrdiff_t planeStride, uint8_t* out) {
  const Windows& w = c.w;
  const int readWidth = RectangleOf(w, band).columns.size();
  const int tapsAtOnce = w.dilation == 1 ? w.kernelWidth : 1;
  // Bytes of the last eight that hold taps.
  const int rest = (w.taps() * c.tapBytes - 1) % 8 + 1;
  for (int i = 0; i < band.pixels(); ++i) {
    for (int k = 0; k < c.activationBits; ++k, out += c.windowBytes()) {
      uint8_t* to = out;
      for (int kh = 0; kh < w.kernelHeight; ++kh) {
        for (int kw = 0; kw < w.kernelWidth; kw += tapsAtOnce, to += tapsAtOnce * c.tapBytes) {
          const ptrdiff_t pixel = starts[i] + (kh * readWidth + kw) * w.dilation;
          CopyEights(bits + k * planeStride + pixel * c.tapBytes, tapsAtOnce * c.tapBytes, to);
        }
      }
      uint8_t* last = out + c.windowBytes() - 8;
      StoreAs(last, LoadAs<uint64_t>(last) << (64 - 8 * rest) >> (64 - 8 * rest));
    }
  }
}

/** Bytes from a window's first pair to each. */
void PairOffsets(const PlaneConvolution& c, int readWidth, int32_t* offsets) {
  const Windows& w = c.w;
  if (c.isGathered) {
    for (int j = 0; j < c.pairs; ++j) offsets[j] = 8 * j;
    return;
  }
  const int pixelBytes = c.tapBytes * c.activationBits;
  for (int kh = 0; kh < w.kernelHeight; ++kh) {
    for (int kw = 0; kw < w.kernelWidth; ++kw) {
      const int tap = (kh * readWidth + kw) * w.dilation * pixelBytes;
      for (int byte = 0; byte < c.tapBytes; byte += 8) *offsets++ = tap + byte;
    }
  }
}

/** A thread's scratch for one band. */
struct PlaneScratch {
  int32_t* offsets;
  int32_t* starts;
  uint8_t* bits;
  uint8_t* windows;
  int32_t* border;
  int32_t* pixelSums;
  BandScratch band;
};

constexpr TileSize kPlaneTile = {kPlanePixels, kPlaneBlocks};

/** Lays out the thread's scratch; the same memory again for the same pixels. */
PlaneScratch MakeScratch(const PlaneConvolution& c, const Band& band, bool needsSums, Pool& pool, int thread) {
  const size_t read = RectangleOf(c.w, band).pixels();
  const size_t pixels = band.pixels();
  const size_t sizes[] = {
      RoundToLine(c.pairs * sizeof(int32_t)),
      RoundToLine(pixels * sizeof(int32_t)),
      // Copies read up to 7 bytes more.
      RoundToLine(read * c.tapBytes * c.activationBits + 8),
      c.isGathered ? RoundToLine(pixels * c.windowBytes() * c.activationBits + 8) : 0,
      RoundToLine(c.w.outChannels * sizeof(int32_t)),
      needsSums ? RoundToLine(read * sizeof(int32_t)) : 0,
      needsSums ? RoundToLine(pixels * sizeof(int32_t)) : 0,
      ProductBytes(c.w, kPlaneTile),
  };
  size_t total = 0;
  for (size_t size : sizes) total += size;
  uint8_t* at = static_cast<uint8_t*>(pool.Scratch(thread, total));
  uint8_t* parts[8];
  for (int i = 0; i < 8; at += sizes[i++]) parts[i] = at;
  const auto ints = [&](int i) { return reinterpret_cast<int32_t*>(parts[i]); };
  return {ints(0), ints(1), parts[2], parts[3], ints(4), ints(5), {ints(7), needsSums ? ints(6) : nullptr}};
}

}  // namespace

void Conv2dPlanes(const Conv2dPlanesParams& p, const Conv2dPlanesBuffers& b, Pool& pool) {
  PlaneConvolution c;
  c.w = MakeWindows(p, 8);
  const Windows& w = c.w;
  c.x = b.x.u8();
  c.activationBits = p.activationBits;
  c.tapBytes = CeilDiv(w.groupInputs(), 8);
  c.isGathered = c.tapBytes % 8 != 0;
  c.pairs = CeilDiv(w.taps() * c.tapBytes, 8);
  const int blocks = w.groupBlocks();
  const ptrdiff_t blockBytes = static_cast<ptrdiff_t>(p.weightBits) * c.pairs * kPairBytes;
  const int32_t* weightSums = b.filter.i32();
  const uint8_t* filter = b.filter.u8() + static_cast<ptrdiff_t>(w.groups) * blocks * kBlock * sizeof(int32_t);
  // D lacks the part of P in S. It cancels with bipolar weights' sumFactor.
  Epilogue epilogue = EpilogueOf(p, b);
  epilogue.productFactor = p.productFactor / 2;
  epilogue.sumFactor -= ((1u << p.weightBits) - 1) * epilogue.productFactor;

  const double filterBytes = static_cast<double>(blockBytes) * blocks * w.groups;
  ForBands(w, filterBytes, pool, [&](const Band& band, int thread, bool isNew) {
    const PlaneScratch scratch = MakeScratch(c, band, epilogue.needsSums(), pool, thread);
    const Rectangle read = RectangleOf(w, band);
    const ptrdiff_t pixelBytes = static_cast<ptrdiff_t>(c.tapBytes) * c.activationBits;
    const ptrdiff_t gatheredPlane = static_cast<ptrdiff_t>(read.pixels()) * c.tapBytes;
    if (isNew) {
      WindowStarts(w, band, scratch.starts);
      PairOffsets(c, read.columns.size(), scratch.offsets);
    }
    if (isNew && p.parts & kPackPart) {
      if (c.isGathered) {
        PackBand(c, band, scratch.bits, c.tapBytes, gatheredPlane);
        GatherWindows(c, band, scratch.starts, scratch.bits, gatheredPlane, scratch.windows);
      } else {
        PackBand(c, band, scratch.bits, pixelBytes, c.tapBytes);
      }
      if (epilogue.needsSums()) SumWindows(w, c.x, band, scratch.pixelSums, const_cast<int32_t*>(scratch.band.sums));
    }
    PlaneTile tile;
    tile.offsets = scratch.offsets;
    tile.pairs = c.pairs;
    tile.pixelPlane = c.isGathered ? c.windowBytes() : c.tapBytes;
    tile.blockBytes = blockBytes;
    tile.weightBits = p.weightBits;
    tile.activationBits = p.activationBits;
    const BorderTerm border(w, b.offsets.i32(), p.kernelHeight * p.kernelWidth, scratch.border);
    ComputeBand(w, epilogue, band, kPlaneTile, border, scratch.band,
                [&](Range pixels, int block, int blocksAtOnce, int32_t* out, ptrdiff_t stride) {
      const uint8_t* pointers[kPlanePixels];
      for (int i = 0; i < pixels.size(); ++i) {
        const int pixel = pixels.first + i;
        pointers[i] = c.isGathered ? scratch.windows + pixel * c.windowBytes() * c.activationBits
                                   : scratch.bits + scratch.starts[pixel] * pixelBytes;
      }
      tile.pixels = pointers;
      const ptrdiff_t index = static_cast<ptrdiff_t>(band.group) * blocks + block;
      tile.filter = filter + index * blockBytes;
      tile.weightSums = weightSums + index * kBlock;
      tile.out = out;
      tile.outStride = stride;
      CountPlanes(tile, pixels.size(), blocksAtOnce);
    });
  });
}

}  // namespace subbit::SUBBIT_ISA
