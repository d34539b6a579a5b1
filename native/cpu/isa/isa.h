// The instruction sets that there are kernels for, and which of them this machine runs.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace qwen3 {

enum class Isa : uint8_t { scalar, avx2, avx512, avx512bf16, neon, neonbf16 };

// What this machine, its operating system and this build can run, the best last.
std::vector<Isa> available_isas();
Isa best_isa();
// The words that parse_isa takes are the names above.
const char* to_string(Isa isa);
std::optional<Isa> parse_isa(std::string_view word);

}  // namespace qwen3
