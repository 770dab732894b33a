/**
 * clamp(floor((x * multiplier + half) / 2^shift) + bias, low, high) of rescale.ts, in 64-bit integers where they are fast
 * (AVX-512), and elsewhere in doubles, which hold every intermediate result exactly (|x * multiplier| < 2^47).
 */
#pragma once
#include "lanes.h"

#ifdef __AVX512DQ__
#include <immintrin.h>
#endif

namespace subbit::SUBBIT_ISA {

template <int kCount>
inline Lanes<int32_t, kCount> RescaledLanes(Lanes<int32_t, kCount> x, const int32_t* multiplier, const int32_t* shift,
                                            const int32_t* bias, double low, double high) {
  using Integers = Lanes<int32_t, kCount>;
#ifdef __AVX512DQ__
  if constexpr (kCount == 8) {
    const auto wide = [](const Integers& narrow) { return _mm512_cvtepi32_epi64((__m256i)narrow); };
    const __m512i shifts = wide(LoadLanes<kCount>(shift));
    const __m512i half = _mm512_srli_epi64(_mm512_sllv_epi64(_mm512_set1_epi64(1), shifts), 1);
    const __m512i product = _mm512_mul_epi32(wide(x), wide(LoadLanes<kCount>(multiplier)));
    __m512i y = _mm512_srav_epi64(_mm512_add_epi64(product, half), shifts);
    y = _mm512_add_epi64(y, wide(LoadLanes<kCount>(bias)));
    y = _mm512_max_epi64(y, _mm512_set1_epi64(static_cast<int64_t>(low)));
    y = _mm512_min_epi64(y, _mm512_set1_epi64(static_cast<int64_t>(high)));
    return (Integers)_mm512_cvtepi64_epi32(y);
  }
#endif
  using Longs = Lanes<int64_t, kCount>;
  using Doubles = Lanes<double, kCount>;
  // 1.5 * 2^52
  constexpr double kRounding = 6755399441055744.0;
  const Integers shifts = LoadLanes<kCount>(shift);
  const Doubles factor = __builtin_convertvector(LoadLanes<kCount>(multiplier), Doubles);
  const Doubles power = (Doubles)((1023 - __builtin_convertvector(shifts, Longs)) << 52);
  const Doubles half = 0.5 - 0.5 * __builtin_convertvector(-(shifts == 0), Doubles);
  const Doubles value = __builtin_convertvector(x, Doubles) * factor * power + half;
  Doubles whole = (value + kRounding) - kRounding;
  const Doubles zero = {};
  whole -= whole > value ? zero + 1 : zero;
  whole += __builtin_convertvector(LoadLanes<kCount>(bias), Doubles);
  whole = whole > low ? whole : zero + low;
  whole = whole < high ? whole : zero + high;
  return __builtin_convertvector((Longs)(whole + kRounding), Integers);
}

}  // namespace subbit::SUBBIT_ISA
