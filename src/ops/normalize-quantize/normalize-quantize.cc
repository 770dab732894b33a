/** Normalisation, maximum, activation and quantizer in one pass; see normalize-quantize.ts. */
#include "../quantize/levels.h"
#include "ops.h"
#include "stages.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** Activation and quantizer of a run. The quantizer clamps to 0 .. 1, so that relu and clip have nothing left to do. */
template <bool kIsAbsolute>
inline void QuantizeElements(const float* __restrict z, int count, float max, uint8_t* __restrict levels) {
  for (int i = 0; i < count; ++i) levels[i] = RoundToLevel((kIsAbsolute ? Absolute(z[i]) : z[i]) * max, max);
}

}  // namespace

void NormalizeQuantize(const NormalizeQuantizeParams& p, const NormalizeQuantizeBuffers& b, Pool& pool) {
  const PoolWindows w = PoolWindowsOf(p);
  const Channels channels = ChannelsOf(p, b, b.scratch.f32());
  const Scaled x = {b.x.data, p.xKind, p.xStep, p.xScaleCount, b.xScale.f32()};
  const float max = static_cast<float>(p.levels);
  pool.Run(w.batch * w.tasksPerSample, [&](int index, int thread) {
    const Task task = TaskOf(w, index);
    const Workspace s = WorkspaceOf(pool, thread, w, 0);
    for (int i = task.bands.first; i < task.bands.end; ++i) {
      const PoolBand band = PoolBandOf(w, task.sample, i);
      Normalize<false>(w, band, x, channels, s);
      if (w.isPooled) Maximum<kMaximum>(w, band, s);
      const float* z = w.isPooled ? s.best : s.z;
      uint8_t* levels = b.levels.u8() + static_cast<ptrdiff_t>(task.sample) * w.outElements() + band.outFirst;
      if (p.kind == kCabs) {
        QuantizeElements<true>(z, band.outCount, max, levels);
      } else {
        QuantizeElements<false>(z, band.outCount, max, levels);
      }
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
