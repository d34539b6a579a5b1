// The instruction sets that have kernels, and those that this machine can run.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace qwen3 {

enum class Isa : uint8_t { scalar, avx2, avx512, avx512bf16, neon, neonbf16 };

// The instruction sets that this machine, its operating system and this build support, best last.
std::vector<Isa> available_isas();
Isa best_isa();
// to_string returns the enumerator's name; parse_isa accepts those names.
const char* to_string(Isa isa);
std::optional<Isa> parse_isa(std::string_view word);

}  // namespace qwen3
