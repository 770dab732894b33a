/**
 * Panels: a matrix [rows][columns] cut into strips of a few vectors of columns, each strip row after row, so that a
 * micro-kernel reads it as one stream:
 *
 *     panel 0: row 0 [kPanelVectors * kLanes] | row 1 | ..      panel 1: row 0 | row 1 | ..      last panel: fewer vectors
 *
 * Columns are padded with zeros to whole vectors. Filters are packed this way once per call (training changes them in
 * every step), output gradients once per image.
 */
#pragma once
#include "operand.h"

namespace subbit::SUBBIT_ISA {

/** Vectors of a panel. The last one may have fewer, or with 32 registers one more, because single vectors are slower. */
inline constexpr int kPanelVectors = 2;
inline constexpr int kPanelLanes = kPanelVectors * kLanes;
inline constexpr int kMaxVectors = kRegisters == 32 ? 3 : 2;

inline constexpr int VectorsOf(int columns) { return CeilDiv(columns, kLanes); }
inline constexpr int PaddedColumns(int columns) { return VectorsOf(columns) * kLanes; }
inline constexpr int PanelsOf(int columns) { return Max(1, (VectorsOf(columns) + 2 * kPanelVectors - 1 - kMaxVectors) / kPanelVectors); }

inline constexpr int PanelVectors(int panel, int columns) {
  const int left = VectorsOf(columns) - panel * kPanelVectors;
  return panel == PanelsOf(columns) - 1 ? left : kPanelVectors;
}

/** Columns of one panel that exist (the others are padding). */
inline constexpr int PanelColumns(int panel, int columns) {
  return Min(PanelVectors(panel, columns) * kLanes, columns - panel * kPanelLanes);
}

/** Where a panel begins in the packed matrix. */
inline constexpr ptrdiff_t PanelStart(int panel, int rows) { return static_cast<ptrdiff_t>(panel) * kPanelLanes * rows; }

/** Decodes rows firstRow .. endRow - 1 of a stored matrix [..][columns] into one panel; out points to row firstRow. */
inline void PackPanelRows(const Operand& operand, const Tensor& matrix, ptrdiff_t firstRow, ptrdiff_t endRow, int columns, int panel,
                          float* out) {
  const int lanes = PanelVectors(panel, columns) * kLanes;
  const int count = PanelColumns(panel, columns);
  for (ptrdiff_t row = firstRow; row < endRow; ++row, out += lanes) {
    Decode(operand, matrix, row * columns + panel * kPanelLanes, count, columns, out);
    for (int i = count; i < lanes; ++i) out[i] = 0;
  }
}

}  // namespace subbit::SUBBIT_ISA
