/** The factor that gives a channel unit variance, rounded as batch-norm.ts does. */
#pragma once

namespace subbit::SUBBIT_ISA {

inline float InverseDeviation(float variance, float epsilon) { return 1.0f / __builtin_sqrtf(variance + epsilon); }

}  // namespace subbit::SUBBIT_ISA
