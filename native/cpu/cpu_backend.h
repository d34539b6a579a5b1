// Opens the CPU backend.
#pragma once
#include <memory>

#include "backend/backend.h"
#include "cpu/isa/isa.h"
#include "cpu/thread_pool.h"

namespace qwen3 {

// `isa` must be in available_isas(). `weights` is the dtype of linear weights: f32 or bf16. Sums,
// softmax and norms are at least f32. Inputs of linear ops, keys and values are bf16 only if the
// instruction set has BF16 instructions and the weights are bf16; otherwise f32. `threads` load the
// model and compute, until Backend::limit_threads sets another number. Throws std::system_error if
// the system cannot create them.
std::unique_ptr<Backend> open_cpu_backend(Isa isa, DType weights, Threads threads);

}  // namespace qwen3
