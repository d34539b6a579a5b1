// Kernels for AVX-512 with BF16: bf16 activations, weights, keys and values; f32 sums, softmax and norms.
#include "cpu/isa/avx512.h"

namespace qwen3::cpu {
namespace {

struct Avx512Bf16 : Avx512 {
  using Avx512::store;
  static void store(uint16_t* p, Vector v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bf16(v)); }
  static void store(uint16_t* p, Vector v, uint32_t n) { _mm256_mask_storeu_epi16(p, mask(n), to_bf16(v)); }

  // To the nearest, ties to even; a NaN stays one.
  static __m256i to_bf16(Vector v) { return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)); }
};

// Two depths to a step: a 32-bit unit of each row against units of two depths of each column.
struct Bf16Pairs {
  using Set = Avx512Bf16;
  using Input = uint16_t;
  using Weight = uint16_t;
  using Operand = __m512i;
  static constexpr PanelFormat kFormat = PanelFormat::bf16_pairs;
  static constexpr DType kInput = DType::bf16;
  static constexpr uint32_t kDepth = 2;
  static constexpr uint32_t kWidth = 2 * Set::kLanes;

  static void load(const Weight* panel, Operand (&weights)[2]) {
    weights[0] = _mm512_loadu_si512(panel);
    weights[1] = _mm512_loadu_si512(panel + kWidth);
  }
  static Operand broadcast(const Input* values) {
    int pair;
    __builtin_memcpy(&pair, values, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  // The last depth of an odd number of them: nothing behind it is read.
  static Operand broadcast_last(const Input* value) { return _mm512_set1_epi32(*value); }
  static Set::Vector step(Operand value, Operand weight, Set::Vector sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(value), reinterpret_cast<__m512bh>(weight));
  }
  static void keep_first_depth(Operand (&weights)[2]) {
    const Operand first = _mm512_set1_epi32(0xffff);
    weights[0] = _mm512_and_si512(weights[0], first);
    weights[1] = _mm512_and_si512(weights[1], first);
  }
  static size_t index(uint32_t depth, uint32_t column) {
    return (size_t{depth} / 2 * kWidth + column) * 2 + depth % 2;
  }
};

}  // namespace

const Kernels kAvx512Bf16Bf16 = make_kernels<Bf16Pairs, Bf16Pairs, Blocks>("AVX-512 BF16");

}  // namespace qwen3::cpu
