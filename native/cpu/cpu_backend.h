// The CPU backend, opened for an instruction set.
#pragma once
#include <memory>

#include "backend/backend.h"
#include "cpu/isa/isa.h"

namespace qwen3 {

class ThreadPool;

// `isa` is one of available_isas(). `weights` is f32 or bf16: what linear weights are kept in. Sums, softmax and norms are
// f32 always; activations, keys and values are bf16 only where there is a BF16 instruction and the weights are bf16.
std::unique_ptr<Backend> open_cpu_backend(Isa isa, DType weights, std::shared_ptr<ThreadPool> pool);

}  // namespace qwen3
