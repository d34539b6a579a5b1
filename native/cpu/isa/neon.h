// Vectors of 64-bit ARM, shared by two translation units. Include it once in each.
#pragma once
#include <arm_neon.h>

#include "cpu/isa/tables.h"
#include "cpu/kernels/make_kernels.h"

namespace qwen3::cpu {
namespace {

struct Neon {
  static constexpr uint32_t kLanes = 4;
  static constexpr int kRows = 12;  // 24 sums, 2 weights and a broadcast in 32 registers
  static constexpr float kMinExponent = -127;
  using Vector = float32x4_t;

  static Vector zero() { return vdupq_n_f32(0); }
  static Vector set1(float x) { return vdupq_n_f32(x); }
  static Vector broadcast(const float* p) { return vld1q_dup_f32(p); }
  static Vector load(const float* p) { return vld1q_f32(p); }
  static Vector load(const float* p, uint32_t n) {
    if (n >= kLanes) return load(p);
    float some[kLanes];
    for (uint32_t i = 0; i < kLanes; ++i) some[i] = i < n ? p[i] : 0;
    return load(some);
  }
  // 32-bit unit i holds column i in its low half, column i + kLanes in its high half.
  static void load_halves(const uint16_t* p, Vector& low, Vector& high) {
    const uint32x4_t both = vreinterpretq_u32_u16(vld1q_u16(p));
    low = vreinterpretq_f32_u32(vshlq_n_u32(both, 16));
    high = vreinterpretq_f32_u32(vandq_u32(both, vdupq_n_u32(0xffff0000)));
  }
  static void store(float* p, Vector v) { vst1q_f32(p, v); }
  static void store(float* p, Vector v, uint32_t n) {
    if (n >= kLanes) return store(p, v);
    float some[kLanes];
    store(some, v);
    for (uint32_t i = 0; i < kLanes && i < n; ++i) p[i] = some[i];
  }

  static Vector add(Vector a, Vector b) { return vaddq_f32(a, b); }
  static Vector sub(Vector a, Vector b) { return vsubq_f32(a, b); }
  static Vector mul(Vector a, Vector b) { return vmulq_f32(a, b); }
  static Vector div(Vector a, Vector b) { return vdivq_f32(a, b); }
  static Vector fma(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
  // If an operand is a NaN, ARM's maximum and minimum return a NaN; these return operand b.
  static Vector max(Vector a, Vector b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
  static Vector min(Vector a, Vector b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
  static Vector round(Vector x) { return vrndnq_f32(x); }
  // x * 2^exponent for integer exponents in [-127, 128]. 2^-127 becomes 0, 2^128 infinity.
  static Vector scale(Vector x, Vector exponent) {
    const int32x4_t biased = vaddq_s32(vcvtq_s32_f32(exponent), vdupq_n_s32(127));
    return mul(x, vreinterpretq_f32_s32(vshlq_n_s32(biased, 23)));
  }

  static Vector keep_first(Vector v, uint32_t n, Vector other) {
    constexpr uint32_t kLane[kLanes] = {0, 1, 2, 3};
    return vbslq_f32(vcltq_u32(vld1q_u32(kLane), vdupq_n_u32(n)), v, other);
  }
  static float first(Vector v) { return vgetq_lane_f32(v, 0); }
  static float reduce_sum(Vector v) { return vaddvq_f32(v); }
  static float reduce_max(Vector v) { return vmaxvq_f32(v); }
};

struct Blocks {
  static constexpr uint32_t kRows = 144, kPanels = 16, kQueryRows = 48;
};

}  // namespace
}  // namespace qwen3::cpu
