/** The way back through normalisation, maximum, activation and quantizer; see normalize-quantize-gradient.ts. */
#include "../quantize/gradient-levels.h"
#include "../quantize/magnitude.h"
#include "ops.h"
#include "rows.h"
#include "stages.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** h'(z) dy of a run. */
template <ActivationKind kKind, class T>
inline void SlopeElements(const float* __restrict z, const T* __restrict dy, float factor, int count, float* __restrict dz) {
  for (int i = 0; i < count; ++i) dz[i] = Slope<kKind>(z[i], RealOf(dy[i], factor));
}

/** dz of what the activation saw in a band: of the windows' maxima, or of every element. */
SUBBIT_APART void Slopes(const PoolWindows& w, const PoolBand& band, int kind, const Scaled& dy, const float* z, float* dz) {
  const float factor = dy.FactorOf(band.sample);
  const ptrdiff_t first = static_cast<ptrdiff_t>(band.sample) * w.outElements() + band.outFirst;
  dy.With([&](const auto* elements) {
    FetchAhead(elements + first + band.outCount, band.outCount);
    WithActivation(kind, [&](auto each) { SlopeElements<each.value>(z, elements + first, factor, band.outCount, dz); });
  });
}

/** Channels of one window: dz to the tap of the maximum, zero to the others. Like the sum that it stands for it makes -0 to 0. */
struct WindowRoute {
  const float* from;
  const int32_t* tap;
  WindowTaps taps;
  float* dz;

  template <int kCount, int kVectors>
  inline void Run(int c) const {
    Lanes<float, kCount> gradient[kVectors];
    Lanes<int32_t, kCount> where[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      gradient[v] = LoadLanes<kCount>(from + c + v * kCount) + 0.0f;
      where[v] = LoadLanes<kCount>(tap + c + v * kCount);
    }
    for (int i = 0; i < taps.rows; ++i) {
      for (int j = 0; j < taps.columns; ++j) {
        float* to = dz + i * taps.row + j * taps.column + c;
        const Lanes<int32_t, kCount> here = Lanes<int32_t, kCount>{} + (taps.first + i * taps.rowTaps + j);
        for (int v = 0; v < kVectors; ++v) {
          StoreLanes<kCount>(to + v * kCount, where[v] == here ? gradient[v] : Lanes<float, kCount>{});
        }
      }
    }
  }
};

/** dz of a band from that of its windows. */
SUBBIT_APART void Route(const PoolWindows& w, const PoolBand& band, const Workspace& s, float* dz) {
  if (!w.CoverImage()) {
    for (int i = 0; i < band.count; ++i) dz[i] = 0;
  }
  for (int ow = 0; ow < w.outWidth; ++ow) {
    const WindowTaps taps = TapsOf(w, band, ow);
    const int out = ow * w.channels;
    ForRegisters<kLanes>(w.channels, WindowRoute{s.bestDz + out, s.tap + out, taps, dz + taps.place});
  }
}

/** dx = batch-norm-gradient of dz. */
inline void GradientElements(int count, const Channels& c, const float* centred, const float* dz, float* dx) {
  ForPeriods(count, c.period, [=](int start, int n) {
    const float* __restrict difference = centred + start;
    const float* __restrict in = dz + start;
    const float* __restrict scale = c.scale;
    const float* __restrict slope = c.slope;
    const float* __restrict offset = c.offset;
    float* __restrict out = dx + start;
    for (int i = 0; i < n; ++i) out[i] = ((in[i] - offset[i]) - difference[i] * slope[i]) * scale[i];
  });
}

/** The operands of the ops here. */
struct Gradient {
  PoolWindows w;
  Channels channels;
  Scaled x;
  Scaled dy;
  int kind;

  /** dx of a band. */
  void PoolBand(const subbit::SUBBIT_ISA::PoolBand& band, const Workspace& s, float* dx) const {
    const bool isNormalized = channels.normalization == kStatistics;
    if (isNormalized) {
      Normalize<true>(w, band, x, channels, s);
    } else {
      Normalize<false>(w, band, x, channels, s);
    }
    float* dz = isNormalized ? s.dz : dx;
    if (w.isPooled) {
      Maximum<kTap>(w, band, s);
      Slopes(w, band, kind, dy, s.best, s.bestDz);
      Route(w, band, s, dz);
    } else {
      Slopes(w, band, kind, dy, s.z, dz);
    }
    if (isNormalized) GradientElements(band.count, channels, s.centred, dz, dx);
  }
};

template <class Params, class Buffers>
inline Gradient GradientOf(const Params& p, const Buffers& b, const Channels& channels) {
  return {PoolWindowsOf(p), channels, Scaled{b.x.data, p.xKind, p.xStep, p.xScaleCount, b.xScale.f32()},
          Scaled{b.dy.data, p.dyKind, p.dyStep, p.dyScaleCount, b.dyScale.f32()}, p.kind};
}

/** Adds `rows` rows of `length` elements, in registers. */
template <bool kHasProducts>
SUBBIT_APART void AddRows(const float* centred, const float* dz, int rows, int length, float* sums, float* products) {
  int i = 0;
  for (; i + kLanes <= length; i += kLanes) {
    Vec sum = Load(sums + i);
    Vec product = Load(products + i);
    for (int row = 0; row < rows; ++row) {
      const ptrdiff_t at = static_cast<ptrdiff_t>(row) * length + i;
      const Vec each = Load(dz + at);
      sum += each;
      if (kHasProducts) product += Load(centred + at) * each;
    }
    Store(sums + i, sum);
    if (kHasProducts) Store(products + i, product);
  }
  for (; i < length; ++i) {
    for (int row = 0; row < rows; ++row) {
      const ptrdiff_t at = static_cast<ptrdiff_t>(row) * length + i;
      sums[i] += dz[at];
      if (kHasProducts) products[i] += centred[at] * dz[at];
    }
  }
}

/** Sums over pixels of dz and of centred * dz, in floats over few periods and from there in doubles, per channel. */
struct Sums {
  int channels;
  int period;
  float* plain;
  float* products;
  double* totals;
  double* totalProducts;
  int rows = 0;

  void Clear() {
    for (int i = 0; i < period; ++i) plain[i] = products[i] = 0;
    rows = 0;
  }

  template <bool kHasProducts>
  void Add(const float* centred, const float* dz, int count) {
    for (int start = 0; start < count;) {
      if (rows == kRowsPerFloatSum) Flush();
      // A last row may be shorter.
      const int left = count - start;
      const int length = Min(period, left);
      const int some = Min(Max(left / period, 1), kRowsPerFloatSum - rows);
      AddRows<kHasProducts>(centred + start, dz + start, some, length, plain, products);
      rows += some;
      start += some * length;
    }
  }

  void Flush() {
    for (int start = 0; start < period; start += channels) {
      for (int c = 0; c < channels; ++c) {
        totals[c] += plain[start + c];
        totalProducts[c] += products[start + c];
      }
    }
    Clear();
  }
};

/** Adds dz of a band to the sums. Outside of the windows' maxima it is zero. */
template <bool kHasProducts>
inline void AddBand(const Gradient& g, const PoolBand& band, const Workspace& s, Sums& sums) {
  Normalize<kHasProducts>(g.w, band, g.x, g.channels, s);
  if (g.w.isPooled) {
    Maximum<kHasProducts ? kCentred : kMaximum>(g.w, band, s);
    Slopes(g.w, band, g.kind, g.dy, s.best, s.bestDz);
    sums.Add<kHasProducts>(s.bestCentred, s.bestDz, band.outCount);
  } else {
    Slopes(g.w, band, g.kind, g.dy, s.z, s.dz);
    sums.Add<kHasProducts>(s.centred, s.dz, band.outCount);
  }
}

}  // namespace

void NormalizeQuantizeGradientSums(const NormalizeQuantizeGradientSumsParams& p, const NormalizeQuantizeGradientSumsBuffers& b,
                                   Pool& pool) {
  const int channels = p.channels;
  const int tasks = p.batch * p.tasksPerSample;
  const int both = 2 * channels;
  double* partial = b.scratch.f64();
  const Gradient g = GradientOf(p, b, ChannelsOf(p, b, reinterpret_cast<float*>(partial + static_cast<ptrdiff_t>(both) * tasks)));
  const bool hasProducts = g.channels.normalization == kStatistics;
  pool.Run(tasks, [&](int index, int thread) {
    const Task task = TaskOf(g.w, index);
    const Workspace s = WorkspaceOf(pool, thread, g.w, 2 * p.period);
    double* total = partial + static_cast<ptrdiff_t>(both) * index;
    for (int c = 0; c < both; ++c) total[c] = 0;
    Sums sums = {channels, p.period, s.rest, s.rest + p.period, total, total + channels};
    sums.Clear();
    for (int i = task.bands.first; i < task.bands.end; ++i) {
      const PoolBand band = PoolBandOf(g.w, task.sample, i);
      if (hasProducts) {
        AddBand<true>(g, band, s, sums);
      } else {
        AddBand<false>(g, band, s, sums);
      }
    }
    sums.Flush();
  });
  for (int task = 1; task < tasks; ++task) {
    const double* __restrict from = partial + static_cast<ptrdiff_t>(both) * task;
    double* __restrict to = partial;
    for (int c = 0; c < both; ++c) to[c] += from[c];
  }
  for (int c = 0; c < channels; ++c) {
    b.dBeta.f32()[c] = static_cast<float>(partial[c]);
    if (!hasProducts) continue;
    const double sum = partial[channels + c];
    b.dGamma.f32()[c] = static_cast<float>(sum * InverseDeviation(b.variance.f32()[c], p.epsilon));
  }
}

void NormalizeQuantizeGradient(const NormalizeQuantizeGradientParams& p, const NormalizeQuantizeGradientBuffers& b, Pool& pool) {
  const Gradient g = GradientOf(p, b, GradientChannelsOf(p, b, b.scratch.f32()));
  const PoolWindows& w = g.w;
  pool.Run(w.batch * w.tasksPerSample, [&](int index, int thread) {
    const Task task = TaskOf(w, index);
    const Workspace s = WorkspaceOf(pool, thread, w, 0);
    float* dx = b.dx.f32() + static_cast<ptrdiff_t>(task.sample) * w.elements();
    for (int i = task.bands.first; i < task.bands.end; ++i) {
      const PoolBand band = PoolBandOf(w, task.sample, i);
      FetchAhead(dx + band.first + band.count, band.count);
      g.PoolBand(band, s, dx + band.first);
    }
  });
}

void NormalizeQuantizeGradientLevels(const NormalizeQuantizeGradientLevelsParams& p, const NormalizeQuantizeGradientLevelsBuffers& b,
                                     Pool& pool) {
  const Gradient g = GradientOf(p, b, GradientChannelsOf(p, b, b.scratch.f32()));
  const PoolWindows& w = g.w;
  const int elements = w.elements();
  const float max = static_cast<float>(p.levels);
  const uint32_t step = static_cast<uint32_t>(b.step.i32()[0]);
  pool.Run(w.batch, [&](int sample, int thread) {
    const Workspace s = WorkspaceOf(pool, thread, w, elements);
    float* dx = s.rest;
    int32_t largest = 0;
    for (int i = 0; i < w.bandsPerSample(); ++i) {
      const PoolBand band = PoolBandOf(w, sample, i);
      g.PoolBand(band, s, dx + band.first);
      largest = Max(largest, LargestMagnitudeBits(dx + band.first, band.count));
    }
    const float magnitude = __builtin_bit_cast(float, largest);
    b.max.f32()[sample] = magnitude;
    const int first = sample * elements;
    QuantizeGradientElements(dx, magnitude, max, {p.seed, p.stream, step, first}, elements, b.levels.u8() + first);
  });
}

}  // namespace subbit::SUBBIT_ISA
