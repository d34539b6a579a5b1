// Every op test on every backend, and everything between the ops and Node.
#include "op_tests.h"

int main(int argc, char** argv) {
  using namespace qwen3::test;
  Tests tests;
  for (const BackendEntry& entry : all_backends()) {
    add_weight_tests(tests, entry);
    add_linear_tests(tests, entry);
    add_row_op_tests(tests, entry);
    add_attention_tests(tests, entry);
  }
  return run_tests(tests, argc, argv);
}
