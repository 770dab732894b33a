/**
 * Panels: a matrix [rows][columns] cut into strips of a few vectors of columns, each strip row after row, so that a
 * micro-kernel reads it as one stream:
 *
 *     panel 0: row 0 [kPanelLanes] | row 1 | ..      panel 1: row 0 | row 1 | ..      last panel: what is left
 *
 * Columns are padded with zeros to whole vectors. Filters are packed this way once per call, because training changes
 * them in every step.
 */
#pragma once
#include "elements.h"

namespace subbit::SUBBIT_ISA {

/** Vectors of a panel. The last takes what is left: one more where registers allow it, because one alone is slower. */
inline constexpr int kPanelVectors = 2;
inline constexpr int kPanelLanes = kPanelVectors * kLanes;
inline constexpr int kMaxVectors = kRegisters == 32 ? 3 : 2;

inline constexpr int VectorsOf(int columns) { return CeilDiv(columns, kLanes); }
inline constexpr int PaddedColumns(int columns) { return VectorsOf(columns) * kLanes; }
inline constexpr int PanelsOf(int columns) {
  return Max(1, (VectorsOf(columns) + 2 * kPanelVectors - 1 - kMaxVectors) / kPanelVectors);
}

inline constexpr int PanelVectors(int panel, int columns) {
  return panel == PanelsOf(columns) - 1 ? VectorsOf(columns) - panel * kPanelVectors : kPanelVectors;
}

/** Columns of one panel that exist (the others are padding). */
inline constexpr int PanelColumns(int panel, int columns) {
  return Min(PanelVectors(panel, columns) * kLanes, columns - panel * kPanelLanes);
}

/** Where a panel begins in the packed matrix. */
inline constexpr ptrdiff_t PanelStart(int panel, ptrdiff_t rows) { return panel * kPanelLanes * rows; }

/**
 * Pixels or positions of a micro-kernel's tile beside some vectors of a panel: so many that their sums fill 24 or 27 of 32
 * registers, or 12 of 16. (With one vector, 16 pixels were no faster than 12.) V8 loads all operands of a step before its first product:
 * then larger tiles keep sums in memory, and every step waits for the one before (1.7 times as long).
 */
inline constexpr int MaxTile(int vectors) {
  if (kLoadsFirst) return vectors == 2 ? 4 : 6;
  if (kRegisters == 32) return vectors == 3 ? 9 : 12;
  return vectors == 2 ? 6 : 12;
}
inline constexpr int kMaxTile = 12;

/** The largest tile that does for all panels. */
inline constexpr int MaxTileOf(int columns) {
  return MaxTile(Max(PanelVectors(0, columns), PanelVectors(PanelsOf(columns) - 1, columns)));
}

/** Decodes whole vectors of rows `first` .. `end` - 1 into a panel. */
template <int kVectors>
void PackVectors(const Elements& matrix, ptrdiff_t first, ptrdiff_t end, int columns, int panel, float* out) {
  constexpr int kWidth = kVectors * kLanes;
  const int32_t multiplier = matrix.operand.multiplier;
  const int32_t offset = matrix.operand.offset[0];
  ptrdiff_t start = first * columns + panel * kPanelLanes;
  for (ptrdiff_t row = first; row < end; ++row, start += columns, out += kWidth) {
    if (matrix.isReal()) {
      for (int v = 0; v < kWidth; v += kLanes) Store(out + v, Load(matrix.data.f32() + start + v));
    } else {
      const uint8_t* in = matrix.data.u8() + start;
      for (int v = 0; v < kWidth; ++v) out[v] = static_cast<float>(multiplier * in[v] - offset);
    }
  }
}

/** Decodes rows `first` .. `end` - 1 of a stored matrix [..][columns] into a panel; out points to row `first`. */
inline void PackRows(const Elements& matrix, ptrdiff_t first, ptrdiff_t end, int columns, int panel, float* out) {
  const int vectors = PanelVectors(panel, columns);
  const int lanes = vectors * kLanes;
  const int count = PanelColumns(panel, columns);
  if (count == lanes && columns > 4) {
    if (vectors == 1) return PackVectors<1>(matrix, first, end, columns, panel, out);
    if (vectors == 2) return PackVectors<2>(matrix, first, end, columns, panel, out);
    if (vectors == kMaxVectors) return PackVectors<kMaxVectors>(matrix, first, end, columns, panel, out);
  }
  for (ptrdiff_t row = first; row < end; ++row, out += lanes) {
    Decode(matrix, row * columns + panel * kPanelLanes, count, out);
    FillZero(out + count, lanes - count);
  }
}

typedef float Vec4 __attribute__((vector_size(16)));
typedef float UnalignedVec4 __attribute__((vector_size(16), aligned(4), may_alias));

/** in[4][..] -> out[..][4]: `count` columns of four rows, a multiple of four. */
inline void Transpose4(const float* in, ptrdiff_t inStride, int count, float* out, ptrdiff_t outStride) {
  for (int k = 0; k < count; k += 4, in += 4, out += 4 * outStride) {
    const Vec4 a = *reinterpret_cast<const UnalignedVec4*>(in);
    const Vec4 b = *reinterpret_cast<const UnalignedVec4*>(in + inStride);
    const Vec4 c = *reinterpret_cast<const UnalignedVec4*>(in + 2 * inStride);
    const Vec4 d = *reinterpret_cast<const UnalignedVec4*>(in + 3 * inStride);
    const Vec4 ab01 = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const Vec4 ab23 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const Vec4 cd01 = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const Vec4 cd23 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *reinterpret_cast<UnalignedVec4*>(out) = __builtin_shufflevector(ab01, cd01, 0, 1, 4, 5);
    *reinterpret_cast<UnalignedVec4*>(out + outStride) = __builtin_shufflevector(ab01, cd01, 2, 3, 6, 7);
    *reinterpret_cast<UnalignedVec4*>(out + 2 * outStride) = __builtin_shufflevector(ab23, cd23, 0, 1, 4, 5);
    *reinterpret_cast<UnalignedVec4*>(out + 3 * outStride) = __builtin_shufflevector(ab23, cd23, 2, 3, 6, 7);
  }
}

/**
 * Decodes a part of a stored matrix [..][depth] transposed: its rows firstRow .. firstRow + columns - 1 become columns, of
 * which one panel goes to out[depth][lanes]. Where `depthScale` is given, depthScale[l] multiplies row l of the result.
 */
inline void PackTransposed(const Elements& matrix, ptrdiff_t firstRow, int columns, int depth, const float* depthScale,
                           int panel, float* out) {
  constexpr int kBlock = 64;
  const int lanes = PanelVectors(panel, columns) * kLanes;
  const int count = PanelColumns(panel, columns);
  float copy[4][kBlock] = {};
  for (int k = 0; k < depth; k += kBlock) {
    const int block = Min(kBlock, depth - k);
    const int whole = block / 4 * 4;
    for (int v = 0; v < lanes; v += 4) {
      const ptrdiff_t start = (firstRow + panel * kPanelLanes + v) * depth + k;
      const float* rows = copy[0];
      ptrdiff_t stride = kBlock;
      if (matrix.isReal() && depthScale == nullptr && v + 4 <= count) {
        rows = matrix.data.f32() + start;
        stride = depth;
      } else {
        for (int i = 0; i < 4; ++i) {
          FillZero(copy[i], block);
          if (v + i < count) Decode(matrix, start + i * static_cast<ptrdiff_t>(depth), block, copy[i]);
          for (int j = 0; depthScale != nullptr && j < block; ++j) copy[i][j] *= depthScale[k + j];
        }
      }
      float* blockOut = out + static_cast<ptrdiff_t>(k) * lanes + v;
      Transpose4(rows, stride, whole, blockOut, lanes);
      for (int j = whole; j < block; ++j) {
        for (int i = 0; i < 4; ++i) blockOut[static_cast<ptrdiff_t>(j) * lanes + i] = rows[i * stride + j];
      }
    }
  }
}

}  // namespace subbit::SUBBIT_ISA
