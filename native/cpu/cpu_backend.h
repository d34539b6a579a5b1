// Opens the CPU backend.
#pragma once
#include <memory>

#include "backend/backend.h"
#include "cpu/isa/isa.h"

namespace qwen3 {

class ThreadPool;

// `isa` must be in available_isas(). `weights` is the dtype of linear weights: f32 or bf16. Sums,
// softmax and norms are at least f32. Inputs of linear ops, keys and values are bf16 only if the
// instruction set has BF16 instructions and the weights are bf16; otherwise f32.
std::unique_ptr<Backend> open_cpu_backend(Isa isa, DType weights, std::shared_ptr<ThreadPool> pool);

}  // namespace qwen3
