// build: fp-contract=fast
/**
 * The gradient of the filter: a sum of outer products x (*) dy over the pixels of a sample and over the samples.
 *
 * The batch is cut into `blocks` of consecutive samples and the filter's positions (kh, kw, c) into slices; a task takes
 * one slice of one block. It goes through the block in *pieces* of some 200 pixels, a few whole samples or a few rows of
 * one: few enough that a panel of dy stays in the first-level cache while all tiles of the slice read it, and many enough
 * that adding the sums to the block's partial gradient costs little. Per piece it decodes dy into panels and the part of x
 * under it into padded floats. The partials are added in the order of the blocks at the end.
 *
 * Sums of integers are exact in their piece (it has at most `exactTerms` pixels); the scale of a sample multiplies its sum.
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

using Params = Conv2dFilterGradientParams;
using Buffers = Conv2dFilterGradientBuffers;

#ifndef PIECE
#define PIECE 192
#endif
constexpr int kPiecePixels = PIECE;
constexpr int kTasks = 32;
constexpr int kMergeElements = 1 << 14;

/** The problem after a dense layer's samples became pixels, and how it is cut. */
struct Problem {
  const Params& p;
  const Buffers& b;
  Images x;
  Images dy;
  int batch;
  int kernelHeight;
  int kernelWidth;
  bool samplesArePixels;
  /** Whether scales multiply dy, pixel by pixel. */
  bool foldsScales;
  /** Whether all samples have the same scale, so that one sum may run over several. */
  bool hasOneScale;
  const float* sampleScale;
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

/** The decoded operands of a piece. */
struct Copies {
  const float* x;
  ptrdiff_t xRow;
  ptrdiff_t xSample;
  const float* dy;
};

Problem MakeProblem(const Params& p, const Buffers& b, const float* sampleScale) {
  Problem q = {p,       b,
               {p.x, b.x, p.height, p.width, p.inChannels, p.inChannels},
               {p.dy, b.dy, p.outHeight, p.outWidth, p.outChannels, p.outChannels},
               p.batch, p.kernelHeight, p.kernelWidth, false, false, p.xScaleCount <= 1 && p.dyScaleCount <= 1, sampleScale,
               true,    0, 0, 0, 0, 0, 0};
  q.samplesArePixels = p.padTop == 0 && p.padLeft == 0 && p.outHeight == 1 && p.outWidth == 1 && p.kernelHeight == p.height && p.kernelWidth == p.width;
  if (q.samplesArePixels) {
    q.x.channels *= p.height * p.width;
    q.x.height = q.x.width = q.kernelHeight = q.kernelWidth = q.batch = 1;
    q.x.width = q.dy.width = p.batch;
    q.foldsScales = !q.hasOneScale;
  }
  const int maxPositions = MaxPositions(p.outChannels);
  q.spansAreTaps = q.x.channels >= kMaxPositions / 2;
  q.spans = q.spansAreTaps ? q.kernelHeight * q.kernelWidth : q.kernelHeight;
  q.spanLength = q.spansAreTaps ? q.x.channels : q.kernelWidth * q.x.channels;
  q.tilesPerSpan = CeilDiv(q.spanLength, maxPositions);
  const int pixels = q.foldsScales ? kPiecePixels : Min(kPiecePixels, p.exactTerms);
  q.pieceColumns = Min(q.dy.width, pixels);
  q.pieceRows = Min(q.dy.height, Max(pixels / q.dy.width, 1));
  q.pieceSamples = Min(q.batch, Max(pixels / (q.dy.width * q.dy.height), 1));
  return q;
}

/** Tiles of a slice, counted through all spans. */
Range PositionsOf(const Problem& q, Range tiles) {
  return {PartOf(tiles.first, q.tilesPerSpan, q.spanLength).first, PartOf(tiles.end, q.tilesPerSpan, q.spanLength).first};
}

/** Decodes dy: [panel][sample][row][column][lanes]. */
void CopyGradient(const Problem& q, const Piece& piece, float* out) {
  const Tensor& data = q.dy.data;
  const int pixels = piece.columns.size();
  for (int panel = 0; panel < PanelsOf(q.dy.channels); ++panel) {
    const int lanes = PanelVectors(panel, q.dy.channels) * kLanes;
    for (int n = piece.samples.first; n < piece.samples.end; ++n) {
      for (int row = piece.rows.first; row < piece.rows.end; ++row, out += pixels * lanes) {
        const ptrdiff_t first = (static_cast<ptrdiff_t>(n) * q.dy.height + row) * q.dy.width + piece.columns.first;
        PackPanelRows(q.dy.operand, data, first, first + pixels, q.dy.channels, panel, out);
        if (!q.foldsScales) continue;
        for (int i = 0; i < pixels * lanes; ++i) out[i] *= q.sampleScale[piece.columns.first + i / lanes];
      }
    }
  }
}

/** Decodes the part of x under a piece; of a dense layer, the positions of the slice only. */
Copies CopyImages(const Problem& q, const Piece& piece, Range positions, float* out) {
  Copies copies = {out, 0, 0, nullptr};
  if (q.samplesArePixels) {
    copies.x -= positions.first;
    for (int n = piece.columns.first; n < piece.columns.end; ++n, out += positions.size()) {
      Decode(q.x.operand, q.x.data, static_cast<ptrdiff_t>(n) * q.x.channels + positions.first, positions.size(), q.x.storedChannels, out);
    }
    return copies;
  }
  const Params& p = q.p;
  const Rectangle read = {{piece.rows.first * p.stride - p.padTop, (piece.rows.end - 1) * p.stride - p.padTop + q.kernelHeight},
                          {piece.columns.first * p.stride - p.padLeft, (piece.columns.end - 1) * p.stride - p.padLeft + q.kernelWidth}};
  copies.xRow = static_cast<ptrdiff_t>(read.columns.size()) * q.x.channels;
  copies.xSample = read.rows.size() * copies.xRow;
  for (int n = piece.samples.first; n < piece.samples.end; ++n, out += copies.xSample) CopyRectangle(q.x, n, read, out, copies.xRow);
  return copies;
}

/** A tile of which only the first `columns` columns exist. */
void MultiplyPartly(OuterKernel kernel, OuterTile tile, int positions, int vectors, int columns) {
  float whole[kMaxPositions * kMaxVectors * kLanes];
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

/** Adds a piece's products to the slice's part of a partial gradient. */
void AddPiece(const Problem& q, const Piece& piece, Range tiles, const Copies& copies, bool isFirst, float* partial) {
  const Params& p = q.p;
  const int channels = q.dy.channels;
  const int step = q.samplesArePixels ? 1 : p.stride;
  OuterTile tile;
  tile.xPixel = static_cast<ptrdiff_t>(step) * q.x.channels;
  if (q.samplesArePixels) tile.xPixel = PositionsOf(q, tiles).size();
  tile.xRow = step * copies.xRow;
  tile.xSample = copies.xSample;
  tile.outStride = channels;
  for (int panel = 0; panel < PanelsOf(channels); ++panel) {
    const int vectors = PanelVectors(panel, channels);
    const int columns = PanelColumns(panel, channels);
    const float* dy = copies.dy + PanelStart(panel, piece.pixels());
    tile.dyRow = piece.columns.size() * vectors * kLanes;
    tile.dySample = piece.rows.size() * tile.dyRow;
    for (int t = tiles.first; t < tiles.end; ++t) {
      const int span = t / q.tilesPerSpan;
      const int kh = q.spansAreTaps ? span / q.kernelWidth : span;
      const int kw = q.spansAreTaps ? span % q.kernelWidth : 0;
      const Range positions = PartOf(t % q.tilesPerSpan, q.tilesPerSpan, q.spanLength);
      Range inRows = {0, piece.rows.size()};
      Range inColumns = {0, piece.columns.size()};
      if (!q.samplesArePixels) {
        inRows = PositionsInside(piece.rows.first * step + kh - p.padTop, step, inRows.size(), q.x.height);
        if (q.spansAreTaps) inColumns = PositionsInside(piece.columns.first * step + kw - p.padLeft, step, inColumns.size(), q.x.width);
      }
      const OuterKernel kernel = SelectOuterKernel(positions.size(), vectors);
      tile.rows = inRows.size();
      tile.columns = inColumns.size();
      tile.x = copies.x + (inRows.first * step + kh) * copies.xRow + (inColumns.first * tile.xPixel + static_cast<ptrdiff_t>(kw) * q.x.channels) + positions.first;
      tile.dy = dy + inRows.first * tile.dyRow + inColumns.first * vectors * kLanes;
      tile.out = partial + (static_cast<ptrdiff_t>(span) * q.spanLength + positions.first) * channels + panel * kPanelLanes;
      const int calls = q.hasOneScale ? 1 : piece.samples.size();
      tile.samples = piece.samples.size() / calls;
      for (int call = 0; call < calls; ++call) {
        tile.isFirst = isFirst && call == 0;
        tile.scale = q.foldsScales ? 1 : q.sampleScale[piece.samples.first + call];
        if (columns == vectors * kLanes) {
          kernel(tile);
        } else {
          MultiplyPartly(kernel, tile, positions.size(), vectors, columns);
        }
        tile.x += tile.xSample;
        tile.dy += tile.dySample;
      }
    }
  }
}

void AddBlock(const Problem& q, Range samples, Range tiles, float* partial, Pool& pool, int thread) {
  const Params& p = q.p;
  const Range positions = PositionsOf(q, tiles);
  const ptrdiff_t pixels = static_cast<ptrdiff_t>(q.pieceSamples) * q.pieceRows * q.pieceColumns;
  const ptrdiff_t xRows = (q.pieceRows - 1) * p.stride + q.kernelHeight;
  const ptrdiff_t xColumns = (q.pieceColumns - 1) * p.stride + q.kernelWidth;
  const ptrdiff_t xFloats = q.samplesArePixels ? pixels * positions.size() : q.pieceSamples * xRows * xColumns * q.x.channels;
  const ptrdiff_t dyFloats = pixels * PaddedColumns(q.dy.channels);
  float* dy = static_cast<float*>(pool.Scratch(thread, sizeof(float) * (xFloats + dyFloats)));
  bool isFirst = true;
  for (int n = samples.first; n < samples.end; n += q.pieceSamples) {
    for (int row = 0; row < q.dy.height; row += q.pieceRows) {
      for (int column = 0; column < q.dy.width; column += q.pieceColumns) {
        const Piece piece = {{n, Min(n + q.pieceSamples, samples.end)},
                             {row, Min(row + q.pieceRows, q.dy.height)},
                             {column, Min(column + q.pieceColumns, q.dy.width)}};
        CopyGradient(q, piece, dy);
        Copies copies = CopyImages(q, piece, positions, dy + dyFloats);
        copies.dy = dy;
        AddPiece(q, piece, tiles, copies, isFirst, partial);
        isFirst = false;
      }
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

void Conv2dFilterGradient(const Params& p, const Buffers& b, Pool& pool) {
  const ptrdiff_t elements = static_cast<ptrdiff_t>(p.kernelHeight) * p.kernelWidth * p.inChannels * p.outChannels;
  float* sampleScale = b.scratch.f32() + static_cast<ptrdiff_t>(p.blocks) * elements;
  for (int n = 0; n < p.batch; ++n) {
    sampleScale[n] = ScaleAt(b.xScale, p.xScaleCount, n, p.factor) * ScaleAt(b.dyScale, p.dyScaleCount, n, 1);
  }
  const Problem q = MakeProblem(p, b, sampleScale);
  const int blocks = Min(q.batch, p.blocks);
  const int tiles = q.spans * q.tilesPerSpan;
  const int slices = Min(tiles, CeilDiv(kTasks, blocks));
  float* partials = blocks == 1 ? b.dFilter.f32() : b.scratch.f32();
  pool.Run(blocks * slices, [&](int task, int thread) {
    const int block = task / slices;
    AddBlock(q, PartOf(block, blocks, q.batch), PartOf(task % slices, slices, tiles), partials + block * elements, pool, thread);
  });
  if (blocks > 1) MergeBlocks(partials, blocks, elements, b.dFilter.f32(), pool);
}

}  // namespace subbit::SUBBIT_ISA
