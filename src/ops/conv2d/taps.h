/**
 * Which pixels a filter reads, one dimension at a time and in one form for both directions, with dilation d and stride s:
 *
 *     forward    tap t of output o reads input       o * s + t * d - pad
 *     backward   tap t of input i gets from output   (i + pad - t * d) / s, if that is a whole number
 *
 * Backward with the taps in reversed order, T - 1 - t, reads (i + t * d - ((T - 1) * d - pad)) / s: both are
 *
 *     (o * step + t * dilation - pad) / divisor, where that is a whole number inside of the source
 *
 * The paths for groups and dilation (depthwise.h, grouped.h) are made of this; the others are for plain convolutions.
 */
#pragma once
#include "elements.h"

namespace subbit::SUBBIT_ISA {

struct TapAxis {
  int taps;
  int step;
  int dilation;
  int pad;
  int divisor;
  /** Of the source. */
  int extent;
};

/** The taps of one output that read inside of the source: first, first + tapStep, .. at source, source + sourceStep, .. */
struct Reach {
  int firstTap;
  int tapStep;
  int source;
  int sourceStep;
  int count;

  int lastSource() const { return source + (count - 1) * sourceStep; }
};

inline int GreatestCommonDivisor(int a, int b) {
  while (b != 0) {
    const int rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

inline Reach ReachOf(const TapAxis& axis, int out) {
  const int common = GreatestCommonDivisor(axis.dilation, axis.divisor);
  Reach reach = {0, axis.divisor / common, 0, axis.dilation / common, 0};
  const int start = out * axis.step - axis.pad;
  int first = 0;
  while (first < axis.taps && (start + first * axis.dilation) % axis.divisor != 0) ++first;
  if (first == axis.taps) return reach;
  const int source = (start + first * axis.dilation) / axis.divisor;
  const Range inside = PositionsInside(source, reach.sourceStep, CeilDiv(axis.taps - first, reach.tapStep), axis.extent);
  reach.firstTap = first + inside.first * reach.tapStep;
  reach.source = source + inside.first * reach.sourceStep;
  reach.count = inside.size();
  return reach;
}

/** Positions of the source from the first to the last that outputs `outs` read. */
inline Range SourceOf(const TapAxis& axis, Range outs) {
  Range source = {axis.extent, 0};
  for (int out = outs.first; out < outs.end; ++out) {
    const Reach reach = ReachOf(axis, out);
    if (reach.count == 0) continue;
    source = {Min(source.first, reach.source), Max(source.end, reach.lastSource() + 1)};
  }
  return source;
}

struct TapAxes {
  TapAxis rows;
  TapAxis columns;

  int taps() const { return rows.taps * columns.taps; }
};

template <class Params>
TapAxes ForwardAxes(const Params& p) {
  return {{p.kernelHeight, p.stride, p.dilation, p.padTop, 1, p.height},
          {p.kernelWidth, p.stride, p.dilation, p.padLeft, 1, p.width}};
}

/** For filters whose taps are in reversed order. */
template <class Params>
TapAxes BackwardAxes(const Params& p) {
  return {{p.kernelHeight, 1, p.dilation, (p.kernelHeight - 1) * p.dilation - p.padTop, p.stride, p.outHeight},
          {p.kernelWidth, 1, p.dilation, (p.kernelWidth - 1) * p.dilation - p.padLeft, p.stride, p.outWidth}};
}

/** Whether the paths without groups and dilation do. */
template <class Params>
bool IsPlain(const Params& p) {
  return p.groups == 1 && (p.dilation == 1 || (p.kernelHeight == 1 && p.kernelWidth == 1));
}

/** One input and one output channel in each group. */
template <class Params>
bool IsDepthwise(const Params& p) {
  return p.groups == p.inChannels && p.groups == p.outChannels;
}

/** Rows and columns of outputs that a filter gradient sums at once, and rows of x under them at most. */
struct PieceSize {
  int rows;
  int columns;
  int sourceRows;
};

/** Few enough for the cache and for exact sums of integers in floats. */
inline PieceSize PieceSizeOf(const TapAxes& axes, const Images& x, const Images& dy, int exactTerms) {
  constexpr int kPiecePixels = 192;
  const int pixels = Min(kPiecePixels, exactTerms);
  const int rows = Min(dy.height, Max(pixels / dy.width, 1));
  const int span = (axes.rows.taps - 1) * axes.rows.dilation + 1;
  return {rows, Min(dy.width, pixels), Min(x.height, (rows - 1) * axes.rows.step + span)};
}

/** Parts into which every image of a batch is cut, so that there are enough tasks. */
inline int BandsOf(int rows, int tasksWithoutBands, double productsOfAll) {
  constexpr int kTasks = 32;
  constexpr double kProductsPerTask = 1 << 16;
  const double tasks = productsOfAll / kProductsPerTask;
  return Min(rows, CeilDiv(tasks > kTasks ? kTasks : 1 + static_cast<int>(tasks), tasksWithoutBands));
}

}  // namespace subbit::SUBBIT_ISA
