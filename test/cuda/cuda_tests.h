// Tests of this backend alone, on the emulated device. Each function adds the tests of one file.
#pragma once
#include "harness.h"

namespace qwen3::test {

void add_opening_tests(Tests& tests);
void add_failure_tests(Tests& tests);
void add_linear_kernel_tests(Tests& tests);
void add_int8_tests(Tests& tests);
void add_graph_cache_tests(Tests& tests);
void add_hopper_tests(Tests& tests);
void add_memory_tests(Tests& tests);

inline void add_cuda_tests(Tests& tests) {
  add_opening_tests(tests);
  add_failure_tests(tests);
  add_linear_kernel_tests(tests);
  add_int8_tests(tests);
  add_graph_cache_tests(tests);
  add_hopper_tests(tests);
  add_memory_tests(tests);
}

}  // namespace qwen3::test
