// Tests of the code for particular operating systems.
#pragma once
#include "harness.h"

namespace qwen3::test {

void add_file_tests(Tests& tests);
void add_limit_tests(Tests& tests);

}  // namespace qwen3::test
