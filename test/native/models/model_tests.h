// Tests of the code between the ops and Node.
#pragma once
#include "harness.h"
#include "ops/backends.h"

namespace qwen3::test {

void add_forward_tests(Tests& tests, const BackendEntry& entry);
void add_batch_tests(Tests& tests);
void add_engine_tests(Tests& tests);
void add_loader_tests(Tests& tests);
void add_device_tests(Tests& tests);
void add_text_worker_tests(Tests& tests);

}  // namespace qwen3::test
