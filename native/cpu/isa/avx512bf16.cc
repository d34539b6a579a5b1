// Kernels for AVX-512 with BF16 instructions: bf16 activations, weights, keys and values; f32 sums,
// softmax and norms.
#include "cpu/isa/avx512.h"

namespace qwen3::cpu {
namespace {

struct Avx512Bf16 : Avx512 {
  using Avx512::store;
  static void store(uint16_t* p, Vector v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bf16(v));
  }
  static void store(uint16_t* p, Vector v, uint32_t n) {
    _mm256_mask_storeu_epi16(p, mask(n), to_bf16(v));
  }

  // Rounds to nearest, ties to even. A NaN stays a NaN.
  static __m256i to_bf16(Vector v) { return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)); }

  using Pairs = __m512i;
  static Pairs load_pairs(const uint16_t* p) { return _mm512_loadu_si512(p); }
  static Pairs broadcast_pair(uint32_t pair) { return _mm512_set1_epi32(static_cast<int>(pair)); }
  static Pairs bitwise_and(Pairs a, Pairs b) { return _mm512_and_si512(a, b); }
  static Vector dot(Pairs a, Pairs b, Vector sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
};

}  // namespace

const Kernels kAvx512Bf16Bf16 =
    make_kernels<Bf16Pairs<Avx512Bf16>, Bf16Pairs<Avx512Bf16>, Blocks>("AVX-512 BF16");

}  // namespace qwen3::cpu
