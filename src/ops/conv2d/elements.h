/**
 * From stored elements to the floats that the convolution kernels multiply: real elements as they are, levels as the
 * integers they mean (a float holds them exactly). Decoding happens while images are copied and filters are packed, so that
 * the micro-kernels see floats only.
 */
#pragma once
#include "kernel.h"
#include "vector.h"

namespace subbit::SUBBIT_ISA {

/** The elements of a tensor. */
struct Elements {
  Operand operand;
  Tensor data;
  /** Extent of the tensor's last axis: channel c of at most four may have a zero point of its own. */
  int channels;

  bool isReal() const { return operand.isReal != 0; }
};

/** fround(scale * factor): the specification's `scaleAt`. */
inline float ScaleAt(const Tensor& scale, int count, int index, float factor) {
  return count == 0 ? factor : scale.f32()[count == 1 ? 0 : index] * factor;
}

inline void FillZero(float* out, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; ++i) out[i] = 0;
}

/** Elements start .. start + count - 1. */
inline void Decode(const Elements& elements, ptrdiff_t start, ptrdiff_t count, float* out) {
  const int32_t multiplier = elements.operand.multiplier;
  if (elements.isReal()) {
    // The multiplier is 1. A plain copy would become a string instruction, which is slow for the short runs here.
    const float* in = elements.data.f32() + start;
    for (ptrdiff_t i = 0; i < count; ++i) out[i] = static_cast<float>(multiplier) * in[i];
    return;
  }
  const uint8_t* in = elements.data.u8() + start;
  const int32_t* offset = elements.operand.offset;
  if (elements.channels > 4 || (offset[0] == offset[1] && offset[0] == offset[2] && offset[0] == offset[3])) {
    const int32_t all = offset[0];
    for (ptrdiff_t i = 0; i < count; ++i) out[i] = static_cast<float>(multiplier * in[i] - all);
    return;
  }
  // An offset per channel repeats every `channels` <= 4 elements, so every 48.
  constexpr int kPeriod = 48;
  int32_t offsets[kPeriod];
  for (int i = 0; i < kPeriod; ++i) offsets[i] = offset[(start + i) % elements.channels];
  for (; count >= kPeriod; count -= kPeriod, in += kPeriod, out += kPeriod) {
    for (int i = 0; i < kPeriod; ++i) out[i] = static_cast<float>(multiplier * in[i] - offsets[i]);
  }
  for (int i = 0; i < count; ++i) out[i] = static_cast<float>(multiplier * in[i] - offsets[i]);
}

/** Images [n, height, width, channels]. */
struct Images {
  Elements elements;
  int height;
  int width;
  int channels;
};

/** A part of one image; its rows and columns may lie outside of it, where the elements are 0. */
struct Rectangle {
  Range rows;
  Range columns;
};

/** Decodes a rectangle of image n into out[rows][columns * channels], row r beginning at out + r * rowStride. */
inline void CopyRectangle(const Images& images, int n, const Rectangle& part, float* out, ptrdiff_t rowStride) {
  const ptrdiff_t channels = images.channels;
  const Range inside = PositionsInside(part.columns.first, 1, part.columns.size(), images.width);
  for (int row = part.rows.first; row < part.rows.end; ++row, out += rowStride) {
    if (row < 0 || row >= images.height) {
      FillZero(out, part.columns.size() * channels);
      continue;
    }
    const ptrdiff_t firstOfRow = (static_cast<ptrdiff_t>(n) * images.height + row) * images.width;
    const ptrdiff_t pixel = firstOfRow + part.columns.first + inside.first;
    FillZero(out, inside.first * channels);
    Decode(images.elements, pixel * channels, inside.size() * channels, out + inside.first * channels);
    FillZero(out + inside.end * channels, (part.columns.size() - inside.end) * channels);
  }
}

/** A convolution whose filter is as large as the image: each sample has one output pixel (dense.h). */
template <class Params>
bool IsDense(const Params& p) {
  const bool isUnpadded = p.padTop == 0 && p.padLeft == 0;
  return isUnpadded && p.outHeight == 1 && p.outWidth == 1 && p.kernelHeight == p.height && p.kernelWidth == p.width;
}

/** A 1x1 filter at every pixel: rows and columns do not matter, so that an image may be taken as one long row. */
template <class Params>
bool IsPointwise(const Params& p) {
  return p.kernelHeight == 1 && p.kernelWidth == 1 && p.stride == 1 && p.outHeight == p.height && p.outWidth == p.width;
}

}  // namespace subbit::SUBBIT_ISA
