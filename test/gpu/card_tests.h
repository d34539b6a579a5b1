// What only a real card can show: who else uses it, what it has free, what comes back after a release.
#pragma once
#include "harness.h"

namespace qwen3::test {

void add_card_tests(Tests& tests);

}  // namespace qwen3::test
