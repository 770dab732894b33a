/**
 * Grouping of filters; see group-filters.ts. Lanes are filters: a filter's elements lie `filters` apart, so neighbours load
 * together, and each codeword is the sum of two table rows that all lanes share.
 */
#include "../conv2d/vector.h"
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {
namespace {

typedef int32_t Positions __attribute__((vector_size(kLanes * sizeof(int32_t))));

/** Filters side by side: enough additions at once to hide their latency. */
constexpr int kGroups = 4;
constexpr int kFilters = kGroups * kLanes;
constexpr int kLargestLength = 9;
constexpr int kFiltersPerTask = 1024;

/** Costs of the patterns of one half of the elements. */
template <int kPatterns>
struct Table {
  Vec costs[kPatterns][kGroups];

  /** Of `count` rows of kFilters elements. Pattern p of t elements becomes 2 p and 2 p + 1 of t + 1. */
  void Fill(const float (*elements)[kFilters], int count) {
    for (int g = 0; g < kGroups; ++g) costs[0][g] = Vec{};
    for (int t = 0; t < count; ++t) {
      Vec plus[kGroups], minus[kGroups];
      for (int g = 0; g < kGroups; ++g) {
        const Vec w = Load(elements[t] + g * kLanes);
        const Vec zero = {};
        const Vec least = zero + 0x1p-149f;
        plus[g] = w < zero ? -w : zero;
        minus[g] = w < zero ? zero : (w > zero ? w : least);
      }
      for (int pattern = (1 << t) - 1; pattern >= 0; --pattern) {
        for (int g = 0; g < kGroups; ++g) {
          const Vec cost = costs[pattern][g];
          costs[2 * pattern][g] = cost + minus[g];
          costs[2 * pattern + 1][g] = cost + plus[g];
        }
      }
    }
  }
};

struct Codebook {
  const int32_t* ids;
  int codewords;
  int length;
};

/** Positions of the codewords that are nearest to kFilters filters. */
void Group(const Codebook& codebook, const float (*elements)[kFilters], int32_t* positions) {
  const int half = (codebook.length + 1) / 2;
  const int rest = codebook.length - half;
  Table<32> first;
  Table<16> second;
  first.Fill(elements, half);
  second.Fill(elements + half, rest);
  Vec least[kGroups];
  Positions nearest[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    least[g] = Vec{} + __builtin_inff();
    nearest[g] = Positions{};
  }
  for (int j = 0; j < codebook.codewords; ++j) {
    const int id = codebook.ids[j] & ((1 << codebook.length) - 1);
    const Vec* high = first.costs[id >> rest];
    const Vec* low = second.costs[id & ((1 << rest) - 1)];
    for (int g = 0; g < kGroups; ++g) {
      const Vec cost = high[g] + low[g];
      const auto better = cost < least[g];
      least[g] = better ? cost : least[g];
      nearest[g] = better ? Positions{} + j : nearest[g];
    }
  }
  for (int g = 0; g < kGroups; ++g) __builtin_memcpy(positions + g * kLanes, &nearest[g], sizeof(Positions));
}

}  // namespace

void GroupFilters(const GroupFiltersParams& p, const GroupFiltersBuffers& b, Pool& pool) {
  const Codebook codebook = {b.ids.i32(), p.codewords, p.length};
  const ptrdiff_t filters = p.filters;
  const int length = p.length;
  const float* filter = b.filter.f32();
  uint8_t* levels = b.levels.u8();
  int16_t* index = b.index.i16();
  pool.Run(CeilDiv(p.filters, kFiltersPerTask), [&](int task, int) {
    const int end = Min((task + 1) * kFiltersPerTask, p.filters);
    for (int f = task * kFiltersPerTask; f < end; f += kFilters) {
      const int count = Min(kFilters, end - f);
      float elements[kLargestLength][kFilters];
      for (int t = 0; t < length; ++t) {
        for (int i = 0; i < count; ++i) elements[t][i] = filter[t * filters + f + i];
        for (int i = count; i < kFilters; ++i) elements[t][i] = 0;
      }
      int32_t positions[kFilters];
      Group(codebook, elements, positions);
      int16_t ids[kFilters];
      for (int i = 0; i < kFilters; ++i) ids[i] = static_cast<int16_t>(codebook.ids[positions[i]]);
      for (int i = 0; i < count; ++i) index[f + i] = static_cast<int16_t>(positions[i]);
      for (int t = 0; t < length; ++t) {
        uint8_t signs[kFilters];
        for (int i = 0; i < kFilters; ++i) signs[i] = ids[i] >> (length - 1 - t) & 1;
        __builtin_memcpy(levels + t * filters + f, signs, count);
      }
    }
  });
}

void GroupFiltersGradient(const GroupFiltersGradientParams& p, const GroupFiltersGradientBuffers& b, Pool& pool) {
  const float* filter = b.filter.f32();
  const float* dLevels = b.dLevels.f32();
  float* __restrict dFilter = b.dFilter.f32();
  ForElements(pool, p.count, [=](int first, int end) {
    for (int i = first; i < end; ++i) {
      const float dy = dLevels[i];
      dFilter[i] = __builtin_fabsf(filter[i]) <= 1 ? dy : 0;
    }
  });
}

}  // namespace subbit::SUBBIT_ISA
