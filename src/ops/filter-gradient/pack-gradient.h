/**
 * Lays out the operands of conv2d-filter-gradient-dot (filter-gradient.ts has the formats): both are transposed, the image to
 * one run of bytes per channel, the gradient to four pixels side by side.
 *
 * A plane under a filter column is the channel's image with some columns, rows and zeros: bytes from known places, the same for
 * every channel and sample. With AVX-512 they are listed once, and two loads and a permutation fetch 64 of them.
 */
#pragma once
#include "fill-plane.h"

namespace subbit::SUBBIT_ISA {

/** Four pixels of 16 channels, side by side two after two (StoreQuads: four). */
inline void StorePairs(const Bytes16* pixel, uint8_t* out) {
  StoreAs(out, InterleaveLow(pixel[0], pixel[1]));
  StoreAs(out + 16, InterleaveHigh(pixel[0], pixel[1]));
  StoreAs(out + 32, InterleaveLow(pixel[2], pixel[3]));
  StoreAs(out + 48, InterleaveHigh(pixel[2], pixel[3]));
}

/** Levels as signed bytes: 2q - max, or q - 128, in arithmetic modulo 256. */
template <bool kIsWhole>
inline Bytes16 SignedBytes(Bytes16 levels, uint8_t max) {
  if constexpr (kIsWhole) return levels + levels - max;
  return levels ^ uint8_t{128};
}

/** One sample of dy: [k / 16][i / 4], of which `store` makes [16][4], or [2][16][2]. */
template <bool kIsWhole, class Store>
void PackGradientAs(const GradientLayout& layout, const uint8_t* dy, uint8_t* out, const Store& store) {
  const int channels = layout.p.outChannels;
  const int pixels = layout.pixels;
  const int quads = layout.quads;
  const uint8_t max = layout.p.dyMax;
  for (int block = 0; block < layout.blocks; ++block, out += layout.blockBytes()) {
    const int count = Min(kGradientBlock, channels - block * kGradientBlock);
    const uint8_t* from = dy + block * kGradientBlock;
    const int wholeQuads = count == kGradientBlock ? pixels / 4 : 0;
    Bytes16 pixel[4];
    for (int quad = 0; quad < wholeQuads; ++quad, from += 4 * static_cast<ptrdiff_t>(channels)) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        pixel[j] = SignedBytes<kIsWhole>(LoadAs<Bytes16>(from + static_cast<ptrdiff_t>(j) * channels), max);
      }
      store(pixel, out + quad * 4 * kGradientBlock);
    }
    for (int quad = wholeQuads; quad < quads; ++quad) {
      for (int j = 0; j < 4; ++j, from += channels) {
        const bool isInside = 4 * quad + j < pixels;
        pixel[j] = isInside ? SignedBytes<kIsWhole>(LoadPart(from, count), max) : Bytes16{};
      }
      store(pixel, out + quad * 4 * kGradientBlock);
    }
  }
}

inline void PackGradient(const GradientLayout& layout, const uint8_t* dy, uint8_t* out) {
  const auto pack = [&](const auto& store) {
    return layout.needsSums() ? PackGradientAs<false>(layout, dy, out, store) : PackGradientAs<true>(layout, dy, out, store);
  };
  return layout.isJoined() ? pack(StorePairs) : pack(StoreQuads);
}

/** Channels whose images are transposed together. */
inline constexpr int kChannelsPerPart = 64;
/** Bytes after a channel's image that may be written and read. */
inline constexpr int kImageSlack = 192;

inline ptrdiff_t ImageStride(const GradientLayout& layout) {
  return (static_cast<ptrdiff_t>(layout.p.height) * layout.p.width + kImageSlack) / 16 * 16;
}

/**
 * Transposes matrices of kSize x kSize elements side by side: row i of each lies in so many elements of v[i]. `low` and `high`
 * interleave the halves of two rows.
 */
template <int kSize, class V, class Low, class High>
inline void Transpose(V* v, const Low& low, const High& high) {
  V w[kSize];
#pragma GCC unroll 4
  for (int size = 1; size < kSize; size *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < kSize / 2; ++i) {
      w[2 * i] = low(v[i], v[i + kSize / 2]);
      w[2 * i + 1] = high(v[i], v[i + kSize / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kSize; ++i) v[i] = w[i];
  }
}

/** 16 channels of 16 pixels (fewer at the ends, and then zeros). */
inline void TransposePixels(const uint8_t* from, int pixelBytes, int channels, int pixels, uint8_t* to, ptrdiff_t stride) {
  Bytes16 v[16];
  if (channels == 16 && pixels >= 16) {
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) v[j] = LoadAs<Bytes16>(from + static_cast<ptrdiff_t>(j) * pixelBytes);
  } else {
    for (int j = 0; j < 16; ++j) {
      v[j] = j < pixels ? LoadPart(from + static_cast<ptrdiff_t>(j) * pixelBytes, channels) : Bytes16{};
    }
  }
  Transpose<16>(v, InterleaveLow, InterleaveHigh);
#pragma GCC unroll 16
  for (int j = 0; j < 16; ++j) {
    if (j < channels) StoreAs(to + j * stride, v[j]);
  }
}

#if defined(__AVX512BW__)
/** 16 channels of 64 pixels. */
inline void TransposePixels64(const uint8_t* from, int pixelBytes, uint8_t* to, ptrdiff_t stride) {
  const auto load = [=](int pixel) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + static_cast<ptrdiff_t>(pixel) * pixelBytes));
  };
  __m512i v[16];
#pragma GCC unroll 16
  for (int j = 0; j < 16; ++j) {
    v[j] = _mm512_castsi128_si512(load(j));
    v[j] = _mm512_mask_broadcast_i32x4(v[j], 0x00f0, load(j + 16));
    v[j] = _mm512_mask_broadcast_i32x4(v[j], 0x0f00, load(j + 32));
    v[j] = _mm512_mask_broadcast_i32x4(v[j], 0xf000, load(j + 48));
  }
  Transpose<16>(v, [](__m512i a, __m512i b) { return _mm512_unpacklo_epi8(a, b); },
                [](__m512i a, __m512i b) { return _mm512_unpackhi_epi8(a, b); });
#pragma GCC unroll 16
  for (int j = 0; j < 16; ++j) _mm512_storeu_si512(to + j * stride, v[j]);
}
#endif

/** Some channels of a sample of x, one after the other: [c][ImageStride]. */
inline void TransposeImage(const GradientLayout& layout, const uint8_t* x, Range channels, uint8_t* out) {
  const int all = layout.p.inChannels;
  const int pixels = layout.p.height * layout.p.width;
  const ptrdiff_t stride = ImageStride(layout);
  for (int c = channels.first; c < channels.end; c += 16) {
    const int count = Min(16, channels.end - c);
    const uint8_t* from = x + c;
    uint8_t* to = out + (c - channels.first) * stride;
    int i = 0;
#if defined(__AVX512BW__)
    if (count == 16) {
      for (; i + 64 <= pixels; i += 64) TransposePixels64(from + static_cast<ptrdiff_t>(i) * all, all, to + i, stride);
    }
#endif
    for (; i < pixels; i += 16) {
      TransposePixels(from + static_cast<ptrdiff_t>(i) * all, all, count, pixels - i, to + i, stride);
    }
  }
}

#if defined(__AVX512VBMI__)
inline constexpr int kChunk = 64;

/** Bytes of a plane's chunk that come from 128 neighbouring bytes of the image. */
struct Step {
  uint8_t places[kChunk];
  uint64_t taken;
  int32_t from;
  int32_t to;
  /** The others become zeros; a later step of the chunk leaves them. */
  int32_t isFirst;
  int32_t unused[11];
};

/** The steps of all filter columns: those of kw are list[starts[kw]] .. list[starts[kw + 1] - 1]. */
struct Steps {
  int32_t* starts;
  Step* list;
};

/** Steps for a chunk whose bytes come from `sources`; -1: a zero. */
inline Step* AddSteps(const int32_t* sources, int to, Step* step) {
  uint64_t wanted = 0;
  for (int i = 0; i < kChunk; ++i) wanted |= static_cast<uint64_t>(sources[i] >= 0) << i;
  int isFirst = 1;
  do {
    int from = wanted == 0 ? 0 : sources[__builtin_ctzll(wanted)];
    for (int i = 0; i < kChunk; ++i) {
      if (wanted >> i & 1) from = Min(from, sources[i]);
    }
    *step = {{}, 0, from, to, isFirst, {}};
    for (int i = 0; i < kChunk; ++i) {
      if (!(wanted >> i & 1) || sources[i] - from >= 2 * kChunk) continue;
      step->places[i] = sources[i] - from;
      step->taken |= uint64_t{1} << i;
    }
    wanted &= ~step->taken;
    isFirst = 0;
    ++step;
  } while (wanted != 0);
  return step;
}

/** `sources` is scratch for a plane's bytes. */
inline void ListSteps(const GradientLayout& layout, int32_t* sources, const Steps& steps) {
  const int stride = layout.p.stride;
  Step* step = steps.list;
  for (int kw = 0; kw < layout.p.kernelWidth; ++kw) {
    steps.starts[kw] = static_cast<int32_t>(step - steps.list);
    for (int i = 0; i < layout.p.planeBytes; ++i) sources[i] = -1;
    ForPlaneRows(layout, kw, [&](int place, Range inside, int source) {
      for (int i = inside.first; i < inside.end; ++i) sources[place + i] = source + i * stride;
    });
    for (int i = 0; i < layout.p.planeBytes; i += kChunk) step = AddSteps(sources + i, i, step);
  }
  steps.starts[layout.p.kernelWidth] = static_cast<int32_t>(step - steps.list);
}

/** The planes of some channels under one filter column. */
inline void FillPlanes(const GradientLayout& layout, const Steps& steps, int kw, const uint8_t* images, int planes,
                       uint8_t* out) {
  const ptrdiff_t imageStride = ImageStride(layout);
  const ptrdiff_t planeBytes = layout.p.planeBytes;
  const Step* end = steps.list + steps.starts[kw + 1];
  for (const Step* step = steps.list + steps.starts[kw]; step < end; ++step) {
    const __mmask64 taken = step->taken;
    const __mmask64 stored = step->isFirst ? ~__mmask64{0} : taken;
    const __m512i places = _mm512_loadu_si512(step->places);
    const uint8_t* image = images + step->from;
    uint8_t* to = out + step->to;
    for (int plane = 0; plane < planes; ++plane, image += imageStride, to += planeBytes) {
      const __m512i low = _mm512_loadu_si512(image);
      const __m512i high = _mm512_loadu_si512(image + kChunk);
      _mm512_mask_storeu_epi8(to, stored, _mm512_maskz_permutex2var_epi8(taken, low, places, high));
    }
  }
}
#else
struct Step;
struct Steps {
  int32_t* starts;
  Step* list;
};

inline void ListSteps(const GradientLayout&, int32_t*, const Steps&) {}

inline void FillPlanes(const GradientLayout& layout, const Steps&, int kw, const uint8_t* images, int planes,
                       uint8_t* out) {
  for (int plane = 0; plane < planes; ++plane, images += ImageStride(layout), out += layout.p.planeBytes) {
    FillPlane(layout, kw, images, out);
  }
}
#endif

/** The planes of some channels of a sample; `images` is scratch for them transposed. */
inline void PackImage(const GradientLayout& layout, const Steps& steps, const uint8_t* x, Range channels, uint8_t* images,
                      uint8_t* out) {
  TransposeImage(layout, x, channels, images);
  for (int kw = 0; kw < layout.p.kernelWidth; ++kw) {
    FillPlanes(layout, steps, kw, images, channels.size(), out + layout.planeOffset(kw, channels.first));
  }
}

typedef int32_t Ints16 __attribute__((vector_size(64)));

/**
 * What each row of some channels adds up to: sums[tap][channel], from those of the image's lines under a filter column.
 * `lines` is scratch for 16 integers per line.
 */
inline void SumRows(const GradientLayout& layout, const uint8_t* x, Range channels, int32_t* lines, int32_t* sums) {
  const Conv2dFilterGradientDotParams p = layout.p;
  for (int c = channels.first; c < channels.end; c += 16) {
    const int count = Min(16, channels.end - c);
    for (int kw = 0; kw < p.kernelWidth; ++kw) {
      const int left = kw * p.dilation - p.padLeft;
      const Range inside = PositionsInside(left, p.stride, p.outWidth, p.width);
      for (int h = 0; h < p.height; ++h) {
        const uint8_t* line = x + (static_cast<ptrdiff_t>(h) * p.width + left) * p.inChannels + c;
        Ints16 sum = {};
        for (int i = inside.first; i < inside.end; ++i) {
          const Bytes16 bytes = LoadPart(line + static_cast<ptrdiff_t>(i) * p.stride * p.inChannels, count);
          sum += __builtin_convertvector(bytes, Ints16);
        }
        StoreAs(lines + 16 * h, sum);
      }
      for (int kh = 0; kh < p.kernelHeight; ++kh) {
        const int top = kh * p.dilation - p.padTop;
        const Range rows = PositionsInside(top, p.stride, p.outHeight, p.height);
        Ints16 sum = {};
        for (int i = rows.first; i < rows.end; ++i) sum += LoadAs<Ints16>(lines + 16 * (top + i * p.stride));
        int32_t* out = sums + (kh * p.kernelWidth + kw) * p.inChannels + c;
        for (int i = 0; i < count; ++i) out[i] = sum[i];
      }
    }
  }
}

}  // namespace subbit::SUBBIT_ISA
