/** Pooling of integers; see integer-pool.ts. Maxima of a pixel are taken in registers of channels, over all its taps. */
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** The maxima of `kCount` channels over the taps. */
template <class T, int kCount>
inline void MaxOfTaps(const T* const* taps, int numTaps, int c, T* y) {
  typedef T Lanes __attribute__((vector_size(kCount * sizeof(T))));
  typedef T Unaligned __attribute__((vector_size(kCount * sizeof(T)), aligned(sizeof(T)), may_alias));
  Lanes best = *reinterpret_cast<const Unaligned*>(taps[0] + c);
  for (int t = 1; t < numTaps; ++t) {
    const Lanes v = *reinterpret_cast<const Unaligned*>(taps[t] + c);
    best = v > best ? v : best;
  }
  *reinterpret_cast<Unaligned*>(y + c) = best;
}

/** One pixel: registers of channels, the last overlapping the one before it (a maximum taken twice stays). */
template <class T>
inline void MaxPoolPixel(const T* const* taps, int numTaps, int channels, T* y) {
  constexpr int kCount = 16 / static_cast<int>(sizeof(T));
  if (channels < kCount) {
    for (int c = 0; c < channels; ++c) MaxOfTaps<T, 1>(taps, numTaps, c, y);
    return;
  }
  int c = 0;
  for (; c + 4 * kCount <= channels; c += 4 * kCount) MaxOfTaps<T, 4 * kCount>(taps, numTaps, c, y);
  for (; c + kCount <= channels; c += kCount) MaxOfTaps<T, kCount>(taps, numTaps, c, y);
  if (c < channels) MaxOfTaps<T, kCount>(taps, numTaps, channels - kCount, y);
}

template <class T>
void MaxPoolRows(const IntegerMaxPoolParams& p, const T* x, T* y, Pool& pool) {
  // Tens of kilobytes a task.
  const int rowBytes = p.size * p.width * p.channels * static_cast<int>(sizeof(T));
  const int rowsPerTask = rowBytes < 32768 ? 32768 / rowBytes : 1;
  const int rows = p.batch * p.outHeight;
  pool.Run((rows + rowsPerTask - 1) / rowsPerTask, [&](int task, int) {
    const int end = rows - task * rowsPerTask < rowsPerTask ? rows : (task + 1) * rowsPerTask;
    for (int row = task * rowsPerTask; row < end; ++row) {
      const int firstRow = (row % p.outHeight) * p.stride - p.padTop;
      const T* image = x + static_cast<ptrdiff_t>(row / p.outHeight) * p.height * p.width * p.channels;
      for (int ow = 0; ow < p.outWidth; ++ow) {
        // A window is at most 15 wide (integer-pool.ts).
        const T* taps[15 * 15];
        int numTaps = 0;
        const int firstColumn = ow * p.stride - p.padLeft;
        for (int h = firstRow < 0 ? 0 : firstRow; h < firstRow + p.size && h < p.height; ++h) {
          for (int w = firstColumn < 0 ? 0 : firstColumn; w < firstColumn + p.size && w < p.width; ++w) {
            taps[numTaps++] = image + (static_cast<ptrdiff_t>(h) * p.width + w) * p.channels;
          }
        }
        MaxPoolPixel(taps, numTaps, p.channels, y + (static_cast<ptrdiff_t>(row) * p.outWidth + ow) * p.channels);
      }
    }
  });
}

template <class T>
void SumPixels(const SumPoolParams& p, const T* x, int32_t* y, Pool& pool) {
  pool.Run(p.batch, [&](int n, int) {
    const int channels = p.channels;
    int32_t* __restrict sum = y + static_cast<ptrdiff_t>(n) * channels;
    for (int c = 0; c < channels; ++c) sum[c] = 0;
    for (int i = 0; i < p.pixels; ++i) {
      const T* __restrict pixel = x + (static_cast<ptrdiff_t>(n) * p.pixels + i) * channels;
      for (int c = 0; c < channels; ++c) sum[c] += pixel[c];
    }
    for (int c = 0; c < channels; ++c) sum[c] = p.x.multiplier * sum[c] - p.pixels * p.x.offset[c < 4 ? c : 0];
  });
}

}  // namespace

void IntegerMaxPool(const IntegerMaxPoolParams& p, const IntegerMaxPoolBuffers& b, Pool& pool) {
  if (p.isByte) {
    MaxPoolRows(p, b.x.u8(), b.y.u8(), pool);
  } else {
    MaxPoolRows(p, b.x.i32(), b.y.i32(), pool);
  }
}

void SumPool(const SumPoolParams& p, const SumPoolBuffers& b, Pool& pool) {
  if (p.isByte) {
    SumPixels(p, b.x.u8(), b.y.i32(), pool);
  } else {
    SumPixels(p, b.x.i32(), b.y.i32(), pool);
  }
}

}  // namespace subbit::SUBBIT_ISA
