// All tables of kernels.
#pragma once
#include "cpu/kernels/kernels.h"

namespace qwen3::cpu {

// Kernels of each instruction set for f32 and for bf16 weights, defined in the file of that name.
extern const Kernels kScalarF32, kScalarBf16;
extern const Kernels kAvx2F32, kAvx2Bf16;
extern const Kernels kAvx512F32, kAvx512Bf16;
extern const Kernels kAvx512Bf16Bf16;  // f32 weights do not use BF16 instructions
extern const Kernels kNeonF32, kNeonBf16;
extern const Kernels kNeonBf16Bf16;

}  // namespace qwen3::cpu
