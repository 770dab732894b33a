/**
 * What the micro-kernels of the tables family share.
 *
 * A *column* is 64 output channels' indices into tables: of one weight plane, block of channels and tap. A *tile* is some
 * pixels of a row of tables times some columns; what it adds to may be other output pixels for each column.
 *
 * Byte sums of a few steps, so few that they cannot overflow, go into 16-bit sums: as they are (even lanes, plus 256
 * times the odd ones) and shifted right by 8 (odd lanes). The multiple of 256 is taken off at the end, all modulo 2^16; so a
 * flush is three instructions and no mask.
 */
#pragma once
#include "../conv2d/vector.h"
#include "kernel.h"

namespace subbit::SUBBIT_ISA {

/** Output channels per column. */
inline constexpr int kTableBlock = 64;

/** Consecutive steps: in each a table of each pixel, and 64 indices of each column. */
struct TableRun {
  /** Bytes from the first pixel's tables to the first one of the run. */
  int32_t tables;
  /** Bytes from the column's first index. */
  int32_t filter;
  int32_t steps;
};

struct TableTile {
  const uint8_t* tables;
  /** Bytes between the tables of neighbouring output pixels. */
  ptrdiff_t pixelBytes;
  const uint8_t* filter;
  ptrdiff_t columnBytes;
  const TableRun* runs;
  int numRuns;
  /** How many steps a byte can hold the sum of. */
  int stepsAtOnce;
  /**
   * What the sums are added to, [64] per pixel and column: 32 even lanes plus 256 times the odd ones modulo 2^16, then 32 odd
   * lanes. 64-byte aligned.
   */
  uint16_t* sums;
  /** Elements between the sums of neighbouring pixels and columns. */
  ptrdiff_t sumsPixel;
  ptrdiff_t sumsColumn;
  /** Of the codebook family alone, whose tables are found by patches. */
  const uint8_t* responses;
};

using TileKernel = void (*)(const TableTile&);

/** A run of pixels whose tables are to be built. */
struct TableRow {
  const uint8_t* x;
  ptrdiff_t xPixel;
  int pixels;
  int channels;
  /** Levels are bits shift .. shift + 3. */
  int shift;
  uint8_t* out;
  ptrdiff_t outPixel;
};

/** Lane 2i of a column is output channel i, lane 2i + 1 channel 32 + i, so that even and odd lanes are halves of a block. */
inline constexpr int LaneChannel(int lane) { return lane % 2 * (kTableBlock / 2) + lane / 2; }

}  // namespace subbit::SUBBIT_ISA
