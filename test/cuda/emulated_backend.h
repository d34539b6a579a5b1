// The CUDA backend on the emulated device, as the tests of this folder open it and read from it.
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
// Tokens of a batch that has the small plan, and of one that has not.
constexpr uint32_t kSmallBatch = 1, kLargeBatch = 10'000;

// Of the environment, while it lives.
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

// Resets the emulator's options. `tuning`: QWEN3_EMBED_CUDA_TUNING. Throws Failure with the reason where
// the backend does not open.
std::unique_ptr<Backend> open_emulated(DType input, uint64_t seed = 0, int multiprocessors = 4,
                                       int capability = 80, const std::string& tuning = "");

// How it is opened for a batch: see Backend::begin_batch.
std::function<std::unique_ptr<Backend>()> emulated_opener(DType input, uint32_t batch_tokens,
                                                          bool invariant, int multiprocessors,
                                                          const std::string& tuning, int capability,
                                                          uint64_t seed);
BackendEntry emulated_entry(DType input, uint32_t batch_tokens, bool invariant, int multiprocessors,
                            const std::string& tuning = "", int capability = 80, uint64_t seed = 2);

// From the start of a row of 16-bit values to that of the next, which begin at multiples of 16 bytes.
uint32_t row_stride(uint32_t cols);
// Memory that ends with the last value.
Matrix allocate_halves(Backend& on, uint32_t rows, uint32_t cols);
std::vector<uint16_t> read_halves(Matrix matrix);

}  // namespace qwen3::test
