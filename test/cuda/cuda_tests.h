// The CUDA backend on the emulated device, and tests of what other backends do not have.
#pragma once
#include <memory>
#include <string>

#include "backend/backend.h"
#include "emulator.h"
#include "harness.h"

namespace qwen3::test {

// Resets the emulator's options. `tuning`: QWEN3_EMBED_CUDA_TUNING. Throws Failure with the reason where
// the backend does not open.
std::unique_ptr<Backend> open_emulated(DType input, uint64_t seed = 0, int multiprocessors = 4,
                                       int capability = 80, const std::string& tuning = "");

void add_cuda_tests(Tests& tests);
void add_memory_tests(Tests& tests);

}  // namespace qwen3::test
