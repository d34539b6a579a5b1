// Replaces native/cpu/isa/intrinsics_x86.h, so that the AVX-512 kernels run on machines without
// AVX-512. Implements the intrinsics that the kernels use as loops over the compiler's vector
// types, following the pseudocode of Intel's intrinsics guide. Using one that is missing here is a
// compile error. All names have internal linkage, as the kernels do.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

namespace {

using __m512 = float __attribute__((vector_size(64)));
using __m512i = int32_t __attribute__((vector_size(64)));
using __m512bh = uint16_t __attribute__((vector_size(64)));
using __m256i = uint16_t __attribute__((vector_size(32)));
using __m256bh = uint16_t __attribute__((vector_size(32)));
using __mmask16 = uint16_t;
using Unsigned = uint32_t __attribute__((vector_size(64)));

constexpr int _MM_FROUND_TO_NEAREST_INT = 0, _MM_FROUND_NO_EXC = 8;

// Lane i of the result is function(i).
template <class Function>
inline __m512 lanes(const Function& function) {
  __m512 result;
  for (int i = 0; i < 16; ++i) result[i] = function(i);
  return result;
}

inline bool has(__mmask16 mask, int lane) { return mask >> lane & 1; }

inline __m512 _mm512_set1_ps(float x) {
  return lanes([&](int) { return x; });
}
inline __m512 _mm512_setzero_ps() { return _mm512_set1_ps(0); }
inline __m512i _mm512_set1_epi32(int x) {
  __m512i result;
  for (int i = 0; i < 16; ++i) result[i] = x;
  return result;
}

inline __m512 _mm512_loadu_ps(const void* p) {
  __m512 result;
  memcpy(&result, p, sizeof result);
  return result;
}
inline __m512 _mm512_maskz_loadu_ps(__mmask16 mask, const void* p) {
  return lanes([&](int i) { return has(mask, i) ? static_cast<const float*>(p)[i] : 0; });
}
inline __m512i _mm512_loadu_si512(const void* p) {
  __m512i result;
  memcpy(&result, p, sizeof result);
  return result;
}
inline void _mm512_storeu_ps(void* p, __m512 a) { memcpy(p, &a, sizeof a); }
inline void _mm512_mask_storeu_ps(void* p, __mmask16 mask, __m512 a) {
  for (int i = 0; i < 16; ++i) {
    if (has(mask, i)) static_cast<float*>(p)[i] = a[i];
  }
}
inline void _mm256_storeu_si256(__m256i* p, __m256i a) { memcpy(p, &a, sizeof a); }
inline void _mm256_mask_storeu_epi16(void* p, __mmask16 mask, __m256i a) {
  for (int i = 0; i < 16; ++i) {
    if (has(mask, i)) static_cast<uint16_t*>(p)[i] = a[i];
  }
}

inline __m512 _mm512_add_ps(__m512 a, __m512 b) { return a + b; }
inline __m512 _mm512_sub_ps(__m512 a, __m512 b) { return a - b; }
inline __m512 _mm512_mul_ps(__m512 a, __m512 b) { return a * b; }
inline __m512 _mm512_div_ps(__m512 a, __m512 b) { return a / b; }
inline __m512 _mm512_fmadd_ps(__m512 a, __m512 b, __m512 c) {
  return lanes([&](int i) { return __builtin_fmaf(a[i], b[i], c[i]); });
}
// Returns the second operand if either is a NaN.
inline __m512 _mm512_max_ps(__m512 a, __m512 b) {
  return lanes([&](int i) { return a[i] > b[i] ? a[i] : b[i]; });
}
inline __m512 _mm512_min_ps(__m512 a, __m512 b) {
  return lanes([&](int i) { return a[i] < b[i] ? a[i] : b[i]; });
}
// Rounds to integers, ties to even, the only rounding mode that the kernels use.
inline __m512 _mm512_roundscale_ps(__m512 a, int) {
  return lanes([&](int i) { return __builtin_nearbyintf(a[i]); });
}
// a * 2^floor(b), rounded once.
inline __m512 _mm512_scalef_ps(__m512 a, __m512 b) {
  return lanes([&](int i) {
    if (!(b[i] > -1000)) return b[i] != b[i] ? b[i] : a[i] * 0;
    return static_cast<float>(a[i] * __builtin_exp2(__builtin_floor(b[i] < 1000 ? b[i] : 1000)));
  });
}

inline __m512 _mm512_mask_blend_ps(__mmask16 mask, __m512 a, __m512 b) {
  return lanes([&](int i) { return has(mask, i) ? b[i] : a[i]; });
}
inline float _mm512_cvtss_f32(__m512 a) { return a[0]; }
// Combines the halves of the vector repeatedly, as compilers implement the intrinsic.
template <class Combine>
inline float reduce(__m512 a, const Combine& combine) {
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) a[i] = combine(a[i], a[i + width]);
  }
  return a[0];
}
inline float _mm512_reduce_add_ps(__m512 a) {
  return reduce(a, [](float x, float y) { return x + y; });
}
inline float _mm512_reduce_max_ps(__m512 a) {
  return reduce(a, [](float x, float y) { return x > y ? x : y; });
}

inline __m512 _mm512_castsi512_ps(__m512i a) { return reinterpret_cast<__m512>(a); }
inline __m512i _mm512_and_si512(__m512i a, __m512i b) { return a & b; }
inline __m512i _mm512_slli_epi32(__m512i a, unsigned count) {
  return reinterpret_cast<__m512i>(reinterpret_cast<Unsigned>(a) << count);
}

inline Unsigned bits_of(__m512 a) { return reinterpret_cast<Unsigned>(a); }

// Rounds to nearest, ties to even. Numbers below 2^-126 become zeros. A NaN keeps its upper bits
// and becomes quiet.
inline __m256bh _mm512_cvtneps_pbh(__m512 a) {
  const Unsigned bits = bits_of(a), magnitude = bits & 0x7fffffff;
  const Unsigned rounded = bits + 0x7fff + (bits >> 16 & 1);
  const Unsigned number = magnitude < 0x00800000 ? bits & 0x80000000 : rounded;
  const Unsigned upper = (magnitude > 0x7f800000 ? bits | 0x400000 : number) >> 16;
  return __builtin_convertvector(upper, __m256bh);
}

// Flushes numbers below 2^-126 to zero.
inline __m512 flush(Unsigned bits) {
  const Unsigned magnitude = bits & 0x7fffffff;
  return reinterpret_cast<__m512>(magnitude < 0x00800000 ? bits & 0x80000000 : bits);
}
// Adds the odd products first, each with one rounding.
inline __m512 _mm512_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b) {
  const auto pairs_a = reinterpret_cast<Unsigned>(a), pairs_b = reinterpret_cast<Unsigned>(b);
  const __m512 odd = _mm512_fmadd_ps(flush(pairs_a & 0xffff0000), flush(pairs_b & 0xffff0000), sum);
  return _mm512_fmadd_ps(flush(pairs_a << 16), flush(pairs_b << 16), odd);
}

}  // namespace
