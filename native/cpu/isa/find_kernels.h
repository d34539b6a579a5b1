// Selects the kernels of an instruction set for weights in f32 or bf16.
#pragma once
#include "cpu/isa/isa.h"
#include "cpu/kernels/kernels.h"

namespace qwen3::cpu {

const Kernels& find_kernels(Isa isa, DType weights);

}  // namespace qwen3::cpu
