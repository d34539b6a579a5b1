// The op tests and the forward tests of test/native on the CUDA backend, opened on the emulated device, and what only
// this backend has.
#include <algorithm>
#include <string_view>

#include "cuda_tests.h"
#include "model_tests.h"
#include "op_tests.h"

namespace qwen3::test {
namespace {

// Variants differ in the order in which threads run and in the size of the card, which decides between tiles. None of
// it may change a bit.
BackendEntry entry(const char* name, DType input, uint32_t batch_tokens) {
  const auto open = [=](uint64_t seed, int multiprocessors) {
    return [=] {
      std::unique_ptr<Backend> backend = open_emulated(input, seed, multiprocessors);
      backend->begin_batch(batch_tokens);
      return backend;
    };
  };
  return {name, {open(0, 1), open(2, 132)}, simt::read};
}

void add_named(Tests& to, const Tests& from, const std::string& part) {
  std::copy_if(from.begin(), from.end(), std::back_inserter(to),
               [&](const Test& test) { return test.name.find(part) != test.name.npos; });
}

}  // namespace
}  // namespace qwen3::test

// --all, as the first argument, adds the tests that take minutes.
int main(int argc, char** argv) {
  using namespace qwen3::test;
  constexpr uint32_t kLarge = 10'000, kSmall = 1;
  const bool all = argc > 1 && std::string_view(argv[1]) == "--all";
  Tests tests;
  add_cuda_tests(tests);
  const BackendEntry bf16 = entry("cuda bf16", qwen3::DType::bf16, kLarge);
  add_op_tests(tests, bf16);
  // The small plan is another way of doing the linear ops; f16 goes through the same kernels as bf16.
  add_linear_tests(tests, entry("cuda bf16, small plan", qwen3::DType::bf16, kSmall));
  Tests forward;
  add_forward_tests(forward, bf16);
  add_forward_tests(forward, entry("cuda f16, small plan", qwen3::DType::f16, kSmall));
  add_named(tests, forward, all ? "" : "agrees with the reference");
  return run_tests(tests, argc - all, argv + all);
}
