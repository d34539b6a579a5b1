// Helpers of this folder's tests: open the CUDA backend on the emulated device and read its memory.
#pragma once
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "emulator.h"
#include "ops/backends.h"

namespace qwen3::test {

constexpr int kHopper = 90;
// Tokens of a batch that has the small plan, and of one that has the large plan.
constexpr uint32_t kSmallBatch = 1, kLargeBatch = 10'000;

// Sets an environment variable for the lifetime of the object.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;

 private:
  const char* name_;
};

// Resets the emulator's options, then sets those given. `tuning`: QWEN3_EMBED_CUDA_TUNING. Throws
// Failure with the reason if the backend does not open.
std::unique_ptr<Backend> open_emulated(DType input, uint64_t seed = 0, int multiprocessors = 4,
                                       int capability = 80, const std::string& tuning = "");

// A function that opens a backend and calls Backend::begin_batch with batch_tokens and invariant.
std::function<std::unique_ptr<Backend>()> emulated_opener(DType input, uint32_t batch_tokens,
                                                          bool invariant, int multiprocessors,
                                                          const std::string& tuning, int capability,
                                                          uint64_t seed);
BackendEntry emulated_entry(DType input, uint32_t batch_tokens, bool invariant, int multiprocessors,
                            const std::string& tuning = "", int capability = 80, uint64_t seed = 2);

// Elements between the starts of rows of 16-bit values that begin at multiples of 16 bytes.
uint32_t row_stride(uint32_t cols);
// A bf16 matrix in memory that ends with its last value.
Matrix allocate_halves(Backend& backend, uint32_t rows, uint32_t cols);
std::vector<uint16_t> read_halves(Matrix matrix);

}  // namespace qwen3::test
