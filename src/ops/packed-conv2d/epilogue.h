/**
 * From a pixel's products to its outputs, for all families of fused convolutions (packed-conv2d.ts):
 *
 *     acc = productFactor * P - sumFactor * S - O        then thresholds, a linear function, or the residual stream
 *
 * A kernel hands over P of consecutive output channels of neighbouring pixels as 32-bit integers. The parts of acc may wrap around,
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

/** A run of channels of some neighbouring output pixels that have the same border term. */
struct PixelRun {
  /** [pixels][count], `stride` from one pixel to the next */
  const int32_t* products;
  ptrdiff_t stride;
  int pixels;
  /** The first one, of all outputs [N * OH * OW]. */
  ptrdiff_t pixel;
  int firstChannel;
  int count;
  /** S of each pixel and the channels' group; null where the epilogue needs none. */
  const int32_t* windowSums;
  /** O of the pixels, [K] from channel 0; null where there are no offsets. */
  const int32_t* border;
};

/** acc of some registers of channels, pixel after pixel. */
template <int kCount, int kVectors>
class Accumulators {
 public:
  Accumulators(const Epilogue& e, const PixelRun& run, int i)
      : products_(run.products + i),
        stride_(run.stride),
        sums_(run.windowSums),
        productFactor_(e.productFactor),
        sumFactor_(e.sumFactor) {
    const int channel = run.firstChannel + i;
    for (int v = 0; v < kVectors; ++v) {
      turned_[v] = e.turned == nullptr ? Unsigned{} : (Unsigned)LoadLanes<kCount>(e.turned + channel + v * kCount);
      less_[v] = turned_[v];
      if (run.border != nullptr) less_[v] += (Unsigned)LoadLanes<kCount>(run.border + channel + v * kCount);
    }
  }

  void At(int pixel, Lanes<int32_t, kCount>* out) const {
    const uint32_t sum = sums_ == nullptr ? 0 : sumFactor_ * static_cast<uint32_t>(sums_[pixel]);
    for (int v = 0; v < kVectors; ++v) {
      Unsigned acc = (Unsigned)LoadLanes<kCount>(products_ + pixel * stride_ + v * kCount);
      if (productFactor_ != 1) acc *= productFactor_;
      if (sums_ != nullptr) acc -= sum;
      out[v] = (Lanes<int32_t, kCount>)((acc ^ turned_[v]) - less_[v]);
    }
  }

 private:
  using Unsigned = Lanes<uint32_t, kCount>;
  const int32_t* products_;
  ptrdiff_t stride_;
  const int32_t* sums_;
  uint32_t productFactor_;
  uint32_t sumFactor_;
  Unsigned turned_[kVectors];
  /** What turning and the border take away. */
  Unsigned less_[kVectors];
};

/** How many of the channels' thresholds are reached. `kVectors` registers at once hide the chain of additions. */
template <int kCount, int kVectors, bool kIsTwoSided>
inline void CountThresholds(const Epilogue& e, const int32_t* row, const Lanes<int32_t, kCount>* acc, uint8_t* y) {
  Lanes<int32_t, kCount> level[kVectors];
  for (int v = 0; v < kVectors; ++v) level[v] = Lanes<int32_t, kCount>{};
  for (int j = 0; j < e.levels; ++j, row += e.channels) {
    // A comparison that holds is -1.
    for (int v = 0; v < kVectors; ++v) level[v] -= acc[v] >= LoadLanes<kCount>(row + v * kCount);
  }
  for (int j = 0; kIsTwoSided && j < e.levels; ++j, row += e.channels) {
    for (int v = 0; v < kVectors; ++v) level[v] -= acc[v] <= LoadLanes<kCount>(row + v * kCount);
  }
  for (int v = 0; v < kVectors; ++v) {
    StoreLanes<kCount>(y + v * kCount, __builtin_convertvector(level[v], Lanes<uint8_t, kCount>));
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
inline Lanes<uint8_t, kCount> LinearLevels(const Epilogue& e, const float* slope, Lanes<int32_t, kCount> acc) {
  constexpr float kRounding = 12582912.0f;
  const Lanes<float, kCount> real = LineAt<kCount>(slope, e.channels, acc);
  const Lanes<int32_t, kCount> level = (Lanes<int32_t, kCount>)(Clamped<kCount>(real, e.levels) + kRounding) & 0x3fffff;
  return __builtin_convertvector(level, Lanes<uint8_t, kCount>);
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
inline Lanes<uint8_t, kCount> GuidedLevels(const Epilogue& e, int channel, Lanes<int32_t, kCount> acc) {
  using Integers = Lanes<int32_t, kCount>;
  const Lanes<float, kCount> real = LineAt<kCount>(e.constants.f32() + channel, e.channels, acc);
  const Integers guess = __builtin_convertvector(Clamped<kCount>(real, e.levels - 1), Integers);
  Integers lanes;
  for (int lane = 0; lane < kCount; ++lane) lanes[lane] = lane;
  const int32_t* up = e.constants.i32() + 2 * static_cast<ptrdiff_t>(e.channels) + channel;
  const Integers level = guess - (acc >= Gathered<kCount>(up, guess * e.channels + lanes));
  return __builtin_convertvector(level, Lanes<uint8_t, kCount>);
}

/** rescale(acc) + residual; `at` of the residual. */
template <int kCount>
inline Lanes<int32_t, kCount> StreamIntegers(const Epilogue& e, int channel, ptrdiff_t at, Lanes<int32_t, kCount> acc) {
  const int32_t* multiplier = e.constants.i32() + channel;
  const ptrdiff_t channels = e.channels;
  Lanes<int32_t, kCount> result =
      RescaledLanes<kCount>(acc, multiplier, multiplier + channels, multiplier + 2 * channels, e.low, e.high);
  if (e.residual.present()) result += LoadLanes<kCount>(e.residual.i32() + at);
  return result;
}

/** Some registers of channels after the other, each over all pixels, so that what belongs to channels stays in registers. */
template <int kKind>
struct FinishBody {
  const Epilogue& e;
  const PixelRun& run;

  template <int kCount, int kVectors>
  void Run(int i) const {
    // Copies, because stores may alias what is only referred to: loading it again cost more than the arithmetic.
    const Epilogue own = e;
    const Accumulators<kCount, kVectors> accumulators(e, run, i);
    const int pixels = run.pixels;
    const int channel = run.firstChannel + i;
    ptrdiff_t at = run.pixel * own.channels + channel;
    for (int pixel = 0; pixel < pixels; ++pixel, at += own.channels) {
      Lanes<int32_t, kCount> acc[kVectors];
      accumulators.At(pixel, acc);
      if constexpr (kKind == kThresholds || kKind == kTwoSidedThresholds) {
        constexpr bool kIsTwoSided = kKind == kTwoSidedThresholds;
        CountThresholds<kCount, kVectors, kIsTwoSided>(own, own.constants.i32() + channel, acc, own.y.u8() + at);
      } else {
        for (int v = 0; v < kVectors; ++v) Store<kCount>(own, channel + v * kCount, at + v * kCount, acc[v]);
      }
    }
  }

  template <int kCount>
  static void Store(const Epilogue& e, int channel, ptrdiff_t at, Lanes<int32_t, kCount> acc) {
    if constexpr (kKind == kAccumulators) StoreLanes<kCount>(e.y.i32() + at, acc);
    if constexpr (kKind == kShortAccumulators) {
      StoreLanes<kCount>(e.y.i16() + at, __builtin_convertvector(acc, Lanes<int16_t, kCount>));
    }
    if constexpr (kKind == kLinear) StoreLanes<kCount>(e.y.u8() + at, LinearLevels<kCount>(e, e.constants.f32() + channel, acc));
    if constexpr (kKind == kGuided) StoreLanes<kCount>(e.y.u8() + at, GuidedLevels<kCount>(e, channel, acc));
    if constexpr (kKind == kStream) StoreLanes<kCount>(e.y.i32() + at, StreamIntegers<kCount>(e, channel, at, acc));
  }
};

template <int kKind, int kCount>
SUBBIT_INLINE void FinishAs(const Epilogue& e, const PixelRun& run) {
  ForRegisters<kCount>(run.count, FinishBody<kKind>{e, run});
}

/** Writes the outputs of a run of pixels. */
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
    default:
      // Half as many, so that the doubles fill one register.
      return FinishAs<kStream, kLanes / 2>(e, run);
  }
}

}  // namespace subbit::SUBBIT_ISA
