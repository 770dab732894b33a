/** The short loops that the fused ops consist of, each over one band that lies in the first cache. */
#pragma once
#include "../activation/kinds.h"
#include "../elementwise/scaled.h"
#include "../integer/lanes.h"
#include "bands.h"
#include "channels.h"

/** Of a loop that is a function of its own: many inlined into one function leave GCC so few registers that it keeps pointers on the stack. */
#define SUBBIT_APART static __attribute__((noinline, unused))

namespace subbit::SUBBIT_ISA {

/**
 * Asks for what the next band reads or writes while this one is worked on: memory would otherwise be idle until that band's loops
 * wait for it (sums over [128, 18, 18, 64] from memory: 0.88 ms without, 0.58 ms with).
 */
template <class T>
inline void FetchAhead(const T* from, int count) {
  constexpr int kPerLine = 64 / sizeof(T);
  for (int i = 0; i < count; i += kPerLine) __builtin_prefetch(from + i);
}

template <Normalization kNormalization, bool kKeepsCentred, class T>
inline void NormalizeElements(const T* x, float factor, int count, const Channels& c, float* centred, float* z) {
  ForPeriods(count, c.period, [=](int start, int n) {
    FetchAhead(x + start + count, n);
    const T* __restrict in = x + start;
    const float* __restrict mean = c.mean;
    const float* __restrict scale = c.scale;
    const float* __restrict beta = c.beta;
    float* __restrict difference = centred + start;
    float* __restrict out = z + start;
    for (int i = 0; i < n; ++i) {
      const float real = RealOf(in[i], factor);
      const float each = kNormalization == kStatistics ? real - mean[i] : real;
      if (kKeepsCentred) difference[i] = each;
      out[i] = kNormalization == kStatistics ? each * scale[i] + beta[i] : kNormalization == kBias ? each + beta[i] : each;
    }
  });
}

/** z of a band, and what it is made of where the gradient asks for it. */
template <bool kKeepsCentred>
SUBBIT_APART void Normalize(const PoolWindows& w, const PoolBand& band, const Scaled& x, const Channels& c, const Workspace& s) {
  const float factor = x.FactorOf(band.sample);
  const ptrdiff_t first = static_cast<ptrdiff_t>(band.sample) * w.elements() + band.first;
  x.With([&](const auto* elements) {
    const auto* in = elements + first;
    if (c.normalization == kStatistics) {
      NormalizeElements<kStatistics, kKeepsCentred>(in, factor, band.count, c, s.centred, s.z);
    } else if (c.normalization == kBias) {
      NormalizeElements<kBias, kKeepsCentred>(in, factor, band.count, c, s.centred, s.z);
    } else {
      NormalizeElements<kNothing, kKeepsCentred>(in, factor, band.count, c, s.centred, s.z);
    }
  });
}

/** The taps of a window that lie inside the image. */
struct Taps {
  int rows, columns;
  /** Where in the band the first one has its channels, and how far away those of the next row and column are. */
  ptrdiff_t place, row, column;
  /** Number of the first one, and numbers from row to row. */
  int first, rowTaps;
};

inline Taps TapsOf(const PoolWindows& w, const PoolBand& band, int ow) {
  const int h = band.oh * w.stride - w.padTop;
  const int left = ow * w.stride - w.padLeft;
  const Range rows = PositionsInside(h, 1, w.size, w.height);
  const Range columns = PositionsInside(left, 1, w.size, w.width);
  const ptrdiff_t row = static_cast<ptrdiff_t>(w.width) * w.channels;
  const ptrdiff_t place = (h + rows.first - band.firstRow) * row + static_cast<ptrdiff_t>(left + columns.first) * w.channels;
  return {rows.size(), columns.size(), place, row, w.channels, rows.first * w.size + columns.first, w.size};
}

/** What a maximum leaves behind: itself alone, or where it was, or the centred number there. */
enum Kept { kMaximum, kTap, kCentred };

/**
 * Channels of one window's maximum, all taps in registers: compilers would make a loop over channels for each tap into
 * masked stores, whose results the next tap waits for.
 */
template <Kept kKept>
struct WindowMaximum {
  const float* z;
  const float* centred;
  Taps taps;
  float* best;
  float* bestCentred;
  int32_t* tap;

  template <int kCount, int kVectors>
  inline void Run(int c) const {
    Lanes<float, kCount> largest[kVectors];
    Lanes<float, kCount> there[kVectors];
    Lanes<int32_t, kCount> where[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      largest[v] = LoadLanes<kCount>(z + c + v * kCount);
      if (kKept == kTap) where[v] = Lanes<int32_t, kCount>{} + taps.first;
      if (kKept == kCentred) there[v] = LoadLanes<kCount>(centred + c + v * kCount);
    }
    // The first tap wins against nobody; another one only when it is larger.
    for (int i = 0; i < taps.rows; ++i) {
      for (int j = i == 0 ? 1 : 0; j < taps.columns; ++j) {
        const ptrdiff_t at = i * taps.row + j * taps.column + c;
        for (int v = 0; v < kVectors; ++v) {
          const Lanes<float, kCount> each = LoadLanes<kCount>(z + at + v * kCount);
          const auto wins = each > largest[v];
          largest[v] = wins ? each : largest[v];
          if (kKept == kTap) where[v] = wins ? Lanes<int32_t, kCount>{} + (taps.first + i * taps.rowTaps + j) : where[v];
          if (kKept == kCentred) there[v] = wins ? LoadLanes<kCount>(centred + at + v * kCount) : there[v];
        }
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      StoreLanes<kCount>(best + c + v * kCount, largest[v]);
      if (kKept == kTap) StoreLanes<kCount>(tap + c + v * kCount, where[v]);
      if (kKept == kCentred) StoreLanes<kCount>(bestCentred + c + v * kCount, there[v]);
    }
  }
};

/** The maximum over the windows of one row. */
template <Kept kKept>
SUBBIT_APART void Maximum(const PoolWindows& w, const PoolBand& band, const Workspace& s) {
  for (int ow = 0; ow < w.outWidth; ++ow) {
    const Taps taps = TapsOf(w, band, ow);
    const int out = ow * w.channels;
    const WindowMaximum<kKept> window = {s.z + taps.place, s.centred + taps.place, taps, s.best + out, s.bestCentred + out, s.tap + out};
    ForRegisters<kLanes>(w.channels, window);
  }
}

}  // namespace subbit::SUBBIT_ISA
