// The op tests and the forward tests of test/native, on the CUDA backend opened on the emulated device.
#include <stdexcept>

#include "cuda_backend.h"
#include "emulator.h"
#include "model_tests.h"
#include "op_tests.h"

namespace qwen3::test {
namespace {

std::unique_ptr<Backend> open(uint64_t seed, int multiprocessors) {
  simt::options = {};
  simt::options.seed = seed;
  simt::options.multiprocessors = multiprocessors;
  const CudaOptions options{kCudaInterfaceVersion, 0, DType::bf16, false};
  char message[256];
  Backend* backend = qwen3_cuda_create(&options, message, sizeof message);
  if (!backend) throw std::runtime_error(message);
  return std::unique_ptr<Backend>(backend);
}

// Variants differ in the order in which threads run and in the size of the card, which decides between tiles. None of
// it may change a bit.
BackendEntry cuda_entry() {
  return {"cuda bf16", {[] { return open(0, 1); }, [] { return open(2, 132); }}, simt::read};
}

}  // namespace
}  // namespace qwen3::test

int main(int argc, char** argv) {
  using namespace qwen3::test;
  Tests tests;
  add_op_tests(tests, cuda_entry());
  add_forward_tests(tests, cuda_entry());
  return run_tests(tests, argc, argv);
}
