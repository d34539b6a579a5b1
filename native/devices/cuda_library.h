// Opens the CUDA backend from its shared library, which is next to the addon. The process opens the
// library once and never closes it.
#pragma once
#include <memory>
#include <string>

#include "backend/backend.h"

namespace qwen3 {

// Opens the GPU `ordinal`. `path`: the library; empty: the one next to the addon. The first library
// that opens serves the whole process, whatever `path` later calls pass; `opened` receives its
// path. `input`: bf16, f16 or s8, see qwen3_cuda_create. Throws Error(device_unavailable) with what
// failed and what to do.
std::unique_ptr<Backend> open_cuda_backend(const std::string& path, int32_t ordinal, DType input,
                                           std::string* opened = nullptr);

}  // namespace qwen3
