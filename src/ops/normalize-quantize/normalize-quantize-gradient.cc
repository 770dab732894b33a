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
inline void Slopes(const Windows& w, const Band& band, int kind, const Scaled& dy, const float* z, float* dz) {
  const float factor = dy.FactorOf(band.sample);
  const ptrdiff_t first = static_cast<ptrdiff_t>(band.sample) * w.outElements() + band.outFirst;
  dy.With([&](const auto* elements) {
    WithActivation(kind, [&](auto each) { SlopeElements<each.value>(z, elements + first, factor, band.outCount, dz); });
  });
}

/** Writes each window's dz to the pixel of its maximum, and zero elsewhere. Like the sum that it stands for it makes -0 to 0. */
inline void Route(const Windows& w, const Band& band, const Workspace& s, float* dz) {
  const int channels = w.channels;
  if (!w.CoverImage()) {
    for (int i = 0; i < band.count; ++i) dz[i] = 0;
  }
  for (int ow = 0; ow < w.outWidth; ++ow) {
    ForTaps(w, band, ow, [&](int pixel, int at) {
      const float* __restrict from = s.bestDz + ow * channels;
      const int32_t* __restrict tap = s.tap + ow * channels;
      float* __restrict to = dz + pixel;
      for (int c = 0; c < channels; ++c) to[c] = tap[c] == at ? from[c] + 0.0f : 0.0f;
    });
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
  Windows w;
  Channels channels;
  Scaled x;
  Scaled dy;
  int kind;

  /** dx of a band. */
  void Band(const subbit::SUBBIT_ISA::Band& band, const Workspace& s, float* dx) const {
    Normalize<true>(w, band, x, channels, s);
    float* dz = channels.normalization == kStatistics ? s.dz : dx;
    if (w.isPooled) {
      Maximum<kTap>(w, band, s);
      Slopes(w, band, kind, dy, s.best, s.bestDz);
      Route(w, band, s, dz);
    } else {
      Slopes(w, band, kind, dy, s.z, dz);
    }
    if (channels.normalization == kStatistics) GradientElements(band.count, channels, s.centred, dz, dx);
  }
};

template <class Params, class Buffers>
inline Gradient GradientOf(const Params& p, const Buffers& b, const Channels& channels) {
  return {WindowsOf(p), channels, Scaled{b.x.data, p.xKind, p.xStep, p.xScaleCount, b.xScale.f32()},
          Scaled{b.dy.data, p.dyKind, p.dyStep, p.dyScaleCount, b.dyScale.f32()}, p.kind};
}

/** Sums over pixels of dz and of centred * dz, in floats over few periods and from there in doubles, per channel. */
struct Sums {
  int channels;
  int period;
  float* products;
  float* plain;
  double* totalProducts;
  double* totals;
  int rows = 0;

  void Clear() {
    for (int i = 0; i < period; ++i) products[i] = plain[i] = 0;
    rows = 0;
  }

  void Add(const float* centred, const float* dz, int count) {
    for (int start = 0; start < count; start += period) {
      if (rows == kRowsPerFloatSum) Flush();
      const int n = Min(period, count - start);
      const float* __restrict left = centred + start;
      const float* __restrict right = dz + start;
      float* __restrict product = products;
      float* __restrict sum = plain;
      for (int i = 0; i < n; ++i) {
        product[i] += left[i] * right[i];
        sum[i] += right[i];
      }
      ++rows;
    }
  }

  void Flush() {
    for (int start = 0; start < period; start += channels) {
      for (int c = 0; c < channels; ++c) {
        totalProducts[c] += products[start + c];
        totals[c] += plain[start + c];
      }
    }
    Clear();
  }
};

}  // namespace

void NormalizeQuantizeGradientSums(const NormalizeQuantizeGradientSumsParams& p, const NormalizeQuantizeGradientSumsBuffers& b,
                                   Pool& pool) {
  const int channels = p.channels;
  const int tasks = p.batch * p.tasksPerSample;
  double* partial = b.scratch.f64();
  const Gradient g = GradientOf(p, b, ChannelsOf(p, b, reinterpret_cast<float*>(partial + static_cast<ptrdiff_t>(2 * channels) * tasks)));
  const Windows& w = g.w;
  pool.Run(tasks, [&](int index, int thread) {
    const Task task = TaskOf(w, index);
    const Workspace s = WorkspaceOf(pool, thread, w, 2 * p.period);
    double* total = partial + static_cast<ptrdiff_t>(2 * channels) * index;
    for (int c = 0; c < 2 * channels; ++c) total[c] = 0;
    Sums sums = {channels, p.period, s.rest, s.rest + p.period, total, total + channels};
    sums.Clear();
    for (int i = task.bands.first; i < task.bands.end; ++i) {
      const Band band = BandOf(w, task.sample, i);
      Normalize<true>(w, band, g.x, g.channels, s);
      // Outside of the maxima dz is zero.
      if (w.isPooled) Maximum<kCentred>(w, band, s);
      const float* z = w.isPooled ? s.best : s.z;
      const float* centred = w.isPooled ? s.bestCentred : s.centred;
      float* dz = w.isPooled ? s.bestDz : s.dz;
      Slopes(w, band, g.kind, g.dy, z, dz);
      sums.Add(centred, dz, band.outCount);
    }
    sums.Flush();
  });
  for (int c = 0; c < channels; ++c) {
    double product = 0;
    double sum = 0;
    for (int task = 0; task < tasks; ++task) {
      product += partial[static_cast<ptrdiff_t>(2 * channels) * task + c];
      sum += partial[static_cast<ptrdiff_t>(2 * channels) * task + channels + c];
    }
    if (b.mean.present()) b.dGamma.f32()[c] = static_cast<float>(product * InverseDeviation(b.variance.f32()[c], p.epsilon));
    b.dBeta.f32()[c] = static_cast<float>(sum);
  }
}

void NormalizeQuantizeGradient(const NormalizeQuantizeGradientParams& p, const NormalizeQuantizeGradientBuffers& b, Pool& pool) {
  const Gradient g = GradientOf(p, b, GradientChannelsOf(p, b, b.scratch.f32()));
  const Windows& w = g.w;
  pool.Run(w.batch * w.tasksPerSample, [&](int index, int thread) {
    const Task task = TaskOf(w, index);
    const Workspace s = WorkspaceOf(pool, thread, w, 0);
    float* dx = b.dx.f32() + static_cast<ptrdiff_t>(task.sample) * w.elements();
    for (int i = task.bands.first; i < task.bands.end; ++i) {
      const Band band = BandOf(w, task.sample, i);
      g.Band(band, s, dx + band.first);
    }
  });
}

void NormalizeQuantizeGradientLevels(const NormalizeQuantizeGradientLevelsParams& p, const NormalizeQuantizeGradientLevelsBuffers& b,
                                     Pool& pool) {
  const Gradient g = GradientOf(p, b, GradientChannelsOf(p, b, b.scratch.f32()));
  const Windows& w = g.w;
  const int elements = w.elements();
  const float max = static_cast<float>(p.levels);
  const uint32_t step = static_cast<uint32_t>(b.step.i32()[0]);
  pool.Run(w.batch, [&](int sample, int thread) {
    const Workspace s = WorkspaceOf(pool, thread, w, elements);
    float* dx = s.rest;
    int32_t largest = 0;
    for (int i = 0; i < w.bandsPerSample(); ++i) {
      const Band band = BandOf(w, sample, i);
      g.Band(band, s, dx + band.first);
      largest = Max(largest, LargestMagnitudeBits(dx + band.first, band.count));
    }
    const float magnitude = __builtin_bit_cast(float, largest);
    b.max.f32()[sample] = magnitude;
    const int first = sample * elements;
    QuantizeGradientElements(dx, magnitude, max, {p.seed, p.stream, step, first}, elements, b.levels.u8() + first);
  });
}

}  // namespace subbit::SUBBIT_ISA
