// The tables of kernels that there are.
#pragma once
#include "cpu/kernels/kernels.h"

namespace qwen3::cpu {

// The kernels of one instruction set for f32 and for bf16 weights, each defined in the file of its name.
extern const Kernels kScalarF32, kScalarBf16;
extern const Kernels kAvx2F32, kAvx2Bf16;
extern const Kernels kAvx512F32, kAvx512Bf16;
extern const Kernels kAvx512Bf16Bf16;  // f32 weights gain nothing from the BF16 instruction
extern const Kernels kNeonF32, kNeonBf16;
extern const Kernels kNeonBf16Bf16;

}  // namespace qwen3::cpu
