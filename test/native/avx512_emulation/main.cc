// The op and forward tests on the AVX-512 kernels, built with emulated instructions.
#include "models/model_tests.h"
#include "ops/op_tests.h"

int main(int argc, char** argv) {
  using namespace qwen3::test;
  Tests tests;
  const std::vector<qwen3::Isa> isas{qwen3::Isa::avx512, qwen3::Isa::avx512bf16};
  add_instruction_set_tests(tests, isas, "emulated ");
  for (BackendEntry entry : cpu_entries(isas)) {
    entry.name = "emulated " + entry.name;
    add_op_tests(tests, entry);
    add_forward_tests(tests, entry);
  }
  return run_tests(tests, argc, argv);
}
