// Vectors of AVX-512 (F, BW, DQ, VL), shared by two translation units. Include it once in each.
#pragma once
#include "cpu/isa/intrinsics_x86.h"
#include "cpu/isa/tables.h"
#include "cpu/kernels/make_kernels.h"

namespace qwen3::cpu {
namespace {

struct Avx512 {
  static constexpr uint32_t kLanes = 16;
  static constexpr int kRows = 12;  // 24 sums, 2 weights and a broadcast in 32 registers
  static constexpr float kMinExponent = -151;
  using Vector = __m512;

  static Vector zero() { return _mm512_setzero_ps(); }
  static Vector set1(float x) { return _mm512_set1_ps(x); }
  static Vector broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static Vector load(const float* p) { return _mm512_loadu_ps(p); }
  static Vector load(const float* p, uint32_t n) { return _mm512_maskz_loadu_ps(mask(n), p); }
  // 32-bit unit i holds column i in its low half, column i + kLanes in its high half.
  static void load_halves(const uint16_t* p, Vector& low, Vector& high) {
    const __m512i both = _mm512_loadu_si512(p);
    low = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
    high = _mm512_castsi512_ps(
        _mm512_and_si512(both, _mm512_set1_epi32(static_cast<int>(0xffff0000))));
  }
  static void store(float* p, Vector v) { _mm512_storeu_ps(p, v); }
  static void store(float* p, Vector v, uint32_t n) { _mm512_mask_storeu_ps(p, mask(n), v); }

  static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static Vector sub(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
  static Vector mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static Vector div(Vector a, Vector b) { return _mm512_div_ps(a, b); }
  static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  static Vector max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
  static Vector min(Vector a, Vector b) { return _mm512_min_ps(a, b); }
  static Vector round(Vector x) {
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  // x * 2^exponent
  static Vector scale(Vector x, Vector exponent) { return _mm512_scalef_ps(x, exponent); }

  static Vector keep_first(Vector v, uint32_t n, Vector other) {
    return _mm512_mask_blend_ps(mask(n), other, v);
  }
  static float first(Vector v) { return _mm512_cvtss_f32(v); }
  static float reduce_sum(Vector v) { return _mm512_reduce_add_ps(v); }
  static float reduce_max(Vector v) { return _mm512_reduce_max_ps(v); }

  // n <= kLanes
  static __mmask16 mask(uint32_t n) { return static_cast<__mmask16>((1u << n) - 1); }
};

struct Blocks {
  static constexpr uint32_t kRows = 144, kPanels = 4, kQueryRows = 96;
};

}  // namespace
}  // namespace qwen3::cpu
