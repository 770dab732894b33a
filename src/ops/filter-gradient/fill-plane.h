/** The planes of conv2d-filter-gradient-dot (filter-gradient.ts), row by row from images of one channel. */
#pragma once
#include "../packed-conv2d/bytes16.h"
#include "gradient-layout.h"

namespace subbit::SUBBIT_ISA {

typedef uint16_t Shorts8 __attribute__((vector_size(16)));

/**
 * body(place, count, first, end, source) for the rows of a plane under filter column kw: `count` bytes at `place`, of which
 * those at first .. end - 1 come from the image at source + i * stride; the others are zeros.
 */
template <class Body>
void ForPlaneRows(const GradientLayout& layout, int kw, const Body& body) {
  const Conv2dFilterGradientDotParams& p = layout.p;
  const int left = kw * p.dilation - p.padLeft;
  const Range inside = PositionsInside(left, p.stride, p.outWidth, p.width);
  int place = 0;
  for (int section = 0; section < layout.p.sections; ++section) {
    for (int row = 0; row < layout.p.sectionRows; ++row, place += p.outWidth) {
      const int h = section * p.dilation + row * p.stride - p.padTop;
      const bool isInside = h >= 0 && h < p.height;
      body(place, isInside ? inside : Range{0, 0}, h * p.width + left);
    }
  }
}

/** 16 bytes of elements from every stride-th place; reads up to 16 * stride. */
template <int kStride, class Element>
Bytes16 LoadStrided(const Element* from) {
  if constexpr (kStride == 1) return LoadAs<Bytes16>(from);
  constexpr int kPerStore = 16 / sizeof(Element);
  if constexpr (sizeof(Element) == 2) {
    const Shorts8 low = LoadAs<Shorts8>(from);
    const Shorts8 high = LoadAs<Shorts8>(from + kPerStore);
    return (Bytes16)__builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14);
  } else {
    const Bytes16 low = LoadAs<Bytes16>(from);
    const Bytes16 high = LoadAs<Bytes16>(from + kPerStore);
    return __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  }
}

/** Rows are written in order, 16 bytes at a time: what a row writes too much the next one corrects. kStride 0 is any other stride. */
template <int kStride, class Element>
void FillPlaneAs(const GradientLayout& layout, int kw, const Element* image, Element* out) {
  constexpr int kPerStore = 16 / sizeof(Element);
  const int width = layout.p.outWidth;
  const int stride = layout.p.stride;
  const int end = layout.p.planeBytes;
  const auto clear = [=](int first, int last) {
    for (; first < last && first + kPerStore <= end; first += kPerStore) StoreAs(out + first, Bytes16{});
    for (; first < last; ++first) out[first] = 0;
  };
  ForPlaneRows(layout, kw, [=](int place, Range inside, int source) {
    clear(place, place + inside.first);
    int i = inside.first;
    if constexpr (kStride != 0) {
      for (; i < inside.end && place + i + kPerStore <= end; i += kPerStore) {
        StoreAs(out + place + i, LoadStrided<kStride>(image + source + i * kStride));
      }
    }
    for (; i < inside.end; ++i) out[place + i] = image[source + i * stride];
    clear(place + inside.end, place + width);
  });
  clear(layout.p.sections * layout.p.sectionRows * width, end);
}

template <class Element>
void FillPlane(const GradientLayout& layout, int kw, const Element* image, Element* out) {
  switch (layout.p.stride) {
    case 1:
      return FillPlaneAs<1>(layout, kw, image, out);
    case 2:
      return FillPlaneAs<2>(layout, kw, image, out);
    default:
      return FillPlaneAs<0>(layout, kw, image, out);
  }
}

}  // namespace subbit::SUBBIT_ISA
