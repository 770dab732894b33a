/**
 * What the micro-kernels of the codebook family share.
 *
 * A tile is the tables' (tables-tile.h), of a convolution with one tap: a step is one or two input channels. But instead of tables
 * a pixel has *patches*: of every channel and plane the nine bits under the filter, as an offset into the *responses*, the tables
 * of all the codewords' responses to each of the 512 patches, which stay in the first-level cache. The second plane counts
 * double: small tables are there a second time, doubled.
 */
#pragma once
#include "tables-tile.h"

namespace subbit::SUBBIT_ISA {

inline constexpr int kCodewordTaps = 9;
inline constexpr int kPatches = 1 << kCodewordTaps;
inline constexpr int kMaxCodewords = 64;
inline constexpr int kMaxPairedCodewords = 8;
/** Bytes of a packed filter before its indices. */
inline constexpr int kCodebookHeader = kMaxCodewords * sizeof(uint16_t);
/** Where a packed filter of some blocks says which output channels are turned. */
inline constexpr ptrdiff_t TurnedStart(int blocks, int indices) {
  return kCodebookHeader + static_cast<ptrdiff_t>(blocks) * indices * kTableBlock;
}

/** Bit of a tap in a patch: column by column, because neighbouring pixels share columns. */
inline constexpr int PatchBit(int kh, int kw) { return 3 * kw + kh; }

struct Codebook {
  int count;
  /** Most ones of a codeword: what a response can be. */
  int mostOnes;
  /** With the bits where patches have them. */
  uint16_t codewords[kMaxCodewords];

  explicit Codebook(const uint8_t* packed) : count(0), mostOnes(1), codewords() {
    const uint16_t* stored = reinterpret_cast<const uint16_t*>(packed);
    for (; count < kMaxCodewords && stored[count] < kPatches; ++count) {
      int ones = 0;
      for (int tap = 0; tap < kCodewordTaps; ++tap) {
        const int bit = stored[count] >> (kCodewordTaps - 1 - tap) & 1;
        codewords[count] |= static_cast<uint16_t>(bit << PatchBit(tap / 3, tap % 3));
        ones += bit;
      }
      mostOnes = Max(mostOnes, ones);
    }
  }
};

/** The responses to every patch, by doubling: those without a bit, then with it. */
template <int kTableBytes>
inline void BuildResponses(const Codebook& codebook, uint8_t* __restrict out) {
  for (int i = 0; i < kTableBytes; ++i) out[i] = 0;
  for (int bit = 0; bit < kCodewordTaps; ++bit) {
    uint8_t ones[kTableBytes];
    for (int i = 0; i < kTableBytes; ++i) ones[i] = codebook.codewords[i] >> bit & 1;
    uint8_t* next = out + (kTableBytes << bit);
    for (int patch = 0; patch < kTableBytes << bit; patch += kTableBytes) {
      for (int i = 0; i < kTableBytes; ++i) next[patch + i] = static_cast<uint8_t>(out[patch + i] + ones[i]);
    }
  }
}

/** The same twice, the second time doubled. */
template <int kTableBytes>
inline void BuildDoubledResponses(const Codebook& codebook, uint8_t* out) {
  constexpr int kBytes = kPatches * kTableBytes;
  BuildResponses<kTableBytes>(codebook, out);
  for (int i = 0; i < kBytes; ++i) out[kBytes + i] = static_cast<uint8_t>(2 * out[i]);
}

/** How some codewords and planes are multiplied. */
struct CodebookKernels {
  int tableBytes;
  /** From a table to the one that is doubled; 0 where there is none. */
  int toDoubled;
  void (*build)(const Codebook&, uint8_t* out);
  /** Columns of a tile are 1, 2, 4 .. maxColumns. */
  int maxColumns;
  int (*maxPixels)(int columns);
  TileKernel (*kernel)(int pixels, int columns);
};

template <class Look>
CodebookKernels KernelsOf() {
  constexpr int kBytes = Look::kTableBytes;
  constexpr int kToDoubled = Look::kHasDoubled ? kPatches * kBytes : 0;
  const auto build = Look::kHasDoubled ? BuildDoubledResponses<kBytes> : BuildResponses<kBytes>;
  return {kBytes, kToDoubled, build, Look::kMaxColumns, Look::MaxPixels, Look::Kernel};
}

}  // namespace subbit::SUBBIT_ISA
