// The exported functions of the CUDA backend. It is a shared library of its own, so that one
// package serves machines with and without a driver. The process opens the library once, looks up
// these two functions by name and never closes it.
#pragma once
#include "backend/backend.h"

namespace qwen3 {

// Must change with backend.h or this file, once a release has had this value: see
// test/layers.test.ts.
constexpr uint32_t kCudaInterfaceVersion = 1;

extern "C" {

// Returns the library's kCudaInterfaceVersion. If it differs from the caller's, the caller must not
// call any other function of the library.
uint32_t qwen3_cuda_interface_version();

// Opens a GPU by its ordinal. `input` is the dtype of matrix products: bf16, f16 or s8. The caller
// deletes the result as any Backend. Returns null if the GPU cannot be opened; `message` then has
// the reason, truncated to `message_bytes`.
Backend* qwen3_cuda_create(int32_t device, DType input, char* message, size_t message_bytes);
}

}  // namespace qwen3
