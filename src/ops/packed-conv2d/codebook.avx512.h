/**
 * The codebook family with AVX-512 VBMI: `vpermb` picks the responses of 64 output channels' codewords, nine products each, or 18
 * where a table holds the sums of two channels' responses to at most 8 codewords.
 *
 * A step's table is added up from one load per patch, once for all columns of a tile. (Tables of 16 and 32 bytes for fewer
 * codewords, repeated by the load, were 10 % slower than those of 64 bytes; three small tables for the columns of taps, instead of
 * two large ones for the planes, 20 %.)
 */
#pragma once
#include "codebook-tile.h"
#include "tables.avx512.h"

namespace subbit::SUBBIT_ISA {

/** Of one channel. */
template <int kPlanes>
struct ChannelResponses {
  static constexpr int kTableBytes = kMaxCodewords;
  static constexpr int kStepBytes = kPlanes * sizeof(uint16_t);
  /** Twice 32 KiB would leave the first-level cache. */
  static constexpr bool kHasDoubled = false;

  SUBBIT_INLINE __m512i Table(const TableTile& t, const uint8_t* patches) const {
    if constexpr (kPlanes == 1) return _mm512_loadu_si512(t.responses + *reinterpret_cast<const uint16_t*>(patches));
    const uint32_t both = *reinterpret_cast<const uint32_t*>(patches);
    const __m512i first = _mm512_loadu_si512(t.responses + (both & 0xffff));
    const __m512i second = _mm512_loadu_si512(t.responses + (both >> 16));
    return _mm512_add_epi8(first, _mm512_add_epi8(second, second));
  }
};

/** Of two channels: entry i + 8 j is the first one's response to codeword i plus the second one's to j. */
template <int kPlanes>
struct PairResponses {
  static constexpr int kTableBytes = kMaxPairedCodewords;
  static constexpr int kStepBytes = 2 * kPlanes * sizeof(uint16_t);
  static constexpr bool kHasDoubled = kPlanes == 2;
  __m512i eighths;

  PairResponses() {
    uint8_t pattern[64];
    for (int i = 0; i < 64; ++i) pattern[i] = static_cast<uint8_t>(i / kMaxPairedCodewords);
    eighths = _mm512_loadu_si512(pattern);
  }
  SUBBIT_INLINE static __m512i OfChannel(const TableTile& t, const uint16_t* patches) {
    const auto repeated = [&](uint16_t patch) { return _mm512_set1_epi64(*reinterpret_cast<const int64_t*>(t.responses + patch)); };
    return kPlanes == 1 ? repeated(patches[0]) : _mm512_add_epi8(repeated(patches[0]), repeated(patches[1]));
  }
  SUBBIT_INLINE __m512i Table(const TableTile& t, const uint8_t* p) const {
    const uint16_t* patches = reinterpret_cast<const uint16_t*>(p);
    return _mm512_add_epi8(OfChannel(t, patches), FindBytes(eighths, OfChannel(t, patches + kPlanes)));
  }
};

template <class Responses>
struct Codebook64 {
  static constexpr int kTableBytes = Responses::kTableBytes;
  static constexpr bool kHasDoubled = Responses::kHasDoubled;
  static constexpr int kMaxColumns = 4;

  static int MaxPixels(int columns) { return columns == 4 ? 6 : 8; }

  static TileKernel Kernel(int pixels, int columns) {
    if (columns == 1) return KernelOf<1, 1, 2, 3, 4, 5, 6, 7, 8>(pixels);
    if (columns == 2) return KernelOf<2, 1, 2, 3, 4, 5, 6, 7, 8>(pixels);
    return KernelOf<4, 1, 2, 3, 4, 5, 6>(pixels);
  }

 private:
  template <int kColumns, int... kPixels>
  static TileKernel KernelOf(int pixels) {
    static constexpr TileKernel kernels[] = {LongSteps<Responses, kPixels, kColumns>...};
    return kernels[pixels - 1];
  }
};

}  // namespace subbit::SUBBIT_ISA
