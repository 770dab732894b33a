/**
 * Lays out the operands of conv2d-filter-gradient-dot (filter-gradient.ts has the formats): both are transposed, the image to
 * one run of bytes per channel, the gradient to four pixels side by side.
 *
 * A plane under a filter column is the channel's image with some columns, rows and zeros: bytes from known places, the same for
 * every channel and sample. With AVX-512 `sources` lists the places, and two loads and a permutation fetch 64 bytes.
 */
#pragma once
#include "gradient-layout.h"

namespace subbit::SUBBIT_ISA {

typedef uint8_t Bytes16 __attribute__((vector_size(16)));

inline Bytes16 InterleaveLow(Bytes16 a, Bytes16 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
inline Bytes16 InterleaveHigh(Bytes16 a, Bytes16 b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** `count` bytes, zeros behind. */
inline Bytes16 LoadPart(const uint8_t* from, int count) {
  Bytes16 value = {};
  for (int i = 0; i < count; ++i) value[i] = from[i];
  return value;
}

/** One sample of dy: [k / 16][i / 4][16][4]. */
inline void PackGradient(const GradientLayout& layout, const uint8_t* dy, uint8_t* out) {
  const int channels = layout.p.outChannels;
  const int pixels = layout.pixels;
  const int quads = layout.quads;
  // 2q - max, or q - 128 in arithmetic modulo 256.
  const bool isWhole = !layout.needsSums();
  const uint8_t factor = isWhole ? 2 : 1;
  const uint8_t offset = isWhole ? layout.p.dyMax : 128;
  for (int quad = 0; quad < quads; ++quad) {
    for (int block = 0; block < layout.blocks; ++block) {
      const int count = Min(kGradientBlock, channels - block * kGradientBlock);
      Bytes16 pixel[4];
      for (int j = 0; j < 4; ++j) {
        const int i = 4 * quad + j;
        if (i >= pixels) {
          pixel[j] = Bytes16{};
          continue;
        }
        const uint8_t* from = dy + static_cast<ptrdiff_t>(i) * channels + block * kGradientBlock;
        const Bytes16 levels = count == kGradientBlock ? LoadAs<Bytes16>(from) : LoadPart(from, count);
        pixel[j] = levels * factor - offset;
      }
      uint8_t* to = out + (static_cast<ptrdiff_t>(block) * quads + quad) * 4 * kGradientBlock;
      const Bytes16 low02 = InterleaveLow(pixel[0], pixel[2]), high02 = InterleaveHigh(pixel[0], pixel[2]);
      const Bytes16 low13 = InterleaveLow(pixel[1], pixel[3]), high13 = InterleaveHigh(pixel[1], pixel[3]);
      StoreAs(to, InterleaveLow(low02, low13));
      StoreAs(to + 16, InterleaveHigh(low02, low13));
      StoreAs(to + 32, InterleaveLow(high02, high13));
      StoreAs(to + 48, InterleaveHigh(high02, high13));
    }
  }
}

/** Channels whose images are transposed together. */
inline constexpr int kChannelsPerPart = 64;
/** Bytes after a channel's image that may be written and read. */
inline constexpr int kImageSlack = 192;

inline ptrdiff_t ImageStride(const GradientLayout& layout) {
  return (static_cast<ptrdiff_t>(layout.p.height) * layout.p.width + kImageSlack) / 16 * 16;
}

/** Transposes 16 rows of 16 bytes. */
inline void Transpose16(Bytes16* v) {
  Bytes16 w[16];
#pragma GCC unroll 4
  for (int stage = 0; stage < 4; ++stage) {
#pragma GCC unroll 16
    for (int i = 0; i < 8; ++i) {
      w[2 * i] = InterleaveLow(v[i], v[i + 8]);
      w[2 * i + 1] = InterleaveHigh(v[i], v[i + 8]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) v[i] = w[i];
  }
}

/** Some channels of a sample of x, one after the other: [c][ImageStride]. */
inline void TransposeImage(const GradientLayout& layout, const uint8_t* x, Range channels, uint8_t* out) {
  const int all = layout.p.inChannels;
  const int pixels = layout.p.height * layout.p.width;
  const ptrdiff_t stride = ImageStride(layout);
  for (int c = channels.first; c < channels.end; c += 16) {
    const int count = Min(16, channels.end - c);
    uint8_t* to = out + (c - channels.first) * stride;
    for (int i = 0; i < pixels; i += 16) {
      const uint8_t* from = x + static_cast<ptrdiff_t>(i) * all + c;
      Bytes16 v[16];
      if (count == 16 && i + 16 <= pixels) {
#pragma GCC unroll 16
        for (int j = 0; j < 16; ++j) v[j] = LoadAs<Bytes16>(from + static_cast<ptrdiff_t>(j) * all);
      } else {
        for (int j = 0; j < 16; ++j) {
          v[j] = i + j < pixels ? LoadPart(from + static_cast<ptrdiff_t>(j) * all, count) : Bytes16{};
        }
      }
      Transpose16(v);
#pragma GCC unroll 16
      for (int j = 0; j < 16; ++j) {
        if (j < count) StoreAs(to + j * stride + i, v[j]);
      }
    }
  }
}

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
  for (int section = 0; section < layout.sections; ++section) {
    for (int row = 0; row < layout.sectionRows; ++row, place += p.outWidth) {
      const int h = section * p.dilation + row * p.stride - p.padTop;
      const bool isInside = h >= 0 && h < p.height;
      body(place, isInside ? inside : Range{0, 0}, h * p.width + left);
    }
  }
}

#if defined(__AVX512VBMI__)
inline constexpr int kChunk = 64;

/** Where the bytes of the planes under each filter column come from: [kw][planeBytes]; -1: a zero. */
inline void ListSources(const GradientLayout& layout, int32_t* sources) {
  const int length = layout.p.planeBytes;
  const int stride = layout.p.stride;
  for (int kw = 0; kw < layout.p.kernelWidth; ++kw, sources += length) {
    for (int i = 0; i < length; ++i) sources[i] = -1;
    ForPlaneRows(layout, kw, [&](int place, Range inside, int source) {
      for (int i = inside.first; i < inside.end; ++i) sources[place + i] = source + i * stride;
    });
  }
}

/** 64 bytes of each of some planes; `sources` says where from. */
inline void FillChunk(const int32_t* sources, const uint8_t* images, ptrdiff_t imageStride, int planes, uint8_t* out,
                      ptrdiff_t planeBytes) {
  __m512i from[4];
  __mmask64 wanted = 0;
  for (int i = 0; i < 4; ++i) {
    from[i] = _mm512_loadu_si512(sources + 16 * i);
    wanted |= static_cast<__mmask64>(_mm512_cmpge_epi32_mask(from[i], _mm512_setzero_si512())) << 16 * i;
  }
  bool isFirst = true;
  do {
    // Of the bytes that are still missing those within 128 of the lowest.
    __m512i lowest = _mm512_set1_epi32(-1);
    for (int i = 0; i < 4; ++i) {
      lowest = _mm512_mask_min_epu32(lowest, static_cast<__mmask16>(wanted >> 16 * i), lowest, from[i]);
    }
    const uint32_t low = wanted == 0 ? 0 : _mm512_reduce_min_epu32(lowest);
    __mmask64 taken = 0;
    alignas(64) uint8_t places[kChunk];
    for (int i = 0; i < 4; ++i) {
      const __m512i place = _mm512_sub_epi32(from[i], _mm512_set1_epi32(static_cast<int>(low)));
      taken |= static_cast<__mmask64>(_mm512_cmplt_epu32_mask(place, _mm512_set1_epi32(2 * kChunk))) << 16 * i;
      _mm_store_si128(reinterpret_cast<__m128i*>(places + 16 * i), _mm512_cvtepi32_epi8(place));
    }
    taken &= wanted;
    const __m512i index = _mm512_load_si512(places);
    const uint8_t* image = images + low;
    uint8_t* to = out;
    for (int plane = 0; plane < planes; ++plane, image += imageStride, to += planeBytes) {
      const __m512i bytes =
          _mm512_maskz_permutex2var_epi8(taken, _mm512_loadu_si512(image), index, _mm512_loadu_si512(image + kChunk));
      if (isFirst) {
        _mm512_storeu_si512(to, bytes);
      } else {
        _mm512_mask_storeu_epi8(to, taken, bytes);
      }
    }
    wanted &= ~taken;
    isFirst = false;
  } while (wanted != 0);
}

/** The planes of some channels under one filter column. */
inline void FillPlanes(const GradientLayout& layout, const int32_t* sources, int kw, const uint8_t* images, int planes,
                       uint8_t* out) {
  const int planeBytes = layout.p.planeBytes;
  const int32_t* from = sources + static_cast<ptrdiff_t>(kw) * planeBytes;
  for (int i = 0; i < planeBytes; i += kChunk) {
    FillChunk(from + i, images, ImageStride(layout), planes, out + i, planeBytes);
  }
}
#else
inline void ListSources(const GradientLayout&, int32_t*) {}

inline void FillPlanes(const GradientLayout& layout, const int32_t*, int kw, const uint8_t* images, int planes,
                       uint8_t* out) {
  const int stride = layout.p.stride;
  const int width = layout.p.outWidth;
  const ptrdiff_t planeBytes = layout.p.planeBytes;
  const ptrdiff_t imageStride = ImageStride(layout);
  const int filled = layout.sections * layout.sectionRows * width;
  for (int plane = 0; plane < planes; ++plane, images += imageStride, out += planeBytes) {
    const uint8_t* __restrict image = images;
    uint8_t* __restrict to = out;
    ForPlaneRows(layout, kw, [=](int place, Range inside, int source) {
      uint8_t* __restrict row = to + place;
      for (int i = 0; i < inside.first; ++i) row[i] = 0;
      if (stride == 1) {
        for (int i = inside.first; i < inside.end; ++i) row[i] = image[source + i];
      } else {
        for (int i = inside.first; i < inside.end; ++i) row[i] = image[source + i * stride];
      }
      for (int i = inside.end; i < width; ++i) row[i] = 0;
    });
    for (ptrdiff_t i = filled; i < planeBytes; ++i) to[i] = 0;
  }
}
#endif

/** The planes of some channels of a sample; `images` is scratch for them transposed. */
inline void PackImage(const GradientLayout& layout, const int32_t* sources, const uint8_t* x, Range channels,
                      uint8_t* images, uint8_t* out) {
  TransposeImage(layout, x, channels, images);
  for (int kw = 0; kw < layout.p.kernelWidth; ++kw) {
    FillPlanes(layout, sources, kw, images, channels.size(), out + layout.planeOffset(kw, channels.first));
  }
}

/** What the rows of some channels add up to. */
inline void SumRows(const GradientLayout& layout, const uint8_t* image, Range channels, int32_t* sums) {
  const int taps = layout.p.kernelHeight * layout.p.kernelWidth;
  for (int tap = 0; tap < taps; ++tap) {
    const uint8_t* bytes = image + layout.tapOffset(tap);
    for (int c = channels.first; c < channels.end; ++c) {
      sums[tap * layout.p.inChannels + c] = SumOfBytes(bytes + static_cast<ptrdiff_t>(c) * layout.p.planeBytes, layout.pixels);
    }
  }
}

}  // namespace subbit::SUBBIT_ISA
