// The real library on the first card; CUDA_VISIBLE_DEVICES picks another.
#include "common.h"
#include "cuda_library.h"

namespace qwen3::bench {

std::unique_ptr<Backend> open(const Options& options, DType input) {
  return open_cuda_backend(options.library.empty() ? "build/Release/libqwen3_embed_cuda.so" : options.library,
                           0, input);
}

}  // namespace qwen3::bench
