// build: fp-contract=fast
/**
 * The filter's gradient by dot products of bytes; filter-gradient.ts has the idea and the layouts.
 *
 * Samples are taken a block at a time: first they are packed, a task per sample and range of channels, then tasks take ranges of the
 * result's rows (a tap and a channel each), so that the samples of every element are added in their order. Within a task a *group* of
 * samples whose gradient stays in the first-level cache goes through all rows.
 */
#include "gradient-tile.h"
#include "joined-tile.h"
#include "pack-gradient.h"
#include "pack-joined.h"

namespace subbit::SUBBIT_ISA {
namespace {

constexpr int kTasks = 32;
/** Bytes of a panel of gradients that a task reads again and again. */
constexpr int kGroupBytes = 24 << 10;

struct Destination {
  /** Of rows with whole blocks of channels. */
  float* out;
  ptrdiff_t stride;
};

/** Where each row of the result finds its bytes among a sample's planes. */
void ListOffsets(const GradientLayout& layout, int32_t* offsets) {
  const int taps = layout.p.kernelHeight * layout.p.kernelWidth;
  for (int tap = 0; tap < taps; ++tap) {
    const ptrdiff_t first = layout.tapOffset(tap);
    for (int c = 0; c < layout.p.inChannels; ++c) *offsets++ = static_cast<int32_t>(first + c * layout.p.planeBytes);
  }
}

/** Rows of the result: adds some samples that are packed. */
void AddSamples(const GradientLayout& layout, const int32_t* offsets, uint8_t* block, int samples, const float* scales,
                Range rows, const Destination& to) {
  GradientTile tile;
  tile.quads = layout.quads;
  tile.blockBytes = layout.blockBytes();
  tile.sampleBytes = layout.sampleBytes;
  tile.dyBits = layout.p.dyBits;
  tile.xBits = layout.p.xBits;
  tile.sumFactor = layout.needsSums() ? 256 - layout.p.dyMax : 0;
  tile.factor = layout.p.factor;
  tile.stride = to.stride;
  const int quadsPerSplit = layout.isJoined() ? QuadsPerSplit(layout.p, layout.joinShift) : 0;
  const int panels = CeilDiv(layout.blocks, TileBlocks(layout.quads));
  for (int panel = 0; panel < panels; ++panel) {
    const Range blocks = PartOf(panel, panels, layout.blocks);
    const int tileRows = layout.isJoined() ? kJoinedRows : TileRows(layout.quads, blocks.size());
    const int group = Max(1, kGroupBytes / static_cast<int>(tile.blockBytes * blocks.size()));
    for (int n = 0; n < samples; n += group) {
      tile.samples = Min(group, samples - n);
      tile.scales = scales + n;
      tile.gradient = layout.gradientOf(block, n) + blocks.first * tile.blockBytes;
      const uint8_t* image = layout.imageOf(block, n);
      for (int row = rows.first; row < rows.end; row += tileRows) {
        const int count = Min(tileRows, rows.end - row);
        const uint8_t* images[Max(kMaxTileRows, kJoinedRows)];
        for (int i = 0; i < count; ++i) images[i] = image + offsets[row + i];
        tile.rows = images;
        tile.sums = layout.sumsOf(block, n) + row;
        tile.out = to.out + row * to.stride + blocks.first * kGradientBlock;
        if (layout.isJoined()) {
          AddJoinedTile(tile, layout.joinShift, quadsPerSplit, count);
        } else {
          AddTile(tile, count, blocks.size());
        }
      }
    }
  }
}

}  // namespace

void Conv2dFilterGradientDot(const Conv2dFilterGradientDotParams& p, const Conv2dFilterGradientDotBuffers& b, Pool& pool) {
  const GradientLayout layout = MakeGradientLayout(p);
  uint8_t* block = b.scratch.u8();
  uint8_t* lists = block + p.samplesPerBlock * layout.sampleBytes;
  Step* list = reinterpret_cast<Step*>(lists);
  int32_t* offsets = reinterpret_cast<int32_t*>(lists + p.listBytes);
  int32_t* starts = offsets + layout.rows;
  float* padded = reinterpret_cast<float*>(starts + p.kernelWidth + 1);
  ListOffsets(layout, offsets);
  const Steps steps = {starts, list};
  ListSteps(layout, static_cast<int32_t*>(pool.Scratch(0, p.planeBytes * sizeof(int32_t))), steps);
  const bool isWhole = p.outChannels % kGradientBlock == 0;
  Destination to = {b.dFilter.f32(), p.outChannels};
  if (!isWhole) to = {padded, static_cast<ptrdiff_t>(layout.blocks) * kGradientBlock};

  const ptrdiff_t xBytes = static_cast<ptrdiff_t>(p.height) * p.width * p.inChannels;
  const ptrdiff_t dyBytes = static_cast<ptrdiff_t>(layout.pixels) * p.outChannels;
  const int parts = CeilDiv(p.inChannels, kChannelsPerPart);
  const int units = CeilDiv(layout.rows, kRowsPerUnit);
  const int tasks = Min(units, kTasks);
  for (int first = 0; first < p.batch; first += p.samplesPerBlock) {
    const int samples = Min(p.samplesPerBlock, p.batch - first);
    pool.Run(samples * (1 + parts), [&](int task, int thread) {
      const int sample = task / (1 + parts);
      const int part = task % (1 + parts) - 1;
      const ptrdiff_t n = first + sample;
      if (part < 0) return PackGradient(layout, b.dy.u8() + n * dyBytes, layout.gradientOf(block, sample));
      const Range channels = {part * kChannelsPerPart, Min((part + 1) * kChannelsPerPart, p.inChannels)};
      const uint8_t* x = b.x.u8() + n * xBytes;
      const size_t imageBytes = channels.size() * ImageStride(layout);
      const size_t lineBytes = 16 * sizeof(int32_t) * p.height;
      void* scratch = pool.Scratch(thread, imageBytes > lineBytes ? imageBytes : lineBytes);
      if (layout.isJoined()) {
        PackJoined(layout, x, channels, static_cast<uint16_t*>(scratch), layout.imageOf(block, sample));
      } else {
        PackImage(layout, steps, x, channels, static_cast<uint8_t*>(scratch), layout.imageOf(block, sample));
      }
      if (layout.needsSums()) {
        SumRows(layout, x, channels, static_cast<int32_t*>(scratch), layout.sumsOf(block, sample));
      }
    });
    pool.Run(tasks, [&](int task, int) {
      const Range part = PartOf(task, tasks, units);
      const Range rows = {part.first * kRowsPerUnit, Min(part.end * kRowsPerUnit, layout.rows)};
      const ptrdiff_t elements = rows.size() * to.stride;
      float* out = to.out + rows.first * to.stride;
      for (ptrdiff_t i = 0; first == 0 && i < elements; ++i) out[i] = 0;
      AddSamples(layout, offsets, block, samples, b.dyScale.f32() + first, rows, to);
      if (isWhole || first + samples < p.batch) return;
      for (int row = rows.first; row < rows.end; ++row, out += to.stride) {
        float* result = b.dFilter.f32() + static_cast<ptrdiff_t>(row) * p.outChannels;
        for (int k = 0; k < p.outChannels; ++k) result[k] = out[k];
      }
    });
  }
}

}  // namespace subbit::SUBBIT_ISA
