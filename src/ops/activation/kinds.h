/** Activation functions h and their slopes, element by element; see activation.ts. */
#pragma once

namespace subbit::SUBBIT_ISA {

/** activationKinds in activation.ts. */
enum ActivationKind { kRelu = 0, kClip = 1, kCabs = 2, kApproxSign = 3 };

inline float Absolute(float v) { return __builtin_fabsf(v); }

/** (F(x) + 1) / 2, with the float after 1/2 for the smallest x above 0. */
inline float ApproximateSign(float x) {
  constexpr float kAboveHalf = 0.5f + 0x1p-24f;
  const float size = Absolute(x);
  const float half = size - size * size * 0.5f;
  const float above = 0.5f + half < kAboveHalf ? kAboveHalf : 0.5f + half;
  const float inside = x > 0 ? above : 0.5f - half;
  const float outside = x > 0 ? 1 : 0;
  return size >= 1 ? outside : inside;
}

template <ActivationKind kKind>
inline float Activated(float x) {
  if (kKind == kCabs) return Absolute(x) >= 1 ? 1 : Absolute(x);
  if (kKind == kApproxSign) return ApproximateSign(x);
  const float positive = x < 0 ? 0 : x;
  return kKind == kRelu ? positive : positive > 1 ? 1 : positive;
}

/** h'(x) dy */
template <ActivationKind kKind>
inline float Slope(float x, float dy) {
  if (kKind == kCabs) {
    const float sign = static_cast<float>((x > 0) - (x < 0));
    return Absolute(x) < 1 ? sign * dy : 0;
  }
  if (kKind == kApproxSign) return Absolute(x) < 1 ? (1 - Absolute(x)) * dy : 0;
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
  } else {
    body(OfKind<kApproxSign>());
  }
}

}  // namespace subbit::SUBBIT_ISA
