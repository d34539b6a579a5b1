// Properties of the processor that the operating system reports.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace qwen3 {

// Number of physical cores that this process may use: those of its CPU affinity, limited by its
// cgroup's CPU quota. At least 1. Counts logical CPUs if the system does not report cores.
uint32_t physical_cores();
// The same for an affinity to the logical CPUs `cpus`; if it is empty, all of the machine.
// `system`: the folder that has the system's /proc and /sys, another one in tests.
uint32_t physical_cores(const std::vector<int>& cpus, const std::string& system);

// Whether a 64-bit ARM processor has BF16 instructions. False on other processors. (x86 programs
// query the processor directly: see available_isas.)
bool arm_has_bf16();

}  // namespace qwen3
