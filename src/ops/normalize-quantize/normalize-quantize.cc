/** Normalisation, maximum, activation and quantizer in one pass; see normalize-quantize.ts. */
#include "../quantize/levels.h"
#include "ops.h"
#include "stages.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** What a kind has to do when the quantizer after it clamps to 0 .. 1: nothing for relu and clip. */
template <ActivationKind kKind>
inline float BeforeClamp(float z) {
  return kKind == kCabs ? Absolute(z) : kKind == kRelu || kKind == kClip ? z : Activated<kKind>(z);
}

/** Activation and quantizer of a run. */
template <ActivationKind kKind>
inline void QuantizeElements(const float* __restrict z, int count, float max, uint8_t* __restrict levels) {
  for (int i = 0; i < count; ++i) levels[i] = RoundToLevel(BeforeClamp<kKind>(z[i]) * max, max);
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
      WithActivation(p.kind, [&](auto kind) { QuantizeElements<kind.value>(z, band.outCount, max, levels); });
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
