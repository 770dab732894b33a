// build: fp-contract=fast
/**
 * The ceilings of one core; see measure-ceiling.ts. A product is a struct that says how the instruction set multiplies and
 * accumulates one register, and Count runs it on a tile of kRows x kColumns registers: a step loads kRows + kColumns operands,
 * and there are enough independent sums to hide the instructions' latency. kParts is how many registers the elements of
 * kBytes bytes fill.
 */
#include "ops.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace subbit::SUBBIT_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif

/** As many sums as hide the latency of the instructions and leave room for operands: of 32 registers, or of 16. */
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kRows = 4;
constexpr int kColumns = 4;
#elif defined(__AVX2__)
constexpr int kRows = 2;
constexpr int kColumns = 6;
#else
// Six columns halve the rate in V8, which runs out of registers.
constexpr int kRows = 2;
constexpr int kColumns = 4;
#endif

/** An iteration is 48 operations on 64 bytes. */
constexpr int kStepsPerIteration = 48 * 64 / (kBytes * kRows * kColumns);

typedef float Floats __attribute__((vector_size(kBytes)));
typedef int32_t Words __attribute__((vector_size(kBytes)));
typedef uint8_t Bytes __attribute__((vector_size(kBytes)));

/** Sums of bytes grow by at most 8 per step: after so many steps they go into wider lanes. */
constexpr int kByteSteps = 16;
/** For sums that no number of iterations lets overflow. */
constexpr int kAllSteps = 1 << 30;

struct FloatProduct {
  using Operand = Floats;
  using Sum = Floats;
  using Wide = Floats;
  static constexpr int32_t kRow = 0x3f800000;
  static constexpr int32_t kColumn = 0x3f800000;
  static constexpr int kParts = 1;
  static constexpr int kSteps = kAllSteps;
  static Operand Splat(Words words) { return reinterpret_cast<Operand>(words); }
  static Sum Add(Sum sum, Operand x, Operand y) {
#if defined(__wasm_relaxed_simd__)
    return reinterpret_cast<Sum>(wasm_f32x4_relaxed_madd(reinterpret_cast<v128_t>(x), reinterpret_cast<v128_t>(y),
                                                         reinterpret_cast<v128_t>(sum)));
#else
    return sum + x * y;
#endif
  }
  static Wide Widen(Wide wide, Sum sum) { return wide + sum; }
};

struct Int8Product {
  using Operand = Words;
  using Sum = Words;
  using Wide = Words;
  static constexpr int kSteps = kAllSteps;
  static Operand Splat(Words words) { return words; }

#if defined(__AVX2__) || defined(__ARM_NEON)
  static constexpr int kParts = 1;
  static constexpr int32_t kRow = 0x01010101;
  static constexpr int32_t kColumn = 0x01010101;
  static Sum Add(Sum sum, Operand x, Operand y) {
#if defined(__AVX512VNNI__)
    return reinterpret_cast<Sum>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(x),
                                                     reinterpret_cast<__m512i>(y)));
#elif defined(__AVX2__)
    const __m256i pairs = _mm256_maddubs_epi16(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(y));
    return sum + reinterpret_cast<Sum>(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#elif defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sum, reinterpret_cast<int8x16_t>(x), reinterpret_cast<int8x16_t>(y));
#else
    const int8x16_t a = reinterpret_cast<int8x16_t>(x);
    const int8x16_t b = reinterpret_cast<int8x16_t>(y);
    return vpadalq_s16(sum, vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), a, b));
#endif
  }
#else
  // No exact products of bytes (those of relaxed SIMD are exact for 7 bits only, and on x86-64 with V8 12.4 they are slower,
  // 44 GMAC/s against 60): kernels widen them to 16 bits, half as many per register.
  static constexpr int kParts = 2;
  static constexpr int32_t kRow = 0x00010001;
  static constexpr int32_t kColumn = 0x00010001;
  static Sum Add(Sum sum, Operand x, Operand y) {
#if defined(__wasm_simd128__)
    return sum + reinterpret_cast<Sum>(wasm_i32x4_dot_i16x8(reinterpret_cast<v128_t>(x), reinterpret_cast<v128_t>(y)));
#elif defined(__SSE2__)
    return sum + reinterpret_cast<Sum>(_mm_madd_epi16(reinterpret_cast<__m128i>(x), reinterpret_cast<__m128i>(y)));
#else
    return sum + ((x << 16) >> 16) * ((y << 16) >> 16) + (x >> 16) * (y >> 16);
#endif
  }
#endif

  static Wide Widen(Wide wide, Sum sum) { return wide + sum; }
};

/** Counts of bits, bytewise where the instruction set counts in bytes. */
struct BitProduct {
  using Operand = Bytes;
#if defined(__AVX512VPOPCNTDQ__)
  typedef int64_t Sum __attribute__((vector_size(kBytes)));
  static constexpr int kSteps = kAllSteps;
#else
  using Sum = Bytes;
  static constexpr int kSteps = kByteSteps;
#endif
  typedef int64_t Wide __attribute__((vector_size(kBytes)));
  static constexpr int kParts = 1;
  static constexpr int32_t kRow = -1;
  static constexpr int32_t kColumn = 0;
  static Operand Splat(Words words) { return reinterpret_cast<Operand>(words); }

  static Sum Add(Sum sum, Operand x, Operand y) {
    const Bytes bits = x ^ y;
#if defined(__AVX512VPOPCNTDQ__)
    return sum + reinterpret_cast<Sum>(_mm512_popcnt_epi64(reinterpret_cast<__m512i>(bits)));
#elif defined(__AVX2__)
    // Look-up of both halves of every byte (Mula, Kurz, Lemire 2018).
    const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                            0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i mask = _mm256_set1_epi8(15);
    const __m256i low = _mm256_and_si256(reinterpret_cast<__m256i>(bits), mask);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(reinterpret_cast<__m256i>(bits), 4), mask);
    return sum + reinterpret_cast<Sum>(_mm256_shuffle_epi8(counts, low)) +
           reinterpret_cast<Sum>(_mm256_shuffle_epi8(counts, high));
#elif defined(__ARM_NEON)
    return sum + reinterpret_cast<Sum>(vcntq_u8(reinterpret_cast<uint8x16_t>(bits)));
#elif defined(__wasm_simd128__)
    return sum + reinterpret_cast<Sum>(wasm_i8x16_popcnt(reinterpret_cast<v128_t>(bits)));
#else
    // Pairs, then groups of four, then bytes.
    const Bytes pairs = bits - ((bits >> 1) & 0x55);
    const Bytes fours = (pairs & 0x33) + ((pairs >> 2) & 0x33);
    return sum + ((fours + (fours >> 4)) & 0x0f);
#endif
  }

  static Wide Widen(Wide wide, Sum sum) {
#if defined(__AVX512VPOPCNTDQ__)
    return wide + sum;
#else
    // Neighbours are added up: 8 to 16 bits, 16 to 32, 32 to 64.
    typedef uint64_t Quads __attribute__((vector_size(kBytes)));
    const Quads bytes = reinterpret_cast<Quads>(sum);
    const Quads pairs = (bytes & 0x00ff00ff00ff00ff) + ((bytes >> 8) & 0x00ff00ff00ff00ff);
    const Quads fours = pairs + (pairs >> 16);
    return wide + reinterpret_cast<Wide>((fours + (fours >> 32)) & 0xffff);
#endif
  }
};

/** Operands of eight steps, over and over. */
constexpr int kRing = 8;

template <class Product>
float Count(int iterations) {
  using Operand = typename Product::Operand;
  Operand operands[kRing][kRows + kColumns];
  // The compiler must not know what the operands are, or it would count by itself.
  const volatile int32_t row = Product::kRow;
  const volatile int32_t column = Product::kColumn;
  for (auto& step : operands)
    for (int i = 0; i < kRows + kColumns; ++i) step[i] = Product::Splat(Words{} + (i < kRows ? row : column));

  const int steps = iterations * kStepsPerIteration * Product::kParts;
  typename Product::Wide wide[kRows][kColumns] = {};
  for (int first = 0; first < steps;) {
    const int end = steps - first < Product::kSteps ? steps : first + Product::kSteps;
    typename Product::Sum sums[kRows][kColumns] = {};
    for (; first < end; ++first) {
      const auto& step = operands[first % kRing];
      for (int c = 0; c < kColumns; ++c)
        for (int r = 0; r < kRows; ++r) sums[r][c] = Product::Add(sums[r][c], step[r], step[kRows + c]);
    }
    for (int r = 0; r < kRows; ++r)
      for (int c = 0; c < kColumns; ++c) wide[r][c] = Product::Widen(wide[r][c], sums[r][c]);
  }
  double total = 0;
  for (const auto& sums : wide)
    for (const auto& sum : sums)
      for (size_t lane = 0; lane < sizeof(sum) / sizeof(sum[0]); ++lane) total += static_cast<double>(sum[lane]);
  return static_cast<float>(total);
}

}  // namespace

void MeasureCeiling(const MeasureCeilingParams& p, const MeasureCeilingBuffers& b, Pool&) {
  *b.macs.f32() = p.kind == 0   ? Count<FloatProduct>(p.iterations)
                  : p.kind == 1 ? Count<Int8Product>(p.iterations)
                                : Count<BitProduct>(p.iterations);
}

}  // namespace subbit::SUBBIT_ISA
