/**
 * From stored elements to the floats that the convolution kernels multiply: real elements as they are, levels as the
 * integers they mean (a float holds them exactly). Decoding happens while an image is copied into its padded form and
 * while filters are packed, so that the micro-kernels see floats only.
 */
#pragma once
#include "kernel.h"
#include "vector.h"

namespace subbit::SUBBIT_ISA {

/** fround(scale * factor): the specification's `scaleAt`. */
inline float ScaleAt(const Tensor& scale, int count, int index, float factor) {
  return count == 0 ? factor : scale.f32()[count == 1 ? 0 : index] * factor;
}

inline bool HasOneOffset(const Operand& operand) {
  const int32_t* offset = operand.offset;
  return offset[0] == offset[1] && offset[0] == offset[2] && offset[0] == offset[3];
}

/** Elements start .. start + count - 1 of a tensor whose last axis has `channels` entries. */
inline void Decode(const Operand& operand, const Tensor& tensor, ptrdiff_t start, int count, int channels, float* out) {
  if (operand.isReal) {
    const float* in = tensor.f32() + start;
    for (int i = 0; i < count; ++i) out[i] = in[i];
    return;
  }
  const uint8_t* in = tensor.u8() + start;
  const int32_t multiplier = operand.multiplier;
  if (HasOneOffset(operand)) {
    const int32_t offset = operand.offset[0];
    for (int i = 0; i < count; ++i) out[i] = static_cast<float>(multiplier * in[i] - offset);
    return;
  }
  // One offset per channel (an image's first layer): the offsets repeat every `channels` <= 4 elements, so every 48.
  constexpr int kPeriod = 48;
  int32_t offsets[kPeriod];
  const int first = static_cast<int>(start % channels);
  for (int i = 0; i < kPeriod; ++i) offsets[i] = operand.offset[(first + i) % channels];
  for (; count >= kPeriod; count -= kPeriod, in += kPeriod, out += kPeriod) {
    for (int i = 0; i < kPeriod; ++i) out[i] = static_cast<float>(multiplier * in[i] - offsets[i]);
  }
  for (int i = 0; i < count; ++i) out[i] = static_cast<float>(multiplier * in[i] - offsets[i]);
}

/** A part of one image; its rows and columns may lie outside of it, where the elements are 0. */
struct Rectangle {
  Range rows;
  Range columns;
};

/** Images [n, height, width, channels] as they are stored. */
struct Images {
  const Operand& operand;
  Tensor data;
  int height;
  int width;
  int channels;
  /** Entries of the last axis of the stored tensor: `channels`, unless axes have been merged. */
  int storedChannels;
};

inline void FillZero(float* out, int count) {
  for (int i = 0; i < count; ++i) out[i] = 0;
}

/** Decodes a rectangle of image n into out[rows][columns * channels], row r beginning at out + r * rowStride. */
inline void CopyRectangle(const Images& images, int n, const Rectangle& part, float* out, ptrdiff_t rowStride) {
  const int channels = images.channels;
  const Range inside = PositionsInside(part.columns.first, 1, part.columns.size(), images.width);
  for (int row = part.rows.first; row < part.rows.end; ++row, out += rowStride) {
    if (row < 0 || row >= images.height) {
      FillZero(out, part.columns.size() * channels);
      continue;
    }
    const ptrdiff_t pixel = (static_cast<ptrdiff_t>(n) * images.height + row) * images.width + part.columns.first + inside.first;
    FillZero(out, inside.first * channels);
    Decode(images.operand, images.data, pixel * channels, inside.size() * channels, images.storedChannels, out + inside.first * channels);
    FillZero(out + inside.end * channels, (part.columns.size() - inside.end) * channels);
  }
}

}  // namespace subbit::SUBBIT_ISA
