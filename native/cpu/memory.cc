#include "cpu/memory.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "cpu/cgroup.h"

#ifdef __linux__
#include <sys/mman.h>
#endif
#ifdef _WIN32
#include <malloc.h>
#endif

namespace qwen3 {
namespace {

constexpr size_t kAlignment = 64;
// Activations are read along columns of rows that lie kilobytes apart: with 4 KiB pages each row costs a TLB entry.
constexpr size_t kHugePage = size_t{2} << 20;

constexpr size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

#ifdef _WIN32
void* allocate_aligned(size_t bytes) noexcept {
  return _aligned_malloc(std::max(bytes, kAlignment), kAlignment);
}
void release_aligned(void* memory) noexcept { _aligned_free(memory); }
#else
void* allocate_aligned(size_t bytes) noexcept {
  if (bytes > SIZE_MAX - kHugePage) return nullptr;
  const bool huge = bytes >= kHugePage;
  const size_t size = huge ? round_up(bytes, kHugePage) : std::max(round_up(bytes, kAlignment), kAlignment);
  void* memory = std::aligned_alloc(huge ? kHugePage : kAlignment, size);
#ifdef __linux__
  if (memory && huge) madvise(memory, size, MADV_HUGEPAGE);  // a wish: where it fails, small pages serve
#endif
  return memory;
}
void release_aligned(void* memory) noexcept { std::free(memory); }
#endif

size_t available_memory() noexcept {
  try {
    size_t available = cgroup_available_bytes();
    std::ifstream file("/proc/meminfo");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("MemAvailable:")) {
        available = std::min(available, size_t{std::stoull(line.substr(line.find(':') + 1))} * 1024);
      }
    }
    return available;
  } catch (...) {
    return SIZE_MAX;
  }
}

}  // namespace qwen3
