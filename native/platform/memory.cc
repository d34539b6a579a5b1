#include "platform/memory.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <new>
#include <string>

#include "platform/cgroup.h"

namespace qwen3 {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

void* allocate_aligned(size_t bytes) noexcept {
  return ::operator new(bytes, kAlignment, std::nothrow);
}
void release_aligned(void* memory) noexcept { ::operator delete(memory, kAlignment); }

size_t available_memory() noexcept {
  try {
    size_t available = cgroup_available_bytes();
    std::ifstream file("/proc/meminfo");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("MemAvailable:")) {
        available =
            std::min(available, size_t{std::stoull(line.substr(line.find(':') + 1))} * 1024);
      }
    }
    return available;
  } catch (...) {
    return SIZE_MAX;
  }
}

}  // namespace qwen3
