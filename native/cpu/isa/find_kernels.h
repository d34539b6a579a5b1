// Instruction set and weights -> kernels.
#pragma once
#include "cpu/isa/isa.h"
#include "cpu/kernels/kernels.h"

namespace qwen3::cpu {

const Kernels& find_kernels(Isa isa, DType weights);

}  // namespace qwen3::cpu
