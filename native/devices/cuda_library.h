// The CUDA backend's shared library: found beside the addon, opened once, never closed.
#pragma once
#include <memory>
#include <string>

#include "backend/backend.h"

namespace qwen3 {

// `path`: the library, or empty for the one beside this code. The first call decides for the process; `opened` becomes
// the path that was decided on.
// Throws Error(device_unavailable) with what was tried and what to do.
std::unique_ptr<Backend> open_cuda_backend(const std::string& path, int32_t ordinal, DType input,
                                           std::string* opened = nullptr);

}  // namespace qwen3
