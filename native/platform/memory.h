// Host memory of the ops, and how much of it is available.
//
// The memory does not use huge pages: linear ops reach the same share of peak without them (77 to
// 80 % at 128 and 512 rows, AVX2, Zen 3), and allocating them for the weights of the 0.6B model
// took 2 s more of CPU time.
#pragma once
#include <cstddef>
#include <string>

namespace qwen3 {

// 64-byte aligned, not initialized. Returns null if there is not enough.
void* allocate_aligned(size_t bytes) noexcept;
void release_aligned(void* memory) noexcept;

// Bytes that this process can still allocate, limited by the system, its control group and its
// address space. SIZE_MAX: unknown. `system`: the folder that has the system's /proc and /sys,
// another one in tests.
size_t available_memory(const std::string& system = "") noexcept;

}  // namespace qwen3
