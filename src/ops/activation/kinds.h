/** Activation functions h and their slopes, element by element; see activation.ts. */
#pragma once
#include "math.h"

namespace subbit::SUBBIT_ISA {

/** activationKinds in activation.ts. */
enum ActivationKind { kRelu = 0, kClip = 1, kCabs = 2, kApproxSign = 3, kClipSign = 4, kSwishSign = 5 };

inline float Absolute(float v) { return __builtin_fabsf(v); }

/** (F(x) + 1) / 2 from half of F(|x|), with the float after 1/2 for the smallest x above 0. */
inline float BeyondHalf(float x, float half) {
  constexpr float kAboveHalf = 0.5f + 0x1p-24f;
  const float above = 0.5f + half < kAboveHalf ? kAboveHalf : 0.5f + half;
  return x > 0 ? above : 0.5f - half;
}

inline float ApproximateSign(float x) {
  const float size = Absolute(x);
  const float outside = x > 0 ? 1 : 0;
  return size >= 1 ? outside : BeyondHalf(x, size - size * size * 0.5f);
}

inline float ClipSign(float x) { return BeyondHalf(x, (Absolute(x) > 1 ? 1 : Absolute(x)) * 0.5f); }

constexpr double kSwishFactor = 5;

/** z and t of the size of x. */
struct Swish {
  double z;
  double t;
};

inline Swish SwishOf(float x) {
  const double z = kSwishFactor * static_cast<double>(Absolute(x));
  const double near = z > 40 ? 40 : z;
  return {near, Tanh(near / 2)};
}

inline float SwishSign(float x) {
  const Swish s = SwishOf(x);
  const double half = (s.t + s.z * (1 - s.t * s.t) / 2) / 2;
  return BeyondHalf(x, static_cast<float>(half > 0.5 ? 0.5 : half));
}

template <ActivationKind kKind>
inline float Activated(float x) {
  if (kKind == kCabs) return Absolute(x) >= 1 ? 1 : Absolute(x);
  if (kKind == kApproxSign) return ApproximateSign(x);
  if (kKind == kClipSign) return ClipSign(x);
  if (kKind == kSwishSign) return SwishSign(x);
  const float positive = x < 0 ? 0 : x;
  return kKind == kRelu ? positive : positive > 1 ? 1 : positive;
}

/** h'(x) dy */
template <ActivationKind kKind>
inline float Slope(float x, float dy) {
  if (kKind == kCabs) {
    const float sign = static_cast<float>((x > 0) - (x < 0));
    return Absolute(x) < 1 && x != 0 ? sign * dy : 0;
  }
  if (kKind == kApproxSign) return Absolute(x) < 1 ? (1 - Absolute(x)) * dy : 0;
  if (kKind == kClipSign) return Absolute(x) <= 1 ? 0.5f * dy : 0;
  if (kKind == kSwishSign) {
    const Swish s = SwishOf(x);
    const float slope = static_cast<float>(kSwishFactor / 4 * (2 - s.z * s.t) * (1 - s.t * s.t));
    return slope == 0 ? 0 : slope * dy;
  }
  const float below = kKind == kRelu || x < 1 ? dy : 0;
  return x > 0 ? below : 0;
}

/** A kind as a type. */
template <ActivationKind kKind>
struct OfKind {
  static constexpr ActivationKind value = kKind;
};

/** body(OfKind<kind>) */
template <class Body>
inline void WithActivation(int kind, const Body& body) {
  if (kind == kRelu) {
    body(OfKind<kRelu>());
  } else if (kind == kClip) {
    body(OfKind<kClip>());
  } else if (kind == kCabs) {
    body(OfKind<kCabs>());
  } else if (kind == kApproxSign) {
    body(OfKind<kApproxSign>());
  } else if (kind == kClipSign) {
    body(OfKind<kClipSign>());
  } else {
    body(OfKind<kSwishSign>());
  }
}

}  // namespace subbit::SUBBIT_ISA
