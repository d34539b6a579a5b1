// Kernels for all 64-bit ARM processors: all math in f32.
#include "cpu/isa/neon.h"

namespace qwen3::cpu {
namespace {

using F32 = F32Panels<Neon>;

}  // namespace

const Kernels kNeonF32 = make_kernels<F32, F32, Blocks>("NEON");
const Kernels kNeonBf16 = make_kernels<Bf16Halves<Neon>, F32, Blocks>("NEON");

}  // namespace qwen3::cpu
