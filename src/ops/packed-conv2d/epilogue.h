/**
 * From a pixel's products to its outputs, for all families of fused convolutions (packed-conv2d.ts):
 *
 *     acc = productFactor * P - sumFactor * S - O        then thresholds, a linear function, or the residual stream
 *
 * A kernel hands over P of a run of consecutive output channels as 32-bit integers. The parts of acc may wrap around,
 * acc itself does not, so unsigned arithmetic gives it exactly. Everything runs on whole registers; the last one of a run
 * overlaps the one before (the same outputs are computed twice), and runs shorter than a register go channel by channel.
 */
#pragma once
#include "../conv2d/vector.h"
#include "../integer/rescale-lanes.h"
#include "kernel.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

namespace subbit::SUBBIT_ISA {

/** epilogueKinds of packed-conv2d.ts. */
enum EpilogueKind {
  kAccumulators = 0,
  kThresholds = 1,
  kTwoSidedThresholds = 2,
  kLinear = 3,
  kGuided = 4,
  kStream = 5,
  kShortAccumulators = 6,
};

/** convolutionParts of packed-conv2d.ts. */
enum ConvolutionPart { kPackPart = 1, kProductPart = 2, kEpiloguePart = 4 };

/** What an op's params and buffers say about its epilogue. */
struct Epilogue {
  int kind;
  int levels;
  /** K: between the rows of constants, and between the pixels of y. */
  int channels;
  uint32_t productFactor;
  uint32_t sumFactor;
  double low;
  double high;
  /** What runs of the convolution: ConvolutionParts. */
  int parts;
  /** [K]: -1 where productFactor * P - sumFactor * S changes its sign, else 0; null where it does nowhere. */
  const int32_t* turned;
  Tensor constants;
  Tensor residual;
  Tensor y;

  bool needsSums() const { return sumFactor != 0; }
};

template <class Params, class Buffers>
inline Epilogue EpilogueOf(const Params& p, const Buffers& b) {
  Epilogue e;
  e.kind = p.epilogue;
  e.levels = p.levels;
  e.channels = p.outChannels;
  e.productFactor = static_cast<uint32_t>(p.productFactor);
  e.sumFactor = static_cast<uint32_t>(p.sumFactor);
  e.low = p.low;
  e.high = p.high;
  e.parts = p.parts;
  e.turned = nullptr;
  e.constants = b.constants;
  e.residual = b.residual;
  e.y = b.y;
  return e;
}

/** A run of channels of one output pixel. */
struct PixelRun {
  /** [count] */
  const int32_t* products;
  /** Of all outputs [N * OH * OW]. */
  ptrdiff_t pixel;
  int firstChannel;
  int count;
  /** S of the pixel and the channels' group. */
  int32_t windowSum;
  /** O of the pixel, [K] from channel 0; null where there are no offsets. */
  const int32_t* border;
};

template <int kCount>
inline Lanes<int32_t, kCount> AccumulatorsAt(const Epilogue& e, const PixelRun& run, int i) {
  using Unsigned = Lanes<uint32_t, kCount>;
  const uint32_t sums = e.sumFactor * static_cast<uint32_t>(run.windowSum);
  Unsigned acc = (Unsigned)LoadLanes<kCount>(run.products + i) * e.productFactor - sums;
  if (e.turned != nullptr) {
    const Unsigned turned = (Unsigned)LoadLanes<kCount>(e.turned + run.firstChannel + i);
    acc = (acc ^ turned) - turned;
  }
  if (run.border != nullptr) acc -= (Unsigned)LoadLanes<kCount>(run.border + run.firstChannel + i);
  return (Lanes<int32_t, kCount>)acc;
}

/** How many of the channels' thresholds are reached. `kVectors` registers at once hide the chain of additions. */
template <int kCount, int kVectors, bool kIsTwoSided>
inline void CountThresholds(const Epilogue& e, const PixelRun& run, int i, uint8_t* y) {
  using Integers = Lanes<int32_t, kCount>;
  Integers acc[kVectors];
  Integers level[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    acc[v] = AccumulatorsAt<kCount>(e, run, i + v * kCount);
    level[v] = Integers{};
  }
  const int32_t* row = e.constants.i32() + run.firstChannel + i;
  for (int j = 0; j < e.levels; ++j, row += e.channels) {
    // A comparison that holds is -1.
    for (int v = 0; v < kVectors; ++v) level[v] -= acc[v] >= LoadLanes<kCount>(row + v * kCount);
  }
  for (int j = 0; kIsTwoSided && j < e.levels; ++j, row += e.channels) {
    for (int v = 0; v < kVectors; ++v) level[v] -= acc[v] <= LoadLanes<kCount>(row + v * kCount);
  }
  for (int v = 0; v < kVectors; ++v) {
    StoreLanes<kCount>(y + i + v * kCount, __builtin_convertvector(level[v], Lanes<uint8_t, kCount>));
  }
}

/** acc * slope + intercept, from two rows of floats. */
template <int kCount>
inline Lanes<float, kCount> LineAt(const float* slope, int channels, Lanes<int32_t, kCount> acc) {
  using Floats = Lanes<float, kCount>;
  const Floats real = __builtin_convertvector(acc, Floats) * LoadLanes<kCount>(slope);
  return real + LoadLanes<kCount>(slope + channels);
}

/** In this order NaN becomes 0. */
template <int kCount>
inline Lanes<float, kCount> Clamped(Lanes<float, kCount> real, int high) {
  const Lanes<float, kCount> zero = {};
  const Lanes<float, kCount> most = zero + static_cast<float>(high);
  real = real > zero ? real : zero;
  return real < most ? real : most;
}

/** round(acc * slope + intercept), half to even; adding 1.5 * 2^23 rounds, and leaves the integer in the low bits. */
template <int kCount>
inline void LinearLevels(const Epilogue& e, const PixelRun& run, int i, uint8_t* y) {
  using Integers = Lanes<int32_t, kCount>;
  constexpr float kRounding = 12582912.0f;
  const float* slope = e.constants.f32() + run.firstChannel + i;
  const Lanes<float, kCount> real = LineAt<kCount>(slope, e.channels, AccumulatorsAt<kCount>(e, run, i));
  const Integers level = (Integers)(Clamped<kCount>(real, e.levels) + kRounding) & 0x3fffff;
  StoreLanes<kCount>(y + i, __builtin_convertvector(level, Lanes<uint8_t, kCount>));
}

/** base[index] of every lane. */
template <int kCount>
inline Lanes<int32_t, kCount> Gathered(const int32_t* base, Lanes<int32_t, kCount> index) {
  using Integers = Lanes<int32_t, kCount>;
#if defined(__AVX512F__)
  if constexpr (kCount == 16) return (Integers)_mm512_mask_i32gather_epi32(__m512i{}, 0xffff, (__m512i)index, base, 4);
#elif defined(__AVX2__)
  if constexpr (kCount == 8) return (Integers)_mm256_i32gather_epi32(base, (__m256i)index, 4);
#endif
  Integers found;
  for (int lane = 0; lane < kCount; ++lane) found[lane] = base[index[lane]];
  return found;
}

/** The line guesses the level or the one below; one threshold of the channel tells which. */
template <int kCount>
inline void GuidedLevels(const Epilogue& e, const PixelRun& run, int i, uint8_t* y) {
  using Integers = Lanes<int32_t, kCount>;
  const int channel = run.firstChannel + i;
  const Integers acc = AccumulatorsAt<kCount>(e, run, i);
  const Lanes<float, kCount> real = LineAt<kCount>(e.constants.f32() + channel, e.channels, acc);
  const Integers guess = __builtin_convertvector(Clamped<kCount>(real, e.levels - 1), Integers);
  Integers lanes;
  for (int lane = 0; lane < kCount; ++lane) lanes[lane] = lane;
  const int32_t* up = e.constants.i32() + 2 * static_cast<ptrdiff_t>(e.channels) + channel;
  const Integers level = guess - (acc >= Gathered<kCount>(up, guess * e.channels + lanes));
  StoreLanes<kCount>(y + i, __builtin_convertvector(level, Lanes<uint8_t, kCount>));
}

/** rescale(acc) + residual. */
template <int kCount>
inline void StreamIntegers(const Epilogue& e, const PixelRun& run, int i, int32_t* y) {
  const int channel = run.firstChannel + i;
  const ptrdiff_t channels = e.channels;
  const int32_t* multiplier = e.constants.i32() + channel;
  Lanes<int32_t, kCount> result = RescaledLanes<kCount>(AccumulatorsAt<kCount>(e, run, i), multiplier, multiplier + channels,
                                                        multiplier + 2 * channels, e.low, e.high);
  if (e.residual.present()) result += LoadLanes<kCount>(e.residual.i32() + run.pixel * channels + channel);
  StoreLanes<kCount>(y + i, result);
}

template <int kKind>
struct FinishBody {
  const Epilogue& e;
  const PixelRun& run;
  ptrdiff_t start;

  template <int kCount, int kVectors>
  void Run(int i) const {
    if constexpr (kKind == kThresholds || kKind == kTwoSidedThresholds) {
      CountThresholds<kCount, kVectors, kKind == kTwoSidedThresholds>(e, run, i, e.y.u8() + start);
    } else {
      for (int v = 0; v < kVectors; ++v, i += kCount) {
        if constexpr (kKind == kAccumulators) {
          StoreLanes<kCount>(e.y.i32() + start + i, AccumulatorsAt<kCount>(e, run, i));
        }
        if constexpr (kKind == kShortAccumulators) {
          const Lanes<int32_t, kCount> acc = AccumulatorsAt<kCount>(e, run, i);
          StoreLanes<kCount>(e.y.i16() + start + i, __builtin_convertvector(acc, Lanes<int16_t, kCount>));
        }
        if constexpr (kKind == kLinear) LinearLevels<kCount>(e, run, i, e.y.u8() + start);
        if constexpr (kKind == kGuided) GuidedLevels<kCount>(e, run, i, e.y.u8() + start);
        if constexpr (kKind == kStream) StreamIntegers<kCount>(e, run, i, e.y.i32() + start);
      }
    }
  }
};

template <int kKind, int kCount>
SUBBIT_INLINE void FinishAs(const Epilogue& e, const PixelRun& run) {
  ForRegisters<kCount>(run.count, FinishBody<kKind>{e, run, run.pixel * e.channels + run.firstChannel});
}

/** Writes the outputs of a run of channels. */
inline void Finish(const Epilogue& e, const PixelRun& run) {
  switch (e.kind) {
    case kAccumulators:
      return FinishAs<kAccumulators, kLanes>(e, run);
    case kShortAccumulators:
      return FinishAs<kShortAccumulators, kLanes>(e, run);
    case kThresholds:
      return FinishAs<kThresholds, kLanes>(e, run);
    case kTwoSidedThresholds:
      return FinishAs<kTwoSidedThresholds, kLanes>(e, run);
    case kLinear:
      return FinishAs<kLinear, kLanes>(e, run);
    case kGuided:
      return FinishAs<kGuided, kLanes>(e, run);
    default: {
      // Copies, because stores may alias what is only referred to: loading it again cost more than the arithmetic.
      const Epilogue own = e;
      const PixelRun ownRun = run;
      // Half as many, so that the doubles fill one register.
      return FinishAs<kStream, kLanes / 2>(own, ownRun);
    }
  }
}

}  // namespace subbit::SUBBIT_ISA
