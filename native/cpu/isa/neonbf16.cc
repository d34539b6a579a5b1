// Kernels for 64-bit ARM with BF16: bf16 activations, weights, keys and values; f32 sums, softmax and norms.
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

  // To the nearest, ties to even; a NaN stays one.
  static uint16x4_t to_bf16(Vector v) { return vreinterpret_u16_bf16(vcvt_bf16_f32(v)); }
};

// Two depths to a step: a 32-bit unit of each row against units of two depths of each column.
struct Bf16Pairs {
  using Set = NeonBf16;
  using Input = uint16_t;
  using Weight = uint16_t;
  using Operand = uint32x4_t;
  static constexpr PanelFormat kFormat = PanelFormat::bf16_pairs;
  static constexpr DType kInput = DType::bf16;
  static constexpr uint32_t kDepth = 2;
  static constexpr uint32_t kWidth = 2 * Set::kLanes;

  static void load(const Weight* panel, Operand (&weights)[2]) {
    weights[0] = vreinterpretq_u32_u16(vld1q_u16(panel));
    weights[1] = vreinterpretq_u32_u16(vld1q_u16(panel + kWidth));
  }
  static Operand broadcast(const Input* values) {
    uint32_t pair;
    __builtin_memcpy(&pair, values, sizeof pair);
    return vdupq_n_u32(pair);
  }
  // The last depth of an odd number of them: nothing behind it is read.
  static Operand broadcast_last(const Input* value) { return vdupq_n_u32(*value); }
  static Set::Vector step(Operand value, Operand weight, Set::Vector sum) {
    return vbfdotq_f32(sum, vreinterpretq_bf16_u32(value), vreinterpretq_bf16_u32(weight));
  }
  static void keep_first_depth(Operand (&weights)[2]) {
    const Operand first = vdupq_n_u32(0xffff);
    weights[0] = vandq_u32(weights[0], first);
    weights[1] = vandq_u32(weights[1], first);
  }
  static size_t index(uint32_t depth, uint32_t column) {
    return (size_t{depth} / 2 * kWidth + column) * 2 + depth % 2;
  }
};

}  // namespace

const Kernels kNeonBf16Bf16 = make_kernels<Bf16Pairs, Bf16Pairs, Blocks>("NEON BF16");

}  // namespace qwen3::cpu
