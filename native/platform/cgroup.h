// Limits of this process's control group. Containers set them; no other system interface shows
// them. `system`: the folder that has the system's /proc and /sys, another one in tests.
#pragma once
#include <cstddef>
#include <string>

namespace qwen3 {

// CPU quota in CPUs, possibly fractional. Infinity: no limit.
double cgroup_cpus(const std::string& system = "");
// Bytes that can be allocated before the limit is reached. SIZE_MAX: no limit.
size_t cgroup_available_bytes(const std::string& system = "");

}  // namespace qwen3
