/** Learned patterns; see renew-patterns.ts. At most 512 of 9 elements, so one thread does it. */
#include "ops.h"
#include "philox.h"

namespace subbit::SUBBIT_ISA {
namespace {

constexpr int kLargestCodebook = 512;
constexpr float kLargestPattern = 3;
constexpr float kSmallestPattern = 1e-3f;

}  // namespace

void RenewPatterns(const RenewPatternsParams& p, const RenewPatternsBuffers& b, Pool&) {
  const int length = p.length;
  float* patterns = b.patterns.f32();
  int32_t* ids = b.ids.i32();
  bool used[kLargestCodebook] = {};
  bool isRepeated[kLargestCodebook];
  int unused = 1 << length;
  for (int j = 0; j < p.codewords; ++j) {
    int id = 0;
    for (int t = 0; t < length; ++t) {
      float* at = patterns + j * length + t;
      const float x = *at < -kLargestPattern ? -kLargestPattern : *at > kLargestPattern ? kLargestPattern : *at;
      const int before = ids[j] >> (length - 1 - t) & 1;
      id = 2 * id + (__builtin_fabsf(x) >= kSmallestPattern ? x > 0 : before);
      *at = x;
    }
    ids[j] = id;
    isRepeated[j] = used[id];
    if (!used[id]) --unused;
    used[id] = true;
  }
  for (int j = 0; j < p.codewords; ++j) {
    if (!isRepeated[j]) continue;
    float uniform;
    ForUniform(p.seed, p.stream, static_cast<uint32_t>(b.step.i32()[0]), j, j + 1,
               [&](int, int, const float* numbers) { uniform = numbers[0]; });
    int left = static_cast<int>(static_cast<double>(uniform) * unused);
    int id = 0;
    while (used[id] || left-- > 0) ++id;
    used[id] = true;
    --unused;
    ids[j] = id;
    for (int t = 0; t < length; ++t) patterns[j * length + t] = id >> (length - 1 - t) & 1 ? 1 : -1;
  }
}

}  // namespace subbit::SUBBIT_ISA
