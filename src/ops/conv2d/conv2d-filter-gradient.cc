// build: fp-contract=fast
/**
 * The gradient of the filter: a sum of outer products x (*) dy over the pixels of a sample and over the samples.
 *
 * The batch is cut into `blocks` of consecutive samples and the filter into slices; a task computes one slice from one
 * block. It goes through the block in *pieces* of at most kPiecePixels pixels, some samples or some rows of one: so few
 * that a panel of dy stays in the first-level cache while all tiles of the slice read it, so many that it costs little to
 * add the sums to the block's partial gradient. The partials are added in the order of the blocks at the end.
 *
 * Real operands are read where they lie if their layout allows it; otherwise a piece of dy is decoded into panels, and the
 * part of x under it into padded floats.
 *
 * Sums of integers are exact in their piece (it has at most `exactTerms` pixels); then the scale of the sample multiplies.
 *
 * The dense layer (dense.h) has one pixel per sample. There the samples are the pixels of one image, and scales that differ
 * between samples multiply dy.
 *
 * Groups and dilation have paths of their own for the partial gradients. A routed dy (routed-conv2d.ts) lies in memory pooled;
 * decoding a piece spreads it.
 *
 * Scratch: a scale per sample, then the partial gradients unless there is one block; then dFilter is the partial.
 */
#include "../routed-conv2d/spread-gradient.h"
#include "depthwise-filter-gradient.h"
#include "grouped-filter-gradient.h"
#include "ops.h"
#include "outer-kernel.h"

namespace subbit::SUBBIT_ISA {
namespace {

/** Of 64 .. 384, 192 was best for 18x18, 7x7 and 5x5 outputs. */
constexpr int kPiecePixels = 192;
constexpr int kTasks = 32;
/** Every task of a dense layer decodes all of dy. */
constexpr int kDenseTasks = 16;
constexpr int kMergeElements = 1 << 14;

/** The problem after a dense layer's samples became pixels, and how it is cut. */
struct Problem {
  Images x;
  /** Its elements are not there if it is routed. */
  Images dy;
  const RoutedGradient* routed;
  int batch;
  int kernelHeight;
  int kernelWidth;
  int stride;
  int padTop;
  int padLeft;
  bool isDense;
  const float* sampleScale;
  /** Whether all samples have the same scale, so that one sum may run over several. */
  bool hasOneScale;
  /** Whether scales multiply dy, pixel by pixel. */
  bool foldsScales;
  bool readsXInPlace;
  bool readsDyInPlace;
  /**
   * Positions are tiled within spans: the channels of one tap, so that pixels whose tap lies in the padding are left out;
   * or with few channels all taps of one filter row.
   */
  bool spansAreTaps;
  int spans;
  int spanLength;
  int tilesPerSpan;
  /** Largest piece. */
  int pieceSamples;
  int pieceRows;
  int pieceColumns;
};

/** Output pixels: rows x columns of some samples. */
struct Piece {
  Range samples;
  Range rows;
  Range columns;

  int pixels() const { return samples.size() * rows.size() * columns.size(); }
};

/** What a task computes of a filter: panels of output channels, and tiles of positions counted through all spans. */
struct Slice {
  Range panels;
  Range tiles;
};

/** Floats of an operand as the kernel reads them: from pixel to pixel, row to row, sample to sample. */
struct View {
  const float* data;
  ptrdiff_t pixel;
  ptrdiff_t row;
  ptrdiff_t sample;
};

Problem MakeProblem(const Conv2dFilterGradientParams& p, const Conv2dFilterGradientBuffers& b, const float* sampleScale,
                    const RoutedGradient* routed) {
  Problem q;
  q.routed = routed;
  q.x = {{p.x, b.x, p.inChannels}, p.height, p.width, p.inChannels};
  q.dy = {{p.dy, b.dy, p.outChannels}, p.outHeight, p.outWidth, p.outChannels};
  q.batch = p.batch;
  q.kernelHeight = p.kernelHeight;
  q.kernelWidth = p.kernelWidth;
  q.stride = p.stride;
  q.padTop = p.padTop;
  q.padLeft = p.padLeft;
  q.isDense = routed == nullptr && IsDense(p);
  if (q.isDense) {
    q.x.channels *= p.height * p.width;
    q.batch = q.kernelHeight = q.kernelWidth = q.stride = q.x.height = 1;
    q.x.width = q.dy.width = p.batch;
  }
  q.sampleScale = sampleScale;
  q.hasOneScale = p.xScaleCount <= 1 && p.dyScaleCount <= 1;
  q.foldsScales = q.isDense && !q.hasOneScale;
  q.spansAreTaps = q.x.channels >= kMaxTile / 2;
  q.spans = q.kernelHeight * (q.spansAreTaps ? q.kernelWidth : 1);
  q.spanLength = q.x.channels * (q.spansAreTaps ? 1 : q.kernelWidth);
  q.tilesPerSpan = CeilDiv(q.spanLength, MaxTileOf(p.outChannels));
  q.readsXInPlace = q.x.elements.isReal() && q.spansAreTaps && !q.isDense;
  // With half a cache line per panel and pixel, most of a cache's sets would stay unused: 1.2 times slower on AVX2.
  const bool fillsCacheLines = kPanelLanes * sizeof(float) >= 128 || PanelsOf(p.outChannels) == 1;
  q.readsDyInPlace = routed == nullptr && q.dy.elements.isReal() && p.outChannels % kLanes == 0 && fillsCacheLines && !q.foldsScales;
  const int pixels = q.foldsScales ? kPiecePixels : Min(kPiecePixels, p.exactTerms);
  q.pieceColumns = Min(q.dy.width, pixels);
  q.pieceRows = Min(q.dy.height, Max(pixels / q.dy.width, 1));
  q.pieceSamples = Min(q.batch, Max(pixels / (q.dy.width * q.dy.height), 1));
  return q;
}

/** Of tiles in a filter of one span. */
Range PositionsOf(const Problem& q, Range tiles) {
  return {PartOf(tiles.first, q.tilesPerSpan, q.spanLength).first, PartOf(tiles.end, q.tilesPerSpan, q.spanLength).first};
}

/** Decodes some panels of dy: [panel][sample][row][column][lanes]. */
void CopyGradient(const Problem& q, const Piece& piece, Range panels, float* out) {
  const ptrdiff_t pixels = piece.columns.size();
  for (int panel = panels.first; panel < panels.end; ++panel) {
    const int lanes = PanelVectors(panel, q.dy.channels) * kLanes;
    for (int n = piece.samples.first; n < piece.samples.end; ++n) {
      for (int row = piece.rows.first; row < piece.rows.end; ++row, out += pixels * lanes) {
        if (q.routed != nullptr) {
          const int columns = PanelColumns(panel, q.dy.channels);
          SpreadRow(*q.routed, n, row, piece.columns.first, piece.columns.end, panel * kPanelLanes, columns, lanes, out);
          continue;
        }
        const ptrdiff_t first = (static_cast<ptrdiff_t>(n) * q.dy.height + row) * q.dy.width + piece.columns.first;
        PackRows(q.dy.elements, first, first + pixels, q.dy.channels, panel, out);
        if (!q.foldsScales) continue;
        for (int i = 0; i < pixels; ++i) {
          const float scale = q.sampleScale[piece.columns.first + i];
          for (int v = 0; v < lanes; ++v) out[i * lanes + v] *= scale;
        }
      }
    }
  }
}

/** A panel of dy at the piece's first pixel, in place or in the copy (which begins with the slice's first panel). */
View ViewGradient(const Problem& q, const Piece& piece, int panel, int firstPanel, const float* copy) {
  View view;
  if (q.readsDyInPlace) {
    view.pixel = q.dy.channels;
    view.row = q.dy.width * view.pixel;
    view.sample = q.dy.height * view.row;
    view.data = q.dy.elements.data.f32() + piece.samples.first * view.sample + piece.rows.first * view.row +
                piece.columns.first * view.pixel + panel * kPanelLanes;
  } else {
    view.pixel = PanelVectors(panel, q.dy.channels) * kLanes;
    view.row = piece.columns.size() * view.pixel;
    view.sample = piece.rows.size() * view.row;
    view.data = copy + PanelStart(panel - firstPanel, piece.pixels());
  }
  return view;
}

/** x under the first tap of the piece's first pixel, decoded into `copy` or in place; there it may lie outside of x. */
View ViewImages(const Problem& q, const Piece& piece, Range tiles, float* copy) {
  View view = {copy, q.x.channels, 0, 0};
  if (q.isDense) {
    // Only the positions of the slice, and so that position 0 would be the view's first.
    const Range positions = PositionsOf(q, tiles);
    for (int n = piece.columns.first; n < piece.columns.end; ++n, copy += positions.size()) {
      Decode(q.x.elements, static_cast<ptrdiff_t>(n) * q.x.channels + positions.first, positions.size(), copy);
    }
    view.data -= positions.first;
    view.pixel = positions.size();
    return view;
  }
  const int top = piece.rows.first * q.stride - q.padTop;
  const int left = piece.columns.first * q.stride - q.padLeft;
  if (q.readsXInPlace) {
    view.row = q.x.width * view.pixel;
    view.sample = q.x.height * view.row;
    view.data = q.x.elements.data.f32() + piece.samples.first * view.sample + top * view.row + left * view.pixel;
    return view;
  }
  const Rectangle read = {{top, top + (piece.rows.size() - 1) * q.stride + q.kernelHeight},
                          {left, left + (piece.columns.size() - 1) * q.stride + q.kernelWidth}};
  view.row = read.columns.size() * view.pixel;
  view.sample = read.rows.size() * view.row;
  for (int n = piece.samples.first; n < piece.samples.end; ++n, copy += view.sample) {
    CopyRectangle(q.x, n, read, copy, view.row);
  }
  return view;
}

/** A tile of which only the first `columns` columns exist. */
void MultiplyPartly(OuterKernel kernel, OuterTile tile, int positions, int vectors, int columns) {
  float whole[kMaxTile * kMaxVectors * kLanes];
  float* out = tile.out;
  const ptrdiff_t outStride = tile.outStride;
  const bool isFirst = tile.isFirst;
  tile.out = whole;
  tile.outStride = vectors * kLanes;
  tile.isFirst = true;
  kernel(tile);
  for (int i = 0; i < positions; ++i) {
    for (int v = 0; v < columns; ++v) {
      float& element = out[i * outStride + v];
      element = (isFirst ? 0 : element) + whole[i * vectors * kLanes + v];
    }
  }
}

/** One tile of the partial gradient: all samples of the piece at once, or each with its scale. */
void AddTile(const Problem& q, const Piece& piece, int panel, int positions, OuterTile tile) {
  const int vectors = PanelVectors(panel, q.dy.channels);
  const int columns = PanelColumns(panel, q.dy.channels);
  const OuterKernel kernel = SelectOuterKernel(positions, vectors);
  const int calls = q.hasOneScale ? 1 : piece.samples.size();
  tile.samples = piece.samples.size() / calls;
  for (int call = 0; call < calls; ++call) {
    tile.scale = q.foldsScales ? 1 : q.sampleScale[piece.samples.first + call];
    if (columns == vectors * kLanes) {
      kernel(tile);
    } else {
      MultiplyPartly(kernel, tile, positions, vectors, columns);
    }
    tile.isFirst = false;
    tile.x += tile.xSample;
    tile.dy += tile.dySample;
  }
}

/** Adds a piece's products to the slice's part of a partial gradient, or begins it. */
void AddPiece(const Problem& q, const Piece& piece, const Slice& slice, const View& x, const float* dyCopy, bool isFirst,
              float* partial) {
  OuterTile tile;
  tile.isFirst = isFirst;
  tile.outStride = q.dy.channels;
  tile.xPixel = q.stride * x.pixel;
  tile.xRow = q.stride * x.row;
  tile.xSample = x.sample;
  for (int panel = slice.panels.first; panel < slice.panels.end; ++panel) {
    const View dy = ViewGradient(q, piece, panel, slice.panels.first, dyCopy);
    tile.dyPixel = dy.pixel;
    tile.dyRow = dy.row;
    tile.dySample = dy.sample;
    for (int t = slice.tiles.first; t < slice.tiles.end; ++t) {
      const int span = t / q.tilesPerSpan;
      const Range positions = PartOf(t % q.tilesPerSpan, q.tilesPerSpan, q.spanLength);
      const int kh = q.spansAreTaps ? span / q.kernelWidth : span;
      const int kw = q.spansAreTaps ? span % q.kernelWidth : 0;
      const int top = piece.rows.first * q.stride + kh - q.padTop;
      const int left = piece.columns.first * q.stride + kw - q.padLeft;
      const Range rows = PositionsInside(top, q.stride, piece.rows.size(), q.x.height);
      Range columns = {0, piece.columns.size()};
      if (q.spansAreTaps) columns = PositionsInside(left, q.stride, piece.columns.size(), q.x.width);
      tile.rows = rows.size();
      tile.columns = columns.size();
      tile.x = x.data + (rows.first * q.stride + kh) * x.row + (columns.first * q.stride + kw) * x.pixel + positions.first;
      tile.dy = dy.data + rows.first * dy.row + columns.first * dy.pixel;
      const ptrdiff_t position = static_cast<ptrdiff_t>(span) * q.spanLength + positions.first;
      tile.out = partial + position * q.dy.channels + panel * kPanelLanes;
      AddTile(q, piece, panel, positions.size(), tile);
    }
  }
}

void AddBlock(const Problem& q, Range samples, const Slice& slice, float* partial, Pool& pool, int thread) {
  const ptrdiff_t pixels = static_cast<ptrdiff_t>(q.pieceSamples) * q.pieceRows * q.pieceColumns;
  const ptrdiff_t xRows = (q.pieceRows - 1) * q.stride + q.kernelHeight;
  const ptrdiff_t xColumns = (q.pieceColumns - 1) * q.stride + q.kernelWidth;
  ptrdiff_t xFloats = q.pieceSamples * xRows * xColumns * q.x.channels;
  if (q.isDense) xFloats = pixels * PositionsOf(q, slice.tiles).size();
  if (q.readsXInPlace) xFloats = 0;
  const ptrdiff_t dyFloats = q.readsDyInPlace ? 0 : pixels * slice.panels.size() * kMaxVectors * kLanes;
  float* dyCopy = static_cast<float*>(pool.Scratch(thread, sizeof(float) * (xFloats + dyFloats)));
  bool isFirst = true;
  for (int n = samples.first; n < samples.end; n += q.pieceSamples) {
    for (int row = 0; row < q.dy.height; row += q.pieceRows) {
      for (int column = 0; column < q.dy.width; column += q.pieceColumns) {
        const Piece piece = {{n, Min(n + q.pieceSamples, samples.end)},
                             {row, Min(row + q.pieceRows, q.dy.height)},
                             {column, Min(column + q.pieceColumns, q.dy.width)}};
        if (!q.readsDyInPlace) CopyGradient(q, piece, slice.panels, dyCopy);
        const View x = ViewImages(q, piece, slice.tiles, dyCopy + dyFloats);
        AddPiece(q, piece, slice, x, dyCopy, isFirst, partial);
        isFirst = false;
      }
    }
  }
}

/** Partial gradients [blocks][elements] of a plain convolution. */
void SumBlocks(const Problem& q, int blocks, ptrdiff_t elements, float* partials, Pool& pool) {
  // Slices by panels first, because every slice of positions reads all of dy. A dense layer's dy is the small operand.
  const int panels = PanelsOf(q.dy.channels);
  const int tiles = q.spans * q.tilesPerSpan;
  const int panelSlices = q.isDense ? 1 : Min(panels, CeilDiv(kTasks, blocks));
  const int tileSlices = Min(tiles, q.isDense ? kDenseTasks : Max(kTasks / (blocks * panelSlices), 1));
  pool.Run(blocks * panelSlices * tileSlices, [&](int task, int thread) {
    const int block = task / panelSlices / tileSlices;
    const Slice slice = {PartOf(task / tileSlices % panelSlices, panelSlices, panels),
                         PartOf(task % tileSlices, tileSlices, tiles)};
    AddBlock(q, PartOf(block, blocks, q.batch), slice, partials + block * elements, pool, thread);
  });
}

void MergeBlocks(const float* partials, int blocks, ptrdiff_t elements, float* out, Pool& pool) {
  const int tasks = static_cast<int>((elements + kMergeElements - 1) / kMergeElements);
  pool.Run(tasks, [&](int task, int) {
    const ptrdiff_t first = static_cast<ptrdiff_t>(task) * kMergeElements;
    const ptrdiff_t end = first + kMergeElements < elements ? first + kMergeElements : elements;
    for (ptrdiff_t i = first; i < end; ++i) out[i] = partials[i];
    for (int block = 1; block < blocks; ++block) {
      for (ptrdiff_t i = first; i < end; ++i) out[i] += partials[block * elements + i];
    }
  });
}

}  // namespace

void Conv2dFilterGradient(const Conv2dFilterGradientParams& p, const Conv2dFilterGradientBuffers& b, Pool& pool) {
  float* sampleScale = b.scratch.f32();
  for (int n = 0; n < p.batch; ++n) {
    sampleScale[n] = ScaleAt(b.xScale, p.xScaleCount, n, p.factor) * ScaleAt(b.dyScale, p.dyScaleCount, n, 1);
  }
  const ptrdiff_t elements = static_cast<ptrdiff_t>(p.kernelHeight) * p.kernelWidth * (p.inChannels / p.groups) * p.outChannels;
  float* partials = p.blocks == 1 ? b.dFilter.f32() : sampleScale + p.batch;
  if (IsPlain(p)) {
    SumBlocks(MakeProblem(p, b, sampleScale, nullptr), p.blocks, elements, partials, pool);
  } else {
    const Images x = {{p.x, b.x, p.inChannels}, p.height, p.width, p.inChannels};
    const Images dy = {{p.dy, b.dy, p.outChannels}, p.outHeight, p.outWidth, p.outChannels};
    if (IsDepthwise(p)) {
      SumDepthwise({x, dy, ForwardAxes(p), p.exactTerms, sampleScale}, p.batch, p.blocks, partials, pool);
    } else {
      const int merged = MergedGroups(p.groups, p.outChannels / p.groups);
      const GroupedFilterGradient g = {x, dy, p.groups / merged, merged, ForwardAxes(p), p.exactTerms, sampleScale};
      SumGroups(g, p.batch, p.blocks, partials, pool);
    }
  }
  if (p.blocks > 1) MergeBlocks(partials, p.blocks, elements, b.dFilter.f32(), pool);
}

void Conv2dFilterGradientRouted(const Conv2dFilterGradientRoutedParams& p, const Conv2dFilterGradientRoutedBuffers& b,
                                Pool& pool) {
  const RoutedGradient routed = {RoutedWindows(p), {b.dy.data, p.dyKind, p.dyStep, p.dyScaleCount, b.dyScale.f32()}, b.route.u8()};
  Conv2dFilterGradientParams c = PlainConvolution<Conv2dFilterGradientParams>(p);
  c.dy.isReal = c.dy.multiplier = 1;
  Conv2dFilterGradientBuffers buffers = {};
  buffers.x = b.x;
  float* sampleScale = b.scratch.f32();
  for (int n = 0; n < p.batch; ++n) sampleScale[n] = p.factor;
  const ptrdiff_t elements = static_cast<ptrdiff_t>(p.kernelHeight) * p.kernelWidth * p.inChannels * p.outChannels;
  float* partials = p.blocks == 1 ? b.dFilter.f32() : sampleScale + p.batch;
  SumBlocks(MakeProblem(c, buffers, sampleScale, &routed), p.blocks, elements, partials, pool);
  if (p.blocks > 1) MergeBlocks(partials, p.blocks, elements, b.dFilter.f32(), pool);
}

}  // namespace subbit::SUBBIT_ISA
