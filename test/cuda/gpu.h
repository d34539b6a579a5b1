// The shipped library on the first GPU, and the tests that need a real one.
#pragma once
#include <memory>

#include "harness.h"
#include "ops/backends.h"

namespace qwen3::test {

// Which library; before the first open_gpu.
void set_library(const std::string& path);

// Throws Error(device_unavailable).
std::unique_ptr<Backend> open_gpu(DType input, int32_t ordinal = 0);

// In batches of so many tokens, which decides how linear ops divide their sums.
BackendEntry gpu_entry(const std::string& name, DType input, uint32_t batch_tokens);

// Reads the GPU's memory, however its own work is ordered.
void download(void* to, const void* from, size_t bytes);

void add_gpu_only_tests(Tests& tests);

}  // namespace qwen3::test
