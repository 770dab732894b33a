/**
 * How the memory-bound kernels cut their work: into pieces of fixed size, so that a result never depends on the number of
 * threads, and large enough (tens of kilobytes) that handing out a piece costs nothing beside it.
 */
#pragma once
#include "kernel.h"

namespace subbit::SUBBIT_ISA {

constexpr int kElementsPerTask = 16384;

/**
 * body(first, end) over 0 .. count - 1, in pieces. A body takes what it needs by value ([=]) or copies it to local constants:
 * each task has its own copy of the body, so that the compiler knows that stores (above all those of bytes, which may alias
 * anything) do not change a pointer or a length in it, and vectorises.
 */
template <class Body>
inline void ForElements(Pool& pool, int count, const Body& body) {
  const int tasks = (count + kElementsPerTask - 1) / kElementsPerTask;
  pool.Run(tasks, [&](int task, int) {
    const int first = task * kElementsPerTask;
    const Body own = body;
    own(first, count - first < kElementsPerTask ? count : first + kElementsPerTask);
  });
}

/** body(first, end) over rows of `channels` elements, in pieces of whole rows. */
template <class Body>
inline void ForRows(Pool& pool, int rows, int channels, const Body& body) {
  const int rowsPerTask = channels < kElementsPerTask ? kElementsPerTask / channels : 1;
  pool.Run((rows + rowsPerTask - 1) / rowsPerTask, [&](int task, int) {
    const int first = task * rowsPerTask;
    const Body own = body;
    own(first, rows - first < rowsPerTask ? rows : first + rowsPerTask);
  });
}

/** Reductions over rows keep one partial result per chunk of this many (rowsPerChunk in src/ops/elementwise). */
constexpr int kRowsPerChunk = 1024;

/** Rows whose float sum goes into a double: few enough that the float sum's rounding does not show. */
constexpr int kRowsPerFloatSum = 16;

inline int ChunksOf(int rows) { return (rows + kRowsPerChunk - 1) / kRowsPerChunk; }

}  // namespace subbit::SUBBIT_ISA
