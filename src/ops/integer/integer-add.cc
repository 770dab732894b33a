/** The sum of two i32 tensors; see integer-add.ts. */
#include "ops.h"
#include "rows.h"

namespace subbit::SUBBIT_ISA {

void IntegerAdd(const IntegerAddParams& p, const IntegerAddBuffers& b, Pool& pool) {
  const int32_t* left = b.a.i32();
  const int32_t* right = b.b.i32();
  int32_t* y = b.y.i32();
  ForElements(pool, p.count, [=](int first, int end) {
    for (int i = first; i < end; ++i) y[i] = left[i] + right[i];
  });
}

}  // namespace subbit::SUBBIT_ISA
