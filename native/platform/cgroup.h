// Limits of this process's control group. Containers set them; no other system interface shows
// them.
#pragma once
#include <cstddef>

namespace qwen3 {

// CPU quota in CPUs, possibly fractional. Infinity: no limit.
double cgroup_cpus();
// Bytes that can be allocated before the limit is reached. SIZE_MAX: no limit.
size_t cgroup_available_bytes();

}  // namespace qwen3
