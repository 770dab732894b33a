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

}  // namespace subbit::SUBBIT_ISA
