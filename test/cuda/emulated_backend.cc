#include "emulated_backend.h"

#include "backend/cuda_interface.h"
#include "harness.h"

namespace qwen3::test {

std::unique_ptr<Backend> open_emulated(DType input, uint64_t seed, int multiprocessors,
                                       int capability, const std::string& tuning) {
  const Variable environment("QWEN3_EMBED_CUDA_TUNING", tuning);
  emulator::options = {};
  emulator::options.seed = seed;
  emulator::options.multiprocessors = multiprocessors;
  emulator::options.capability = capability;
  char message[512];
  Backend* backend = qwen3_cuda_create(0, input, message, sizeof message);
  expect(backend, backend ? "" : message);
  return std::unique_ptr<Backend>(backend);
}

std::function<std::unique_ptr<Backend>()> emulated_opener(DType input, uint32_t batch_tokens,
                                                          bool invariant, int multiprocessors,
                                                          const std::string& tuning, int capability,
                                                          uint64_t seed) {
  return [=] {
    std::unique_ptr<Backend> backend =
        open_emulated(input, seed, multiprocessors, capability, tuning);
    backend->begin_batch(batch_tokens, invariant);
    return backend;
  };
}

BackendEntry emulated_entry(DType input, uint32_t batch_tokens, bool invariant, int multiprocessors,
                            const std::string& tuning, int capability, uint64_t seed) {
  return {
      "",
      {emulated_opener(input, batch_tokens, invariant, multiprocessors, tuning, capability, seed)},
      emulator::read,
      true};
}

uint32_t row_stride(uint32_t cols) { return (cols + 7) / 8 * 8; }

Matrix allocate_halves(Backend& backend, uint32_t rows, uint32_t cols) {
  const uint32_t stride = row_stride(cols);
  return {backend.allocate((size_t{rows - 1} * stride + cols) * 2), rows, cols, stride,
          DType::bf16};
}

std::vector<uint16_t> read_halves(Matrix matrix) {
  std::vector<uint16_t> values(size_t{matrix.rows} * matrix.cols);
  for (size_t r = 0; r < matrix.rows; ++r) {
    emulator::read(&values[r * matrix.cols],
                   static_cast<uint16_t*>(matrix.data) + r * matrix.stride, matrix.cols * 2);
  }
  return values;
}

}  // namespace qwen3::test
