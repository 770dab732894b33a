/** Pooling of integers; see integer-pool.ts. A window's maximum is that of its columns' maxima, so rows go first, in long runs. */
#include "../conv2d/vector.h"
#include "lanes.h"
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** The larger of each two elements; `larger` may be one of the operands. */
template <class T>
struct LargerElements {
  const T* a;
  const T* b;
  T* larger;

  template <int kCount, int kVectors>
  void Run(int i) const {
    for (int v = 0; v < kVectors; ++v, i += kCount) {
      const Lanes<T, kCount> x = LoadLanes<kCount>(a + i);
      const Lanes<T, kCount> y = LoadLanes<kCount>(b + i);
      StoreLanes<kCount>(larger + i, x > y ? x : y);
    }
  }
};

/** The maxima of registers of channels over some neighbouring pixels. */
template <class T>
struct PixelsMaximum {
  const T* first;
  int pixels;
  ptrdiff_t channels;
  T* y;

  template <int kCount, int kVectors>
  void Run(int c) const {
    Lanes<T, kCount> best[kVectors];
    for (int v = 0; v < kVectors; ++v) best[v] = LoadLanes<kCount>(first + c + v * kCount);
    for (int i = 1; i < pixels; ++i) {
      for (int v = 0; v < kVectors; ++v) {
        const Lanes<T, kCount> each = LoadLanes<kCount>(first + i * channels + c + v * kCount);
        best[v] = each > best[v] ? each : best[v];
      }
    }
    for (int v = 0; v < kVectors; ++v) StoreLanes<kCount>(y + c + v * kCount, best[v]);
  }
};

template <class T>
void MaxPoolRows(const IntegerMaxPoolParams& p, const T* x, T* y, Pool& pool) {
  constexpr int kCount = 16 / static_cast<int>(sizeof(T));
  constexpr int kLong = 4 * kLanes / static_cast<int>(sizeof(T));
  const int rowSize = p.width * p.channels;
  // Tens of kilobytes a task.
  const ptrdiff_t rowBytes = static_cast<ptrdiff_t>(p.size) * rowSize * sizeof(T);
  const int rowsPerTask = rowBytes < 32768 ? static_cast<int>(32768 / rowBytes) : 1;
  const int rows = p.batch * p.outHeight;
  pool.Run(CeilDiv(rows, rowsPerTask), [&](int task, int thread) {
    const IntegerMaxPoolParams q = p;
    T* largest = static_cast<T*>(pool.Scratch(thread, rowSize * sizeof(T)));
    const int end = Min((task + 1) * rowsPerTask, rows);
    for (int row = task * rowsPerTask; row < end; ++row) {
      const int top = row % q.outHeight * q.stride - q.padTop;
      const Range inside = PositionsInside(top, 1, q.size, q.height);
      const T* from = x + (static_cast<ptrdiff_t>(row / q.outHeight) * q.height + top + inside.first) * rowSize;
      const T* columns = from;
      for (int i = 1; i < inside.size(); ++i, columns = largest) {
        from += rowSize;
        ForRegisters<kLong>(rowSize, LargerElements<T>{columns, from, largest});
      }
      T* out = y + static_cast<ptrdiff_t>(row) * q.outWidth * q.channels;
      for (int ow = 0; ow < q.outWidth; ++ow, out += q.channels) {
        const int left = ow * q.stride - q.padLeft;
        const int first = Max(left, 0);
        const T* window = columns + static_cast<ptrdiff_t>(first) * q.channels;
        ForRegisters<kCount>(q.channels, PixelsMaximum<T>{window, Min(left + q.size, q.width) - first, q.channels, out});
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
