// What the control group of this process allows it: containers set these, and nothing else in the system shows them.
#pragma once
#include <cstddef>

namespace qwen3 {

// CPUs' worth of time, perhaps a fraction. Infinity: no limit.
double cgroup_cpus();
// Bytes that can be allocated before the limit is reached. SIZE_MAX: no limit.
size_t cgroup_available_bytes();

}  // namespace qwen3
