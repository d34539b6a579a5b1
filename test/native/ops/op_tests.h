// The tests of all ops for one backend. Each function adds the tests of its file.
#pragma once
#include "harness.h"
#include "ops/backends.h"
#include "ops/guarded.h"

namespace qwen3::test {

void add_linear_tests(Tests& tests, const BackendEntry& entry);
void add_row_op_tests(Tests& tests, const BackendEntry& entry);
void add_attention_tests(Tests& tests, const BackendEntry& entry);
void add_weight_tests(Tests& tests, const BackendEntry& entry);
void add_thread_pool_tests(Tests& tests);
void add_cpu_backend_tests(Tests& tests);
// What CPU backends have in addition to the ops. `prefix`: of the names.
void add_instruction_set_tests(Tests& tests, const std::vector<Isa>& isas,
                               const std::string& prefix = "");

inline void add_op_tests(Tests& tests, const BackendEntry& entry) {
  add_weight_tests(tests, entry);
  add_linear_tests(tests, entry);
  add_row_op_tests(tests, entry);
  add_attention_tests(tests, entry);
}

// Adds a test that runs on the last variant, for CPU backends the one with the most threads.
inline void add_on_last_variant(Tests& tests, const BackendEntry& entry, const std::string& name,
                                void (*run)(Device&)) {
  tests.push_back({entry.name + ": " + name, [entry, run] {
                     Device device(entry, entry.open.size() - 1);
                     run(device);
                   }});
}

}  // namespace qwen3::test
