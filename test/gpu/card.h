// The shipped library on the first card.
#pragma once
#include <memory>

#include "ops/backends.h"

namespace qwen3::test {

// Which library; before the first open_card.
void set_library(const std::string& path);

// Throws Error(device_unavailable).
std::unique_ptr<Backend> open_card(DType input, int32_t ordinal = 0);

// In batches of so many tokens, which decides how linear ops divide their sums.
BackendEntry card_entry(const std::string& name, DType input, uint32_t batch_tokens);

// Reads the card's memory, however its own work is ordered.
void download(void* to, const void* from, size_t bytes);

}  // namespace qwen3::test
