// How the CUDA backend is opened. It is a shared library of its own, so that one package serves machines with and
// without a driver: whoever opens it looks these two functions up by name, once, and never closes the library.
#pragma once
#include "backend.h"

namespace qwen3 {

struct CudaOptions {
  uint32_t version;      // kCudaInterfaceVersion of the caller
  int32_t device;        // ordinal of the card
  DType input;           // bf16 or f16: what weights and activations are
  bool batch_invariant;  // one plan for batches of any size, so that no text's bits ever change
};

// Changes whenever backend.h or this file does.
constexpr uint32_t kCudaInterfaceVersion = 1;

using CreateCudaBackend = Backend*(const CudaOptions* options, char* message, size_t message_bytes);
using DestroyCudaBackend = void(Backend* backend);

extern "C" {
// Null: it could not be opened, and `message` says why, cut to fit.
Backend* qwen3_cuda_create(const CudaOptions* options, char* message, size_t message_bytes);
void qwen3_cuda_destroy(Backend* backend);
}

}  // namespace qwen3
