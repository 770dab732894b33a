/**
 * Convolution of integers, plainly; see integer-conv2d.ts. For what the packed families do not take: 16-bit operands, depthwise
 * filters, short reductions. Each task computes one row of the output: the decoded x of a tap is multiplied by a row of filters
 * (ordinary and grouped convolution), or elementwise (depthwise).
 */
#include "ops.h"

namespace subbit::SUBBIT_ISA {
namespace {

template <class X, class W>
struct Walk {
  const IntegerConv2dParams& p;
  const X* x;
  const W* filter;

  int32_t ValueAt(const X* pixel, int c) const {
    return p.x.multiplier * static_cast<int32_t>(pixel[c]) - p.x.offset[c < 4 ? c : 0];
  }

  /** y[0 .. K - 1] of one output pixel. */
  void Pixel(int n, int oh, int ow, int32_t* __restrict y) const {
    const int outs = p.outChannels;
    const int groupInputs = p.inChannels / p.groups;
    const int groupOutputs = outs / p.groups;
    const int32_t multiplier = p.filter.multiplier;
    for (int k = 0; k < outs; ++k) y[k] = 0;
    for (int kh = 0; kh < p.kernelHeight; ++kh) {
      const int h = oh * p.stride + kh * p.dilation - p.padTop;
      if (h < 0 || h >= p.height) continue;
      for (int kw = 0; kw < p.kernelWidth; ++kw) {
        const int w = ow * p.stride + kw * p.dilation - p.padLeft;
        if (w < 0 || w >= p.width) continue;
        const X* pixel = x + ((static_cast<ptrdiff_t>(n) * p.height + h) * p.width + w) * p.inChannels;
        const W* tap = filter + static_cast<ptrdiff_t>(kh * p.kernelWidth + kw) * groupInputs * outs;
        if (groupInputs == 1 && groupOutputs == 1) {
          for (int k = 0; k < outs; ++k) y[k] += ValueAt(pixel, k) * Weight(multiplier, tap[k]);
        } else {
          for (int g = 0; g < p.groups; ++g) {
            int32_t* __restrict part = y + g * groupOutputs;
            for (int c = 0; c < groupInputs; ++c) {
              const int32_t value = ValueAt(pixel, g * groupInputs + c);
              const W* row = tap + static_cast<ptrdiff_t>(c) * outs + g * groupOutputs;
              for (int k = 0; k < groupOutputs; ++k) part[k] += value * Weight(multiplier, row[k]);
            }
          }
        }
      }
    }
  }

  /** Filters have one zero point. */
  int32_t Weight(int32_t multiplier, W stored) const { return multiplier * static_cast<int32_t>(stored) - p.filter.offset[0]; }
};

template <class X, class W>
void Convolve(const IntegerConv2dParams& p, const X* x, const W* filter, const IntegerConv2dBuffers& b, Pool& pool) {
  int32_t* y = b.y.i32();
  const uint8_t* signs = b.signs.present() ? b.signs.u8() : nullptr;
  pool.Run(p.batch * p.outHeight, [&](int task, int) {
    const Walk<X, W> walk{p, x, filter};
    const int n = task / p.outHeight;
    const int oh = task % p.outHeight;
    for (int ow = 0; ow < p.outWidth; ++ow) {
      int32_t* pixel = y + (static_cast<ptrdiff_t>(task) * p.outWidth + ow) * p.outChannels;
      walk.Pixel(n, oh, ow, pixel);
      for (int k = 0; signs != nullptr && k < p.outChannels; ++k) pixel[k] = signs[k] == 0 ? -pixel[k] : pixel[k];
    }
  });
}

template <class X>
void WithFilter(const IntegerConv2dParams& p, const X* x, const IntegerConv2dBuffers& b, Pool& pool) {
  if (p.filterBytes == 1) {
    Convolve(p, x, b.filter.u8(), b, pool);
  } else {
    Convolve(p, x, b.filter.i16(), b, pool);
  }
}

}  // namespace

void IntegerConv2d(const IntegerConv2dParams& p, const IntegerConv2dBuffers& b, Pool& pool) {
  if (p.xBytes == 1) {
    WithFilter(p, b.x.u8(), b, pool);
  } else if (p.xBytes == 2) {
    WithFilter(p, b.x.i16(), b, pool);
  } else {
    WithFilter(p, b.x.i32(), b, pool);
  }
}

}  // namespace subbit::SUBBIT_ISA
