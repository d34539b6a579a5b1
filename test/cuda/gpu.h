// The shipped library on the first GPU, and the tests that need a real one.
#pragma once
#include <memory>

#include "harness.h"
#include "ops/backends.h"

namespace qwen3::test {

// Sets the path of the library. Must be called before open_gpu.
void set_library(const std::string& path);

// Throws Error(device_unavailable).
std::unique_ptr<Backend> open_gpu(DType input, int32_t ordinal = 0);

// A backend whose batches have `batch_tokens` tokens, which decides the plan of the linear ops.
BackendEntry gpu_entry(const std::string& name, DType input, uint32_t batch_tokens);

// Copies from GPU memory. Not ordered after the backend's work: call sync first.
void download(void* to, const void* from, size_t bytes);

void add_gpu_only_tests(Tests& tests);

}  // namespace qwen3::test
