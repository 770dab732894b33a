/**
 * The codebook family with AVX-512 VBMI: `vpermb` picks the responses of 64 output channels' codewords, nine products each, or 18
 * where a table holds the sums of two channels' responses to at most 8 codewords.
 *
 * What counts are loads: of indices, of tables, which are added up from one load per patch, and of the patches themselves, which
 * are therefore loaded for two steps at once. (Tables of 16 and 32 bytes for fewer codewords, repeated by the load, were 10 %
 * slower than those of 64 bytes; three small tables for the columns of taps, instead of two large ones for the planes, 20 %.)
 */
#pragma once
#include "codebook-tile.h"
#include "tables.avx512.h"

namespace subbit::SUBBIT_ISA {

/** Of one channel. */
template <int kNumPlanes>
struct ChannelResponses {
  static constexpr int kPlanes = kNumPlanes;
  static constexpr int kInputs = 1;
  static constexpr int kTableBytes = kMaxCodewords;
  /** Twice 32 KiB would leave the first-level cache. */
  static constexpr bool kHasDoubled = false;

  /** `patches`: of a step, the first one in the lowest bits. */
  SUBBIT_INLINE __m512i Table(const uint8_t* responses, uint64_t patches) const {
    const __m512i first = _mm512_load_si512(responses + (patches & 0xffff));
    if constexpr (kPlanes == 1) return first;
    const __m512i second = _mm512_load_si512(responses + (patches >> 16 & 0xffff));
    return _mm512_add_epi8(first, _mm512_add_epi8(second, second));
  }
};

/** Of two channels: entry i + 8 j is the first one's response to codeword i plus the second one's to j. */
template <int kNumPlanes>
struct PairResponses {
  static constexpr int kPlanes = kNumPlanes;
  static constexpr int kInputs = 2;
  static constexpr int kTableBytes = kMaxPairedCodewords;
  static constexpr bool kHasDoubled = kPlanes == 2;
  __m512i eighths;

  PairResponses() {
    uint8_t pattern[64];
    for (int i = 0; i < 64; ++i) pattern[i] = static_cast<uint8_t>(i / kMaxPairedCodewords);
    eighths = _mm512_loadu_si512(pattern);
  }
  SUBBIT_INLINE static __m512i Repeated(const uint8_t* p) { return _mm512_set1_epi64(*reinterpret_cast<const int64_t*>(p)); }
  SUBBIT_INLINE static __m512i OfChannel(const uint8_t* responses, uint64_t patches) {
    const __m512i first = Repeated(responses + (patches & 0xffff));
    return kPlanes == 1 ? first : _mm512_add_epi8(first, Repeated(responses + (patches >> 16 & 0xffff)));
  }
  SUBBIT_INLINE __m512i Table(const uint8_t* responses, uint64_t patches) const {
    const __m512i second = OfChannel(responses, patches >> 16 * kPlanes);
    return _mm512_add_epi8(OfChannel(responses, patches), FindBytes(eighths, second));
  }
};

template <class Responses>
struct Codebook64 {
  static constexpr int kTableBytes = Responses::kTableBytes;
  static constexpr bool kHasDoubled = Responses::kHasDoubled;
  static constexpr int kMaxColumns = 4;
  static constexpr int kStepBytes = Responses::kInputs * Responses::kPlanes * sizeof(uint16_t);

  static int MaxPixels(int columns) { return columns == 4 ? 5 : 8; }

  static TileKernel Kernel(int pixels, int columns) {
    if (columns == 1) return KernelOf<1, 1, 2, 3, 4, 5, 6, 7, 8>(pixels);
    if (columns == 2) return KernelOf<2, 1, 2, 3, 4, 5, 6, 7, 8>(pixels);
    return KernelOf<4, 1, 2, 3, 4, 5>(pixels);
  }

 private:
  template <int kColumns, int... kPixels>
  static TileKernel KernelOf(int pixels) {
    static constexpr TileKernel kernels[] = {Run<kPixels, kColumns>...};
    return kernels[pixels - 1];
  }

  /** The patches of kSteps steps, as many as 64 bits hold. */
  template <int kSteps>
  SUBBIT_INLINE static void LoadPatches(const uint8_t* p, uint64_t (&out)[kSteps]) {
    if constexpr (kSteps * kStepBytes > 8) {
      for (int s = 0; s < kSteps; ++s) __builtin_memcpy(&out[s], p + s * kStepBytes, kStepBytes), out[s] &= ~uint64_t{0} >> (64 - 8 * kStepBytes);
    } else {
      uint64_t all = 0;
      __builtin_memcpy(&all, p, kSteps * kStepBytes);
      for (int s = 0; s < kSteps; ++s) out[s] = all >> 8 * kStepBytes * s;
    }
  }

  /** Some steps whose indices are held for all pixels. */
  template <int kSteps, int kPixels, int kColumns>
  SUBBIT_INLINE static void LookUp(const Responses& find, const TableTile& t, const uint8_t* patches, const uint8_t* filter,
                                   __m512i (&bytes)[kPixels][kColumns]) {
    __m512i index[kSteps][kColumns];
    for (int s = 0; s < kSteps; ++s) {
      for (int k = 0; k < kColumns; ++k) index[s][k] = LoadOnce(filter + s * 64 + k * t.columnBytes);
    }
    for (int i = 0; i < kPixels; ++i) {
      uint64_t words[kSteps];
      LoadPatches(patches + i * t.pixelBytes, words);
      for (int s = 0; s < kSteps; ++s) {
        const __m512i found = find.Table(t.responses, words[s]);
        const __m512i table = kColumns == 1 ? found : Held(found);
        for (int k = 0; k < kColumns; ++k) bytes[i][k] = _mm512_add_epi8(bytes[i][k], FindBytes(index[s][k], table));
      }
    }
  }

  template <int kPixels, int kColumns>
  static void Run(const TableTile& tile) {
    constexpr int kSteps = 2;
    const TableTile t = tile;
    const Responses find;
    for (int r = 0; r < t.numRuns; ++r) {
      const TableRun run = t.runs[r];
      const uint8_t* patches = t.tables + run.tables;
      const uint8_t* filter = t.filter + run.filter;
      for (int left = run.steps; left > 0; left -= t.stepsAtOnce) {
        __m512i bytes[kPixels][kColumns];
        for (int i = 0; i < kPixels; ++i) {
          for (int k = 0; k < kColumns; ++k) bytes[i][k] = _mm512_setzero_si512();
        }
        int s = Min(t.stepsAtOnce, left);
        for (; s >= kSteps; s -= kSteps, patches += kSteps * kStepBytes, filter += kSteps * 64) {
          LookUp<kSteps>(find, t, patches, filter, bytes);
        }
        if (s > 0) {
          LookUp<1>(find, t, patches, filter, bytes);
          patches += kStepBytes;
          filter += 64;
        }
        AddBytes(t, bytes);
      }
    }
  }
};

inline CodebookKernels NativeCodebook(int planes, int inputs) {
  if (inputs == 1) return planes == 1 ? KernelsOf<Codebook64<ChannelResponses<1>>>() : KernelsOf<Codebook64<ChannelResponses<2>>>();
  return planes == 1 ? KernelsOf<Codebook64<PairResponses<1>>>() : KernelsOf<Codebook64<PairResponses<2>>>();
}

}  // namespace subbit::SUBBIT_ISA
