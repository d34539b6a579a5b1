// Kernels for AVX2 with FMA.
#include "cpu/isa/intrinsics_x86.h"
#include "cpu/isa/tables.h"
#include "cpu/kernels/make_kernels.h"

namespace qwen3::cpu {
namespace {

struct Avx2 {
  static constexpr uint32_t kLanes = 8;
  static constexpr int kRows = 6;  // 12 sums, 2 weights and a broadcast in 16 registers
  static constexpr float kMinExponent = -127;
  using Vector = __m256;

  static Vector zero() { return _mm256_setzero_ps(); }
  static Vector set1(float x) { return _mm256_set1_ps(x); }
  static Vector broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static Vector load(const float* p) { return _mm256_loadu_ps(p); }
  static Vector load(const float* p, uint32_t n) {
    return n < kLanes ? _mm256_maskload_ps(p, mask(n)) : load(p);
  }
  // 32-bit unit i holds column i in its low half, column i + kLanes in its high half.
  static void load_halves(const uint16_t* p, Vector& low, Vector& high) {
    const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    low = _mm256_castsi256_ps(_mm256_slli_epi32(both, 16));
    high = _mm256_castsi256_ps(
        _mm256_and_si256(both, _mm256_set1_epi32(static_cast<int>(0xffff0000))));
  }
  static void store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
  static void store(float* p, Vector v, uint32_t n) {
    if (n < kLanes) {
      _mm256_maskstore_ps(p, mask(n), v);
    } else {
      store(p, v);
    }
  }

  static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static Vector sub(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
  static Vector mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static Vector div(Vector a, Vector b) { return _mm256_div_ps(a, b); }
  static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  static Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
  static Vector min(Vector a, Vector b) { return _mm256_min_ps(a, b); }
  static Vector round(Vector x) {
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  // x * 2^exponent for integer exponents in [-127, 128]. 2^-127 becomes 0, 2^128 infinity.
  static Vector scale(Vector x, Vector exponent) {
    const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(exponent), _mm256_set1_epi32(127));
    return mul(x, _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23)));
  }

  static Vector keep_first(Vector v, uint32_t n, Vector other) {
    return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(mask(n)));
  }
  static float first(Vector v) { return _mm256_cvtss_f32(v); }
  static float reduce_sum(Vector v) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static float reduce_max(Vector v) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }

  static __m256i mask(uint32_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

struct Blocks {
  static constexpr uint32_t kRows = 144, kPanels = 8, kQueryRows = 48;
};

using F32 = F32Panels<Avx2>;

}  // namespace

const Kernels kAvx2F32 = make_kernels<F32, F32, Blocks>("AVX2");
const Kernels kAvx2Bf16 = make_kernels<Bf16Halves<Avx2>, F32, Blocks>("AVX2");

}  // namespace qwen3::cpu
