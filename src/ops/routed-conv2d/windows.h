/** The windows of a routed convolution; see routed-conv2d.ts. */
#pragma once
#include "kernel.h"

namespace subbit::SUBBIT_ISA {

/** `nowhere` in routed-conv2d.ts */
constexpr int kNowhere = 255;

/** Windows of size x size pixels of the convolution's output [height, width, channels]; they do not overlap. */
struct RoutedWindows {
  int height;
  int width;
  int channels;
  int pooledHeight;
  int pooledWidth;
  int size;
  int stride;
  int top;
  int left;

  template <class Params>
  explicit RoutedWindows(const Params& p)
      : height(p.outHeight),
        width(p.outWidth),
        channels(p.outChannels),
        pooledHeight(p.pooledHeight),
        pooledWidth(p.pooledWidth),
        size(p.windowSize),
        stride(p.windowStride),
        top(p.windowTop),
        left(p.windowLeft) {}
};

/** The params of a plain convolution (another op's `To`) with the geometry of a routed one. */
template <class To, class From>
inline To PlainConvolution(const From& p) {
  To c = {};
  c.batch = p.batch;
  c.height = p.height;
  c.width = p.width;
  c.inChannels = p.inChannels;
  c.outHeight = p.outHeight;
  c.outWidth = p.outWidth;
  c.outChannels = p.outChannels;
  c.kernelHeight = p.kernelHeight;
  c.kernelWidth = p.kernelWidth;
  c.stride = p.stride;
  c.dilation = c.groups = 1;
  c.padTop = p.padTop;
  c.padLeft = p.padLeft;
  c.factor = p.factor;
  c.x = p.x;
  // Its products are of real numbers, so a sum may have any number of terms.
  c.exactTerms = 0x7fffffff;
  return c;
}

}  // namespace subbit::SUBBIT_ISA
