/** Real numbers as floats or as integers with a scale; see scaled.ts. */
#pragma once
#include "kernel.h"

namespace subbit::SUBBIT_ISA {

/** elementKinds in scaled.ts */
enum ElementKind { kFloats = 0, kShorts = 1, kInts = 2 };

/** The real number of an element. Floats are real as they are. */
inline float RealOf(float element, float) { return element; }
inline float RealOf(int16_t element, float factor) { return static_cast<float>(element) * factor; }
inline float RealOf(int32_t element, float factor) { return static_cast<float>(element) * factor; }

struct Scaled {
  const void* data;
  int kind;
  float step;
  /** None, one for all, or one per sample. */
  int scaleCount;
  const float* scale;

  float FactorOf(int sample) const { return scaleCount == 0 ? step : scale[scaleCount == 1 ? 0 : sample] * step; }

  /** body(elements) with a pointer to elements of this kind. */
  template <class Body>
  inline void With(const Body& body) const {
    if (kind == kFloats) {
      body(static_cast<const float*>(data));
    } else if (kind == kShorts) {
      body(static_cast<const int16_t*>(data));
    } else {
      body(static_cast<const int32_t*>(data));
    }
  }
};

}  // namespace subbit::SUBBIT_ISA
