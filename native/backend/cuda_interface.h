// How the CUDA backend is opened. It is a shared library of its own, so that one package serves machines with and
// without a driver: whoever opens it looks these two functions up by name, once, and never closes the library.
#pragma once
#include "backend/backend.h"

namespace qwen3 {

// Changes whenever backend.h or this file does.
constexpr uint32_t kCudaInterfaceVersion = 1;

extern "C" {

// kCudaInterfaceVersion of the library: nothing else of it may be called where it is another.
uint32_t qwen3_cuda_interface_version();

// Opens a card by its ordinal. `input` is bf16, f16 or s8: what matrix products are computed in. Deleted as any
// Backend. Null: it could not be opened, and `message` says why, cut to fit.
Backend* qwen3_cuda_create(int32_t device, DType input, char* message, size_t message_bytes);
}

}  // namespace qwen3
