/** The short loops that the fused ops consist of, each over one band that lies in the first cache. */
#pragma once
#include "../activation/kinds.h"
#include "../elementwise/scaled.h"
#include "bands.h"
#include "channels.h"

namespace subbit::SUBBIT_ISA {

template <Normalization kNormalization, bool kKeepsCentred, class T>
inline void NormalizeElements(const T* x, float factor, int count, const Channels& c, float* centred, float* z) {
  ForPeriods(count, c.period, [=](int start, int n) {
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
inline void Normalize(const Windows& w, const Band& band, const Scaled& x, const Channels& c, const Workspace& s) {
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

/** body(pixel, at, tap) for the taps of window `ow` inside the image: the pixel's place in the band, and the tap's number. */
template <class Body>
inline void ForTaps(const Windows& w, const Band& band, int ow, const Body& body) {
  const Range rows = PositionsInside(band.oh * w.stride - w.padTop, 1, w.size, w.height);
  const Range columns = PositionsInside(ow * w.stride - w.padLeft, 1, w.size, w.width);
  for (int i = rows.first; i < rows.end; ++i) {
    const int row = band.oh * w.stride - w.padTop + i - band.firstRow;
    for (int j = columns.first; j < columns.end; ++j) {
      body((row * w.width + ow * w.stride - w.padLeft + j) * w.channels, i * w.size + j);
    }
  }
}

/** What a maximum leaves behind: itself alone, or where it was, or the centred number there. */
enum Kept { kMaximum, kTap, kCentred };

/** The maximum over the windows of one row. The first tap starts; another wins only when it is larger. */
template <Kept kKept>
inline void Maximum(const Windows& w, const Band& band, const Workspace& s) {
  const int channels = w.channels;
  for (int ow = 0; ow < w.outWidth; ++ow) {
    const int out = ow * channels;
    bool isFirst = true;
    ForTaps(w, band, ow, [&](int pixel, int at) {
      const float* __restrict z = s.z + pixel;
      const float* __restrict centred = s.centred + pixel;
      float* __restrict best = s.best + out;
      float* __restrict bestCentred = s.bestCentred + out;
      int32_t* __restrict tap = s.tap + out;
      if (isFirst) {
        for (int c = 0; c < channels; ++c) {
          best[c] = z[c];
          if (kKept == kTap) tap[c] = at;
          if (kKept == kCentred) bestCentred[c] = centred[c];
        }
      } else {
        for (int c = 0; c < channels; ++c) {
          const bool wins = z[c] > best[c];
          best[c] = wins ? z[c] : best[c];
          if (kKept == kTap) tap[c] = wins ? at : tap[c];
          if (kKept == kCentred) bestCentred[c] = wins ? centred[c] : bestCentred[c];
        }
      }
      isFirst = false;
    });
  }
}

}  // namespace subbit::SUBBIT_ISA
