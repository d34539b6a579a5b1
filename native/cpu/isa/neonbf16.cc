// Kernels for 64-bit ARM with BF16 instructions: bf16 activations, weights, keys and values; f32
// sums, softmax and norms.
#include "cpu/isa/neon.h"

namespace qwen3::cpu {
namespace {

struct NeonBf16 : Neon {
  using Neon::store;
  static void store(uint16_t* p, Vector v) { vst1_u16(p, to_bf16(v)); }
  static void store(uint16_t* p, Vector v, uint32_t n) {
    if (n >= kLanes) return store(p, v);
    uint16_t some[kLanes];
    store(some, v);
    for (uint32_t i = 0; i < kLanes && i < n; ++i) p[i] = some[i];
  }

  // Rounds to nearest, ties to even. A NaN stays a NaN.
  static uint16x4_t to_bf16(Vector v) { return vreinterpret_u16_bf16(vcvt_bf16_f32(v)); }

  using Pairs = uint32x4_t;
  static Pairs load_pairs(const uint16_t* p) { return vreinterpretq_u32_u16(vld1q_u16(p)); }
  static Pairs broadcast_pair(uint32_t pair) { return vdupq_n_u32(pair); }
  static Pairs bitwise_and(Pairs a, Pairs b) { return vandq_u32(a, b); }
  static Vector dot(Pairs a, Pairs b, Vector sum) {
    return vbfdotq_f32(sum, vreinterpretq_bf16_u32(a), vreinterpretq_bf16_u32(b));
  }
};

}  // namespace

const Kernels kNeonBf16Bf16 =
    make_kernels<Bf16Pairs<NeonBf16>, Bf16Pairs<NeonBf16>, Blocks>("NEON BF16");

}  // namespace qwen3::cpu
