// The CPU backend: which instruction set to run, and opening it.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "backend.h"

namespace qwen3 {

class ThreadPool;

// Ascending: a machine that runs one runs all before it.
enum class Isa : uint8_t { scalar, avx2, avx512, avx512bf16 };

// The highest that this machine, its operating system and this build can run.
Isa best_isa();
// "scalar", "avx2", "avx512", "avx512bf16": the words that parse_isa takes.
const char* to_string(Isa isa);
std::optional<Isa> parse_isa(std::string_view word);

// `isa` is at most best_isa(). `weights` is f32 or bf16: what linear weights are kept in. Sums, softmax and norms are
// f32 always; activations, keys and values are bf16 only where there is a BF16 instruction and the weights are bf16.
std::unique_ptr<Backend> open_cpu_backend(Isa isa, DType weights, std::shared_ptr<ThreadPool> pool);

}  // namespace qwen3
