// Memory of the ops, and how much of it there is.
//
// Huge pages are not asked for: linear ops reach the same share of peak without them (77 to 80 % at 128 and 512 rows,
// AVX2, Zen 3), and to get them for the weights of the 0.6B took 2 s of CPU time more.
#pragma once
#include <cstddef>

namespace qwen3 {

// 64-byte aligned, not initialised. Null where there is not enough.
void* allocate_aligned(size_t bytes) noexcept;
void release_aligned(void* memory) noexcept;

// What this process can still allocate: the system's memory, or its control group's. SIZE_MAX: nobody can tell.
size_t available_memory() noexcept;

}  // namespace qwen3
