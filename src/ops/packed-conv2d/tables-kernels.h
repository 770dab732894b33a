/** The look-up tables that an instruction set is made for. */
#pragma once
#include "tables-plain.h"
#if defined(__AVX512VBMI__)
#include "tables.avx512.h"
#elif defined(__AVX2__) || defined(__wasm_simd128__) || defined(__ARM_NEON)
#include "tables16.h"
#endif

namespace subbit::SUBBIT_ISA {

#if defined(__AVX512VBMI__)
using NativeTables = Tables64;
#elif defined(__AVX2__) || defined(__wasm_simd128__) || defined(__ARM_NEON)
using NativeTables = Tables16;
#else
using NativeTables = PlainTables<4>;
#endif

}  // namespace subbit::SUBBIT_ISA
