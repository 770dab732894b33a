/** The codebook kernels that an instruction set is made for. */
#pragma once
#include "codebook-plain.h"
#if defined(__AVX512VBMI__)
#include "codebook.avx512.h"
#elif defined(__AVX2__) || defined(__wasm_simd128__) || defined(__ARM_NEON)
#include "codebook16.h"
#endif

namespace subbit::SUBBIT_ISA {

template <int kInputs>
inline CodebookKernels PlainKernels(int planes) {
  return planes == 1 ? KernelsOf<PlainCodebook<1, kInputs>>() : KernelsOf<PlainCodebook<2, kInputs>>();
}

/** `inputs`: input channels per index. */
inline CodebookKernels CodebookKernelsFor(int codewords, int planes, int inputs) {
#if defined(__AVX512VBMI__)
  (void)codewords;
  if (inputs == 2) return planes == 1 ? KernelsOf<Codebook64<PairResponses<1>>>() : KernelsOf<Codebook64<PairResponses<2>>>();
  return planes == 1 ? KernelsOf<Codebook64<ChannelResponses<1>>>() : KernelsOf<Codebook64<ChannelResponses<2>>>();
#elif defined(__AVX2__) || defined(__wasm_simd128__) || defined(__ARM_NEON)
  if (inputs == 2) return PlainKernels<2>(planes);
  return planes == 1 ? Codebook16Kernels<1>(codewords) : Codebook16Kernels<2>(codewords);
#else
  (void)codewords;
  return inputs == 2 ? PlainKernels<2>(planes) : PlainKernels<1>(planes);
#endif
}

}  // namespace subbit::SUBBIT_ISA
