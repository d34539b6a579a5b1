#include "gpu.h"

#include <cuda_runtime.h>

#include "devices/cuda_library.h"
#include "harness.h"

namespace qwen3::test {
namespace {

std::string library;

}  // namespace

void set_library(const std::string& path) { library = path; }

std::unique_ptr<Backend> open_gpu(DType input, int32_t ordinal) {
  return open_cuda_backend(library, ordinal, input);
}

BackendEntry gpu_entry(const std::string& name, DType input, uint32_t batch_tokens) {
  const auto open = [=] {
    std::unique_ptr<Backend> backend = open_gpu(input);
    backend->begin_batch(batch_tokens, false);
    return backend;
  };
  return {name, {open, open}, download};
}

void download(void* to, const void* from, size_t bytes) {
  const cudaError_t error = cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost);
  expect(error == cudaSuccess, std::string("download: ") + cudaGetErrorString(error));
}

}  // namespace qwen3::test
