// The op and forward tests of test/native on a GPU, with the shipped library. The first argument is
// the path of the library; then the options of every test program follow: --list, --trace, --filter
// PART. Exits with 77 if there is no GPU.
#include <cstdio>
#include <utility>

#include "error.h"
#include "gpu.h"
#include "models/model_tests.h"
#include "ops/op_tests.h"

namespace {

constexpr int kNoDevice = 77;

bool gpu_opens() {
  try {
    qwen3::test::open_gpu(qwen3::DType::bf16);
    return true;
  } catch (const qwen3::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return false;
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace qwen3::test;
  using qwen3::DType;
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s LIBRARY [--list] [--trace] [--filter PART_OF_NAME]\n", argv[0]);
    return 2;
  }
  set_library(argv[1]);
  if (!gpu_opens()) return kNoDevice;

  constexpr uint32_t kLarge = 10'000, kSmall = 1;
  const std::pair<const char*, DType> inputs[] = {
      {"gpu bf16", DType::bf16}, {"gpu f16", DType::f16}, {"gpu int8", DType::s8}};
  Tests tests;
  add_gpu_only_tests(tests);
  for (const auto& [name, input] : inputs) {
    const BackendEntry entry = gpu_entry(name, input, kLarge);
    add_op_tests(tests, entry);
    add_forward_tests(tests, entry);
    // The small plan has other kernels for the linear ops.
    add_linear_tests(tests, gpu_entry(std::string(name) + ", small plan", input, kSmall));
  }
  argv[1] = argv[0];
  return run_tests(tests, argc - 1, argv + 1);
}
