// The same backend on the emulated device.
#include "common.h"
#include "cuda_backend.h"
#include "error.h"

namespace qwen3::bench {

std::unique_ptr<Backend> open(const Options&, DType input) {
  char message[256];
  std::unique_ptr<Backend> backend(qwen3_cuda_create(0, input, message, sizeof message));
  if (!backend) throw Error(ErrorCode::device_unavailable, message);
  return backend;
}

}  // namespace qwen3::bench
