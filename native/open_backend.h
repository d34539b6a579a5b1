// Device and precision by name -> Backend.
#pragma once
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "backend.h"

namespace qwen3 {

// What weights and matrix inputs are computed in; sums are f32 at least.
enum class Precision : uint8_t { f32, bf16, f16, int8 };

const char* to_string(Precision precision);
std::optional<Precision> parse_precision(std::string_view word);

// What a device computes, best first. Throws Error(device_unavailable).
std::vector<Precision> precisions(std::string_view device);

// `threads` is the process's: the first CPU backend sets it (0: one per physical core), another number later throws
// std::invalid_argument. Throws Error: device_unavailable, precision_unsupported.
std::unique_ptr<Backend> open_backend(std::string_view device, Precision precision, uint32_t threads);

}  // namespace qwen3
