#include "cpu/memory.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "cpu/cgroup.h"

#ifdef _WIN32
#include <malloc.h>
#endif

namespace qwen3 {
namespace {

constexpr size_t kAlignment = 64;

}  // namespace

#ifdef _WIN32
void* allocate_aligned(size_t bytes) noexcept {
  if (bytes > SIZE_MAX - kAlignment) return nullptr;
  return std::aligned_alloc(kAlignment,
                            std::max((bytes + kAlignment - 1) / kAlignment, size_t{1}) * kAlignment);
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
