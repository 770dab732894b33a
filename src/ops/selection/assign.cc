/**
 * The assignment problem; see assign.ts, whose steps these are, one by one: whole numbers in doubles, so the order of a sum does not
 * matter, and the first of the smallest is the same however many are compared at once. One thread: a step is a few hundred numbers.
 */
#include "../packed-conv2d/simd.h"
#include "ops.h"

namespace subbit::SUBBIT_ISA {
namespace {

constexpr int kLargestSize = 512;
constexpr double kInfinity = __builtin_inf();
/** bidsPerRow in assign.ts */
constexpr int kBidsPerRow = 4;

/** The power of two that takes the largest score to at most 2^40. What is not finite counts as zero. */
double ScaleOf(const float* scores, ptrdiff_t count) {
  int32_t largest = 0;
  for (ptrdiff_t i = 0; i < count; ++i) {
    const int32_t bits = __builtin_bit_cast(int32_t, scores[i]) & 0x7fffffff;
    const int32_t finite = bits < 0x7f800000 ? bits : 0;
    largest = finite > largest ? finite : largest;
  }
  const int exponent = Max(largest >> 23, 1);
  return __builtin_bit_cast(double, static_cast<uint64_t>(1023 + 40 - (exponent - 126)) << 52);
}

/** Half to even. */
inline double ToInteger(double x) {
  constexpr double kLimit = 0x1p50;
  constexpr double kRounding = 0x1.8p52;
  const double finite = x - x == 0 ? x : 0;
  const double bounded = finite < -kLimit ? -kLimit : finite > kLimit ? kLimit : finite;
  return bounded + kRounding - kRounding;
}

/** x, which is a multiple of 1/2, rounded up. */
inline double RoundUp(double x) {
  const double rounded = x + 0x1.8p52 - 0x1.8p52;
  return rounded < x ? rounded + 1 : rounded;
}

typedef double Doubles __attribute__((vector_size(kLanes * 4)));
typedef int64_t Longs __attribute__((vector_size(kLanes * 4)));
typedef float Floats __attribute__((vector_size(kLanes * 2)));
/** Numbers of a register, and registers that are compared side by side: a minimum waits for the one before. */
constexpr int kWide = kLanes / 2;
constexpr int kParts = kRegisters / 8;
/** Rows of padded vectors: whole steps of every instruction set. */
constexpr int kPitch = 32;
static_assert(kPitch % (kParts * kWide) == 0);

struct Least {
  /** The first of the smallest. */
  int row;
  double cost;
  /** The smallest of the others. */
  double second;
};

/** The least of cost(i), registers of numbers i .. i + kWide - 1, each asked for once; the second only where it is wanted. */
template <bool kWantsSecond, class Cost>
inline Least LeastOf(int pitch, const Cost& cost) {
  Doubles least[kParts], second[kParts];
  Longs at[kParts];
  for (int part = 0; part < kParts; ++part) {
    least[part] = second[part] = Doubles{} + kInfinity;
    at[part] = Longs{};
  }
  for (int i = 0; i < pitch; i += kParts * kWide) {
    for (int part = 0; part < kParts; ++part) {
      const int here = i + part * kWide;
      const Doubles x = cost(here);
      const Longs better = x < least[part];
      if (kWantsSecond) second[part] = better ? least[part] : (x < second[part] ? x : second[part]);
      least[part] = better ? x : least[part];
      at[part] = better ? Longs{} + here : at[part];
    }
  }
  for (int part = 1; part < kParts; ++part) {
    const Longs better = (least[part] < least[0]) | ((least[part] == least[0]) & (at[part] < at[0]));
    if (kWantsSecond) {
      const Doubles other = better ? least[0] : least[part];
      const Doubles both = second[part] < second[0] ? second[part] : second[0];
      second[0] = other < both ? other : both;
    }
    least[0] = better ? least[part] : least[0];
    at[0] = better ? at[part] : at[0];
  }
  Least result = {static_cast<int>(at[0][0]), least[0][0], second[0][0]};
  for (int lane = 1; lane < kWide; ++lane) {
    const int row = static_cast<int>(at[0][lane]) + lane;
    const double x = least[0][lane];
    const bool better = x < result.cost || (x == result.cost && row < result.row);
    if (kWantsSecond) {
      const double other = better ? result.cost : x;
      const double both = second[0][lane] < result.second ? second[0][lane] : result.second;
      result.second = other < both ? other : both;
    }
    result.row = better ? row : result.row;
    result.cost = better ? x : result.cost;
  }
  return result;
}

/** Columns 0 .. columns - 1 to rows 0 .. size - 1. */
struct Assignment {
  int size;
  int columns;
  /** The size, padded with rows of infinite cost. */
  int pitch;
  /** By column, whole numbers of at most 24 significant bits. */
  const float* scores;
  alignas(64) double duals[kLargestSize];
  /** The same and 1/2 where the row is free, so that it is preferred; minus infinity where a search has been, and behind the last. */
  alignas(64) double open[kLargestSize];
  /** By column; -1 without one. */
  int rows[kLargestSize];
  /** By row; -1 when it is free. */
  int owners[kLargestSize];

  const float* ScoresOf(int column) const { return scores + static_cast<ptrdiff_t>(column) * pitch; }

  /** Costs of a column in rows i .. i + kWide - 1, half a unit less where the row is free. */
  Doubles Costs(const float* of, int i) const {
    return -__builtin_convertvector(LoadAs<Floats>(of + i), Doubles) - LoadAs<Doubles>(open + i);
  }

  void Take(int column, int row) {
    owners[row] = column;
    rows[column] = row;
    open[row] = duals[row];
  }

  /** Gives every column a row that is free and best, if there is one; `waiting` are the others, whose number is returned. */
  int TakeFree(int* waiting) {
    for (int i = 0; i < kLargestSize; ++i) open[i] = i < size ? duals[i] + 0.5 : -kInfinity;
    for (int i = 0; i < size; ++i) owners[i] = -1;
    int left = 0;
    for (int column = 0; column < columns; ++column) {
      rows[column] = -1;
      const float* of = ScoresOf(column);
      const int row = LeastOf<false>(pitch, [&](int i) { return Costs(of, i); }).row;
      if (owners[row] < 0) {
        Take(column, row);
      } else {
        waiting[left++] = column;
      }
    }
    return left;
  }

  /** `waiting` columns have no row, in order; in their place those that still have none, whose number is returned. */
  int Bid(int* waiting, int count, int* bids) {
    int left = 0;
    for (int at = 0; at < count; ++at) {
      int column = waiting[at];
      while (column >= 0) {
        if ((*bids)-- <= 0) {
          waiting[left++] = column;
          break;
        }
        const float* of = ScoresOf(column);
        const Least best = LeastOf<true>(pitch, [&](int i) { return Costs(of, i); });
        const int before = owners[best.row];
        if (before >= 0) {
          const double gain = RoundUp(best.second) - best.cost;
          if (gain == 0) {
            waiting[left++] = column;
            break;
          }
          duals[best.row] -= gain;
          rows[before] = -1;
        }
        Take(column, best.row);
        column = before;
      }
    }
    return left;
  }

  /** Dijkstra from a column to the nearest free row. */
  void Augment(int column) {
    alignas(64) double distances[kLargestSize];
    alignas(64) int64_t from[kLargestSize];
    int reached[kLargestSize];
    double reachedAt[kLargestSize];
    int count = 0;
    const float* of = ScoresOf(column);
    Least next = LeastOf<false>(pitch, [&](int i) {
      const Doubles costs = Costs(of, i);
      StoreAs(distances + i, costs);
      StoreAs(from + i, Longs{} + column);
      return costs;
    });
    while (owners[next.row] >= 0) {
      const int row = next.row;
      const int owner = owners[row];
      of = ScoresOf(owner);
      const double offset = next.cost - (-static_cast<double>(of[row]) - duals[row]);
      reached[count] = row;
      reachedAt[count++] = next.cost;
      distances[row] = kInfinity;
      // No way leads there again.
      open[row] = -kInfinity;
      next = LeastOf<false>(pitch, [&](int i) {
        const Doubles before = LoadAs<Doubles>(distances + i);
        const Doubles through = Costs(of, i) + offset;
        const Longs nearer = through < before;
        const Doubles nearest = nearer ? through : before;
        StoreAs(distances + i, nearest);
        StoreAs(from + i, nearer ? Longs{} + owner : LoadAs<Longs>(from + i));
        return nearest;
      });
    }
    const double end = RoundUp(next.cost);
    for (int k = 0; k < count; ++k) {
      duals[reached[k]] += reachedAt[k] - end;
      open[reached[k]] = duals[reached[k]];
    }
    for (int row = next.row; row >= 0;) {
      const int owner = static_cast<int>(from[row]);
      const int before = rows[owner];
      Take(owner, row);
      row = before;
    }
  }

  void SetDuals(const double* values) {
    for (int i = 0; i < size; ++i) duals[i] = values[i];
  }

  /** Begins with zeros, or with the duals `last` where those leave less than half as many columns without a row. */
  void Solve(const double* last) {
    int waiting[kLargestSize];
    const double zeros[kLargestSize] = {};
    SetDuals(last);
    const int leftOfLast = TakeFree(waiting);
    SetDuals(zeros);
    int left = TakeFree(waiting);
    if (2 * leftOfLast < left) {
      SetDuals(last);
      left = TakeFree(waiting);
    }
    int bids = kBidsPerRow * size;
    for (int round = 0; round < 2; ++round) left = Bid(waiting, left, &bids);
    for (int k = 0; k < left; ++k) Augment(waiting[k]);
  }
};

/** The scores as whole numbers, by column. */
void Transpose(const float* scores, double scale, const Assignment& problem, float* transposed, Pool& pool) {
  constexpr int kBlock = 16;
  const int size = problem.size;
  const int columns = problem.columns;
  const int pitch = problem.pitch;
  pool.Run(CeilDiv(columns, kBlock), [=](int task, int) {
    const int first = task * kBlock;
    const int count = Min(kBlock, columns - first);
    for (int start = 0; start < pitch; start += kBlock) {
      float block[kBlock][kBlock] = {};
      for (int i = 0; i < Min(kBlock, size - start); ++i) {
        const float* row = scores + static_cast<ptrdiff_t>(start + i) * size + first;
        for (int k = 0; k < count; ++k) block[i][k] = static_cast<float>(ToInteger(row[k] * scale));
      }
      for (int k = 0; k < count; ++k) {
        float* column = transposed + static_cast<ptrdiff_t>(first + k) * pitch + start;
        for (int i = 0; i < kBlock; ++i) column[i] = block[i][k];
      }
    }
  });
}

}  // namespace

void Assign(const AssignParams& p, const AssignBuffers& b, Pool& pool) {
  const int size = p.size;
  Assignment problem;
  problem.size = size;
  problem.columns = p.columns;
  problem.pitch = CeilDiv(size, kPitch) * kPitch;
  const double scale = ScaleOf(b.scores.f32(), static_cast<ptrdiff_t>(size) * size);
  float* scores = static_cast<float*>(pool.Scratch(0, static_cast<size_t>(p.columns) * problem.pitch * sizeof(float)));
  Transpose(b.scores.f32(), scale, problem, scores, pool);
  problem.scores = scores;
  double last[kLargestSize];
  for (int i = 0; i < size; ++i) {
    const double dual = ToInteger(b.duals.f32()[i] * scale);
    const double above = dual < -0x1p41 ? -0x1p41 : dual;
    last[i] = p.columns < size || above > 0 ? 0 : above;
  }
  problem.Solve(last);
  const double* duals = problem.duals;

  int32_t* permutation = b.permutation.i32();
  for (int column = 0; column < p.columns; ++column) permutation[column] = problem.rows[column];
  int next = p.columns;
  double top = -kInfinity;
  for (int i = 0; i < size; ++i) {
    if (problem.owners[i] < 0) permutation[next++] = i;
    top = duals[i] > top ? duals[i] : top;
  }
  for (int i = 0; i < size; ++i) b.duals.f32()[i] = static_cast<float>((duals[i] - top) / scale);
  for (int column = 0; column < p.codewords; ++column) b.ids.i32()[column] = permutation[column];
}

}  // namespace subbit::SUBBIT_ISA
