// Kernels for AVX-512 without BF16 instructions: all math in f32.
#include "cpu/isa/avx512.h"

namespace qwen3::cpu {
namespace {

using F32 = F32Panels<Avx512>;

}  // namespace

const Kernels kAvx512F32 = make_kernels<F32, F32, Blocks>("AVX-512");
const Kernels kAvx512Bf16 = make_kernels<Bf16Halves<Avx512>, F32, Blocks>("AVX-512");

}  // namespace qwen3::cpu
