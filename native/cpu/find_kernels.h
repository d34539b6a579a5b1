// Instruction set and weights -> kernels.
#pragma once
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace qwen3::cpu {

const Kernels& find_kernels(Isa isa, DType weights);

}  // namespace qwen3::cpu
