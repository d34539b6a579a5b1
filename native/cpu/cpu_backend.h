// The CPU backend: which instruction set to run, and opening it.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace qwen3 {

class ThreadPool;

enum class Isa : uint8_t { scalar, avx2, avx512, avx512bf16, neon, neonbf16 };

// What this machine, its operating system and this build can run, the best last.
std::vector<Isa> available_isas();
Isa best_isa();
// The words that parse_isa takes are the names above.
const char* to_string(Isa isa);
std::optional<Isa> parse_isa(std::string_view word);

// `isa` is one of available_isas(). `weights` is f32 or bf16: what linear weights are kept in. Sums, softmax and norms are
// f32 always; activations, keys and values are bf16 only where there is a BF16 instruction and the weights are bf16.
std::unique_ptr<Backend> open_cpu_backend(Isa isa, DType weights, std::shared_ptr<ThreadPool> pool);

}  // namespace qwen3
