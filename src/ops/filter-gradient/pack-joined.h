/**
 * Planes of joined channels (joined-tile.h): elements of 16 bits, each of which has a channel and, `joinShift` bits higher, the next.
 * In memory they lie where the planes of the two channels would.
 */
#pragma once
#include "pack-gradient.h"

namespace subbit::SUBBIT_ISA {

inline Shorts8 InterleaveLow(Shorts8 a, Shorts8 b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
inline Shorts8 InterleaveHigh(Shorts8 a, Shorts8 b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }

/** 16 channels (or fewer, an even number) of a sample of x: [pair][ImageStride]. */
inline void TransposeJoined(const GradientLayout& layout, const uint8_t* x, int channels, uint16_t* out) {
  const ptrdiff_t all = layout.p.inChannels;
  const ptrdiff_t stride = ImageStride(layout);
  const int pixels = layout.p.height * layout.p.width;
  for (int i = 0; i < pixels; i += 8) {
    Shorts8 v[8];
    for (int j = 0; j < 8; ++j) {
      const Shorts8 both = i + j < pixels ? (Shorts8)LoadPart(x + (i + j) * all, channels) : Shorts8{};
      v[j] = (both & 255) | (both >> 8 << layout.joinShift);
    }
    Transpose<8>(v, [](Shorts8 a, Shorts8 b) { return InterleaveLow(a, b); },
                 [](Shorts8 a, Shorts8 b) { return InterleaveHigh(a, b); });
    for (int pair = 0; pair < channels / 2; ++pair) StoreAs(out + pair * stride + i, v[pair]);
  }
}

/** The planes of some channels of a sample; `images` is scratch for 16 of them transposed. */
inline void PackJoined(const GradientLayout& layout, const uint8_t* x, Range channels, uint16_t* images, uint8_t* out) {
  for (int c = channels.first; c < channels.end; c += 16) {
    const int count = Min(16, channels.end - c);
    TransposeJoined(layout, x + c, count, images);
    for (int kw = 0; kw < layout.p.kernelWidth; ++kw) {
      for (int pair = 0; pair < count / 2; ++pair) {
        uint8_t* plane = out + layout.planeOffset(kw, c + 2 * pair);
        FillPlane(layout, kw, images + pair * ImageStride(layout), reinterpret_cast<uint16_t*>(plane));
      }
    }
  }
}

}  // namespace subbit::SUBBIT_ISA
