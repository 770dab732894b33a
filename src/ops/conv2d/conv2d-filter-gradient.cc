// build: fp-contract=fast
/**
 * The gradient of the filter: a sum of outer products x (*) dy over the pixels of a sample and over the samples.
 *
 * The batch is cut into `blocks` of consecutive samples and the positions (kh, kw, c) into slices; a task takes one slice
 * of one block. It decodes a band of dy into panels and the part of x under it into padded floats, both small enough for
 * the second-level cache, and adds scale[n] * (sum over the band) to its block's partial gradient. The partials are then
 * added in the order of the blocks. A band has at most `exactTerms` pixels, so that sums of integers are exact.
 *
 * A filter as large as the image (the dense layer) has one pixel per sample. There the samples are the pixels of one image,
 * and scales that differ between samples multiply dy.
 *
 * Scratch: the partial gradients, unless there is one block; then dFilter is the partial. After them the sample scales.
 */
#include "ops.h"
#include "outer-kernel.h"

namespace subbit::SUBBIT_ISA {
namespace {

constexpr int kWantedTasks = 32;
constexpr int kBandBytes = 512 << 10;
constexpr int kMergeElements = 1 << 14;

/** The geometry after a dense layer's samples became pixels. */
struct Geometry {
  int batch;
  int channels;
  int outHeight;
  int outWidth;
  int kernelHeight;
  int kernelWidth;
  int stride;
  bool samplesArePixels;

  int RunLength() const { return kernelWidth * channels; }
  int TilesPerRun() const { return CeilDiv(RunLength(), kMaxPositions); }
};

/** Output pixels rows x columns of one sample. */
struct Band {
  int row;
  int rows;
  int column;
  int columns;
};

struct Copies {
  const float* x;
  ptrdiff_t xPixel;
  ptrdiff_t xRow;
  const float* dy;
};

/** Filter rows' tiles first .. end - 1, counted through all filter rows. */
struct Slice {
  int first;
  int end;
};

/** Largest band of at most `exactTerms` pixels whose copies fit kBandBytes. */
Band FirstBand(const Conv2dFilterGradientParams& p, const Geometry& g, int exactTerms) {
  const int columns = Min(g.outWidth, exactTerms);
  const double rowBytes = 4.0 * columns * (g.stride * g.stride * g.channels + PaddedColumns(p.outChannels));
  const int rows = Min(g.outHeight, Max(1, Min(exactTerms / columns, static_cast<int>(kBandBytes / rowBytes))));
  return {0, g.samplesArePixels ? 1 : rows, 0, columns};
}

/** The next band of the same size, or a band without rows. */
Band NextBand(const Geometry& g, const Band& first, Band band) {
  band.column += first.columns;
  if (band.column >= g.outWidth) {
    band.column = 0;
    band.row += first.rows;
  }
  band.rows = Max(0, Min(first.rows, g.outHeight - band.row));
  band.columns = Min(first.columns, g.outWidth - band.column);
  return band;
}

void PackGradient(const Conv2dFilterGradientParams& p, const Conv2dFilterGradientBuffers& b, const Geometry& g, const Band& band, int n,
                  const float* pixelScale, float* out) {
  const int pixels = band.rows * band.columns;
  for (int panel = 0; panel < PanelsOf(p.outChannels); ++panel) {
    const int lanes = PanelVectors(panel, p.outChannels) * kLanes;
    float* rows = out + PanelStart(panel, pixels);
    for (int row = 0; row < band.rows; ++row, rows += band.columns * lanes) {
      const ptrdiff_t first = (static_cast<ptrdiff_t>(n) * g.outHeight + band.row + row) * g.outWidth + band.column;
      PackPanelRows(p.dy, b.dy, first, first + band.columns, p.outChannels, panel, rows);
      if (pixelScale == nullptr) continue;
      for (int i = 0; i < band.columns * lanes; ++i) rows[i] *= pixelScale[band.column + i / lanes];
    }
  }
}

void AddBand(const Conv2dFilterGradientParams& p, const Geometry& g, const Band& band, const Slice& slice, const Copies& copies, float scale,
             bool isFirst, float* out) {
  const int pixels = band.rows * band.columns;
  const int tilesPerRun = g.TilesPerRun();
  const int runLength = g.RunLength();
  OuterTile tile;
  tile.xPixel = copies.xPixel;
  tile.xRow = copies.xRow;
  tile.rows = band.rows;
  tile.columns = band.columns;
  tile.scale = scale;
  for (int panel = 0; panel < PanelsOf(p.outChannels); ++panel) {
    const int vectors = PanelVectors(panel, p.outChannels);
    const int columns = PanelColumns(panel, p.outChannels);
    tile.dy = copies.dy + PanelStart(panel, pixels);
    for (int t = slice.first; t < slice.end; ++t) {
      const int kh = t / tilesPerRun;
      const int first = PartStart(t % tilesPerRun, tilesPerRun, runLength);
      const int positions = PartStart(t % tilesPerRun + 1, tilesPerRun, runLength) - first;
      const OuterKernel kernel = SelectOuterKernel(positions, vectors);
      float* tileOut = out + (static_cast<ptrdiff_t>(kh) * runLength + first) * p.outChannels + panel * kPanelLanes;
      tile.x = copies.x + kh * (copies.xRow / g.stride) + first;
      if (columns == vectors * kLanes) {
        tile.out = tileOut;
        tile.outStride = p.outChannels;
        tile.isFirst = isFirst;
        kernel(tile);
        continue;
      }
      float whole[kMaxPositions * kPanelLanes];
      tile.out = whole;
      tile.outStride = vectors * kLanes;
      tile.isFirst = true;
      kernel(tile);
      for (int i = 0; i < positions; ++i) {
        for (int v = 0; v < columns; ++v) {
          float& element = tileOut[static_cast<ptrdiff_t>(i) * p.outChannels + v];
          element = (isFirst ? 0 : element) + whole[i * vectors * kLanes + v];
        }
      }
    }
  }
}

void AddBlock(const Conv2dFilterGradientParams& p, const Conv2dFilterGradientBuffers& b, const Geometry& g, const float* sampleScale,
              int firstSample, int endSample, const Slice& slice, float* out, Pool& pool, int thread) {
  const bool isFolded = g.samplesArePixels && (p.xScaleCount > 1 || p.dyScaleCount > 1);
  const Images images = {p.x, b.x, p.height, p.width, p.inChannels, p.inChannels};
  const Band largest = FirstBand(p, g, isFolded ? INT32_MAX : p.exactTerms);
  const int firstPosition = PartStart(slice.first, g.TilesPerRun(), g.RunLength());
  const int endPosition = g.samplesArePixels ? PartStart(slice.end, g.TilesPerRun(), g.RunLength()) : 0;
  Copies copies;
  const int xColumns = (largest.columns - 1) * g.stride + g.kernelWidth;
  const int xRows = (largest.rows - 1) * g.stride + g.kernelHeight;
  const ptrdiff_t xFloats = g.samplesArePixels ? static_cast<ptrdiff_t>(endPosition - firstPosition) * largest.columns
                                               : static_cast<ptrdiff_t>(xRows) * xColumns * g.channels;
  const ptrdiff_t alignedFloats = (xFloats + 15) / 16 * 16;
  const ptrdiff_t dyFloats = static_cast<ptrdiff_t>(largest.rows) * largest.columns * PaddedColumns(p.outChannels);
  float* x = static_cast<float*>(pool.Scratch(thread, sizeof(float) * (alignedFloats + dyFloats)));
  float* dy = x + alignedFloats;
  copies.dy = dy;
  bool isFirst = true;
  for (int n = firstSample; n < endSample; ++n) {
    for (Band band = largest; band.rows > 0; band = NextBand(g, largest, band)) {
      PackGradient(p, b, g, band, n, isFolded ? sampleScale : nullptr, dy);
      if (g.samplesArePixels) {
        const int count = endPosition - firstPosition;
        for (int i = 0; i < band.columns; ++i) {
          const ptrdiff_t start = static_cast<ptrdiff_t>(band.column + i) * g.RunLength() + firstPosition;
          Decode(p.x, b.x, start, count, p.inChannels, x + static_cast<ptrdiff_t>(i) * count);
        }
        copies.xPixel = count;
        copies.xRow = 0;
        copies.x = x - firstPosition;
      } else {
        const Rectangle read = {band.row * g.stride - p.padTop, (band.rows - 1) * g.stride + g.kernelHeight, band.column * g.stride - p.padLeft,
                                (band.columns - 1) * g.stride + g.kernelWidth};
        const ptrdiff_t rowStride = static_cast<ptrdiff_t>(read.columns) * g.channels;
        CopyRectangle(images, n, read, x, rowStride);
        copies.xPixel = static_cast<ptrdiff_t>(g.stride) * g.channels;
        copies.xRow = g.stride * rowStride;
        copies.x = x;
      }
      AddBand(p, g, band, slice, copies, isFolded ? 1 : sampleScale[n], isFirst, out);
      isFirst = false;
    }
  }
}

void MergeBlocks(const float* partials, int blocks, ptrdiff_t elements, float* out, Pool& pool) {
  const int tasks = static_cast<int>((elements + kMergeElements - 1) / kMergeElements);
  pool.Run(tasks, [&](int task, int) {
    const ptrdiff_t first = static_cast<ptrdiff_t>(task) * kMergeElements;
    const ptrdiff_t end = first + kMergeElements < elements ? first + kMergeElements : elements;
    for (ptrdiff_t i = first; i < end; ++i) {
      float sum = partials[i];
      for (int block = 1; block < blocks; ++block) sum += partials[block * elements + i];
      out[i] = sum;
    }
  });
}

}  // namespace

void Conv2dFilterGradient(const Conv2dFilterGradientParams& p, const Conv2dFilterGradientBuffers& b, Pool& pool) {
  const bool coversImage = p.padTop == 0 && p.padLeft == 0 && p.outHeight == 1 && p.outWidth == 1 && p.kernelHeight == p.height && p.kernelWidth == p.width;
  const ptrdiff_t elements = static_cast<ptrdiff_t>(p.kernelHeight) * p.kernelWidth * p.inChannels * p.outChannels;
  Geometry g = {p.batch, p.inChannels, p.outHeight, p.outWidth, p.kernelHeight, p.kernelWidth, p.stride, coversImage};
  if (coversImage) g = {1, p.kernelHeight * p.kernelWidth * p.inChannels, 1, p.batch, 1, 1, 1, true};
  const int blocks = coversImage ? 1 : p.blocks;
  float* partials = blocks == 1 ? b.dFilter.f32() : b.scratch.f32();
  float* sampleScale = b.scratch.f32() + static_cast<ptrdiff_t>(p.blocks) * elements;
  for (int n = 0; n < p.batch; ++n) {
    sampleScale[n] = ScaleAt(b.xScale, p.xScaleCount, n, p.factor) * ScaleAt(b.dyScale, p.dyScaleCount, n, 1);
  }
  const int tiles = g.kernelHeight * g.TilesPerRun();
  const int slices = Min(tiles, CeilDiv(kWantedTasks, blocks));
  pool.Run(blocks * slices, [&](int task, int thread) {
    const int block = task / slices;
    const int slice = task % slices;
    AddBlock(p, b, g, sampleScale, PartStart(block, blocks, g.batch), PartStart(block + 1, blocks, g.batch),
             {PartStart(slice, slices, tiles), PartStart(slice + 1, slices, tiles)}, partials + block * elements, pool, thread);
  });
  if (blocks > 1) MergeBlocks(partials, blocks, elements, b.dFilter.f32(), pool);
}

}  // namespace subbit::SUBBIT_ISA
