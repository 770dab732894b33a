/**
 * The codebook family with instructions that look up 16 bytes (AVX2, WebAssembly, NEON): a look-up finds the responses of 16
 * codewords, so more of them take two or four look-ups, of which all but one give 0.
 */
#pragma once
#include "codebook-tile.h"
#include "tables16.h"

namespace subbit::SUBBIT_ISA {

/** kTables: tables of 16 codewords. */
template <int kPlanes, int kTables>
struct Codebook16 {
  static constexpr int kTableBytes = 16 * kTables;
  static constexpr bool kHasDoubled = kPlanes == 2;
  static constexpr int kMaxColumns = 1;
  static constexpr int kTilePixels = kTables == 1 ? kTables16Pixels : 2;

  static int MaxPixels(int) { return kTilePixels; }

  static TileKernel Kernel(int pixels, int) {
    if constexpr (kTilePixels == 4) {
      static constexpr TileKernel kernels[] = {Run<1>, Run<2>, Run<3>, Run<4>};
      return kernels[pixels - 1];
    } else {
      static constexpr TileKernel kernels[] = {Run<1>, Run<2>};
      return kernels[pixels - 1];
    }
  }

 private:
  SUBBIT_INLINE static FoundBytes Table(const TableTile& t, const uint16_t* patches, int part) {
    const FoundBytes first = LoadTable(t.responses + patches[0] + 16 * part);
    return kPlanes == 1 ? first : first + LoadTable(t.responses + patches[kPlanes - 1] + 16 * part);
  }

  /** Indices into part `part` of a table; those that are elsewhere give 0. */
  SUBBIT_INLINE static FoundBytes IndexIn(FoundBytes index, int part) {
    if (kTables == 1) return index;
    // 0 .. 15 for those in the part.
    const FoundBytes own = index ^ static_cast<uint8_t>(16 * part);
#if defined(__AVX2__)
    // Only the lowest four bits count, and the highest one.
    return own + 0x70;
#elif defined(__wasm_relaxed_simd__)
    return own | (FoundBytes)(own > 15);
#else
    return own;
#endif
  }

  template <int kPixels>
  static void Run(const TableTile& tile) {
    const TableTile t = tile;
    for (int r = 0; r < t.numRuns; ++r) {
      const TableRun run = t.runs[r];
      const uint8_t* patches = t.tables + run.tables;
      const uint8_t* filter = t.filter + run.filter;
      for (int left = run.steps; left > 0; left -= t.stepsAtOnce) {
        FoundBytes bytes[kPixels][kColumnRegisters] = {};
        for (int s = Min(t.stepsAtOnce, left); s > 0; --s, patches += kPlanes * sizeof(uint16_t), filter += kTableBlock) {
          FoundBytes table[kPixels][kTables];
          for (int i = 0; i < kPixels; ++i) {
            const uint16_t* own = reinterpret_cast<const uint16_t*>(patches + i * t.pixelBytes);
            for (int part = 0; part < kTables; ++part) table[i][part] = Table(t, own, part);
          }
          for (int k = 0; k < kColumnRegisters; ++k) {
            const FoundBytes index = *reinterpret_cast<const UnalignedFound*>(filter + k * kFoundBytes);
            for (int part = 0; part < kTables; ++part) {
              const FoundBytes own = IndexIn(index, part);
              for (int i = 0; i < kPixels; ++i) bytes[i][k] += FindAll(table[i][part], own);
            }
          }
        }
        AddFound(t, bytes);
      }
    }
  }
};

template <int kPlanes>
inline CodebookKernels Codebook16Kernels(int codewords) {
  if (codewords <= 16) return KernelsOf<Codebook16<kPlanes, 1>>();
  return codewords <= 32 ? KernelsOf<Codebook16<kPlanes, 2>>() : KernelsOf<Codebook16<kPlanes, 4>>();
}

}  // namespace subbit::SUBBIT_ISA
