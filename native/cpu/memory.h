// Memory of the ops: aligned, and in huge pages where it is large.
#pragma once
#include <cstddef>

namespace qwen3 {

// 64-byte aligned, not initialised. Null where there is not enough.
void* allocate_aligned(size_t bytes) noexcept;
void release_aligned(void* memory) noexcept;

// What this process can still allocate: the system's memory, or its control group's. SIZE_MAX: nobody can tell.
size_t available_memory() noexcept;

}  // namespace qwen3
