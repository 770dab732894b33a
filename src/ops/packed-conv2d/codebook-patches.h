/**
 * The patches of some rows of outputs: first the three taps of every input column, then three columns together. A number of
 * kPlanes * 16 bits holds a channel's, one plane in every 16; a register of them at a time.
 */
#pragma once
#include "../integer/lanes.h"
#include "codebook-tile.h"
#include "windows.h"

namespace subbit::SUBBIT_ISA {

struct PatchPlan {
  Windows w;
  const uint8_t* x;
  int planes;
  /** The group's channels in whole registers; zeros fill up. */
  int channels;
  /** A patch becomes an offset by a shift; the second plane's begin further on. */
  int shift;
  int toDoubled;

  PatchPlan(const Windows& windows, const uint8_t* levels, int numPlanes, const CodebookKernels& kernels)
      : w(windows),
        x(levels),
        planes(numPlanes),
        channels(CeilDiv(windows.groupInputs(), kVectorBytes) * kVectorBytes),
        shift(__builtin_ctz(kernels.tableBytes)),
        toDoubled(kernels.toDoubled) {}

  /** Of all channels and planes of one pixel, [channel][plane]. */
  ptrdiff_t pixelBytes() const { return static_cast<ptrdiff_t>(channels) * planes * sizeof(uint16_t); }
};

template <int kPlanes>
struct PatchLanes;
template <>
struct PatchLanes<1> {
  typedef uint16_t Number;
};
template <>
struct PatchLanes<2> {
  typedef uint32_t Number;
};

/** Levels c .. of a pixel, of the `count` that it has. */
SUBBIT_INLINE Words LoadChannels(const uint8_t* x, int c, int count) {
  if (c + kVectorBytes <= count) return LoadAs<Words>(x + c);
  uint8_t levels[kVectorBytes] = {};
  int i = 0;
  for (; c + i + 16 <= count; i += 16) __builtin_memcpy(levels + i, x + c + i, 16);
  for (; c + i < count; ++i) levels[i] = x[c + i];
  return LoadAs<Words>(levels);
}

/**
 * The three taps of every input column that a row of outputs reads, [column][channel] bytes; 0 outside of the image. Bits 0 .. 2
 * are the first plane's, 3 .. 5 the second's.
 */
template <int kPlanes>
void CodeColumns(const PatchPlan& plan, const Band& band, int row, uint8_t* out) {
  const Windows w = plan.w;
  const Range columns = RectangleOf(w, band).columns;
  const Range inside = PositionsInside(columns.first, 1, columns.size(), w.width);
  const int count = w.groupInputs();
  const int channels = plan.channels;
  const uint8_t* rows[3];
  Words masks[3];
  for (int kh = 0; kh < 3; ++kh) {
    const int h = row * w.stride - w.padTop + kh * w.dilation;
    const bool isInside = h >= 0 && h < w.height;
    masks[kh] = (isInside ? 0x01010101u : 0u) + Words{};
    const ptrdiff_t first = (static_cast<ptrdiff_t>(band.n) * w.height + (isInside ? h : 0)) * w.width + columns.first + inside.first;
    rows[kh] = plan.x + first * w.inChannels + band.group * count;
  }
  const auto clear = [&](int pixels) {
    for (int i = 0; i < pixels * channels; ++i) out[i] = 0;
    out += pixels * channels;
  };
  clear(inside.first);
  for (int i = inside.first; i < inside.end; ++i, out += channels) {
    for (int c = 0; c < channels; c += kVectorBytes) {
      const Words top = LoadChannels(rows[0], c, count);
      const Words middle = LoadChannels(rows[1], c, count);
      const Words bottom = LoadChannels(rows[2], c, count);
      Words code = (top & masks[0]) | (middle & masks[1]) << 1 | (bottom & masks[2]) << 2;
      if (kPlanes == 2) code |= (top & masks[0] << 1) << 2 | (middle & masks[1] << 1) << 3 | (bottom & masks[2] << 1) << 4;
      StoreWords(out + c, code);
    }
    for (int kh = 0; kh < 3; ++kh) rows[kh] += w.inChannels;
  }
  clear(columns.size() - inside.end);
}

/** Makes offsets of them, a number each, whose 16 bits hold one plane's. (GCC takes a vector of bytes apart to convert it to words.) */
template <int kPlanes>
void SpreadPlanes(const uint8_t* __restrict codes, int count, int shift, typename PatchLanes<kPlanes>::Number* __restrict out) {
  using Number = typename PatchLanes<kPlanes>::Number;
  if constexpr (kPlanes == 1) {
    // A product of shorts, where a shift would be one of words.
    const Number factor = static_cast<Number>(1 << shift);
    for (int i = 0; i < count; ++i) out[i] = static_cast<Number>(codes[i] * factor);
  } else {
    for (int i = 0; i < count; ++i) {
      const Number code = codes[i];
      out[i] = ((code | code << 13) & 0x00070007) << shift;
    }
  }
}

/** The patches of the band's output rows `rows`, [pixel][channel][plane]. `codes` and `columns` are scratch for what a row reads. */
template <int kPlanes>
void BuildPatches(const PatchPlan& plan, const Band& band, Range rows, uint8_t* codes, uint16_t* columns,
                  uint16_t* patches) {
  using Number = typename PatchLanes<kPlanes>::Number;
  constexpr int kNumbers = kVectorBytes / sizeof(Number);
  const int channels = plan.channels;
  const int pixels = band.columns.size();
  const ptrdiff_t pixelStep = static_cast<ptrdiff_t>(plan.w.stride) * channels;
  const ptrdiff_t step = static_cast<ptrdiff_t>(plan.w.dilation) * channels;
  const Number base = static_cast<Number>(kPlanes == 2 ? static_cast<uint32_t>(plan.toDoubled) << 16 : 0);
  const int read = RectangleOf(plan.w, band).columns.size();
  Number* spread = reinterpret_cast<Number*>(columns);
  Number* out = reinterpret_cast<Number*>(patches);
  for (int row = rows.first; row < rows.end; ++row) {
    CodeColumns<kPlanes>(plan, band, row, codes);
    SpreadPlanes<kPlanes>(codes, read * channels, plan.shift, spread);
    const Number* code = spread;
    for (int i = 0; i < pixels; ++i, code += pixelStep, out += channels) {
      for (int c = 0; c < channels; c += kNumbers) {
        const auto column = [&](int kw) { return LoadLanes<kNumbers>(code + kw * step + c); };
        const auto patch = column(0) | column(1) << PatchBit(0, 1) | column(2) << PatchBit(0, 2);
        StoreLanes<kNumbers>(out + c, patch + base);
      }
    }
  }
}

}  // namespace subbit::SUBBIT_ISA
