// What the operating system says of the processor.
#pragma once
#include <cstdint>

namespace qwen3 {

// Cores that this process may use: physical cores among those it is bound to, no more than its cgroup's CPU quota.
uint32_t physical_cores();

// Whether a 64-bit ARM has BF16 instructions. (x86 says so itself: see available_isas.)
bool arm_has_bf16();

}  // namespace qwen3
