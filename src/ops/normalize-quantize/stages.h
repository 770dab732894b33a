/** The short loops that the fused ops consist of, each over one band that lies in the first cache. */
#pragma once
#include "../activation/kinds.h"
#include "../elementwise/scaled.h"
#include "../pool/window-maximum.h"
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

/** Those of a window of the band, placed in the band. */
inline WindowTaps TapsOf(const PoolWindows& w, const PoolBand& band, int ow) {
  const int top = band.oh * w.stride - w.padTop;
  WindowTaps taps = TapsInside(top, ow * w.stride - w.padLeft, w.size, w.height, w.width, w.channels);
  taps.place -= band.firstRow * taps.row;
  return taps;
}

/** What a maximum leaves behind: itself alone, or where it was, or the centred number there. */
enum Kept { kMaximum, kTap, kCentred };

/** Channels of one window's maximum. */
template <Kept kKept>
struct WindowMaximum {
  const float* z;
  const float* centred;
  WindowTaps taps;
  float* best;
  float* bestCentred;
  int32_t* tap;

  template <int kCount, int kVectors>
  inline void Run(int c) const {
    Lanes<float, kCount> largest[kVectors];
    Lanes<float, kCount> there[kVectors] = {};
    Lanes<int32_t, kCount> where[kVectors] = {};
    const auto value = [&](ptrdiff_t at, int v) { return LoadLanes<kCount>(z + at + c + v * kCount); };
    FindMaximum<kCount, kVectors>(taps, largest, value, [&](Lanes<int32_t, kCount> wins, int number, ptrdiff_t at, int v) {
      if (kKept == kTap) where[v] = wins ? Lanes<int32_t, kCount>{} + number : where[v];
      if (kKept == kCentred) there[v] = wins ? LoadLanes<kCount>(centred + at + c + v * kCount) : there[v];
    });
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
    const WindowTaps taps = TapsOf(w, band, ow);
    const int out = ow * w.channels;
    const WindowMaximum<kKept> window = {s.z + taps.place, s.centred + taps.place, taps, s.best + out, s.bestCentred + out, s.tap + out};
    ForRegisters<kLanes>(w.channels, window);
  }
}

}  // namespace subbit::SUBBIT_ISA
