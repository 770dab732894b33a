/** The codebook kernels that an instruction set is made for. */
#pragma once
#include "codebook-plain.h"
#if defined(__AVX512VBMI__)
#include "codebook.avx512.h"
#endif

namespace subbit::SUBBIT_ISA {

#if !defined(__AVX512VBMI__)
inline CodebookKernels NativeCodebook(int planes, int inputs) {
  if (inputs == 1) return planes == 1 ? KernelsOf<PlainCodebook<1, 1>>() : KernelsOf<PlainCodebook<2, 1>>();
  return planes == 1 ? KernelsOf<PlainCodebook<1, 2>>() : KernelsOf<PlainCodebook<2, 2>>();
}
#endif

}  // namespace subbit::SUBBIT_ISA
