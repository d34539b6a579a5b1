#include "platform/memory.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <new>
#include <string>

#ifndef _WIN32
#include <sys/resource.h>
#include <unistd.h>
#endif

#include "platform/cgroup.h"

namespace qwen3 {
namespace {

constexpr std::align_val_t kAlignment{64};

// What RLIMIT_AS ("ulimit -v") leaves of the address space.
size_t available_addresses() {
#ifndef _WIN32
  rlimit limit;
  size_t pages;
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      std::ifstream("/proc/self/statm") >> pages) {
    const size_t used = pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
  }
#endif
  return SIZE_MAX;
}

}  // namespace

void* allocate_aligned(size_t bytes) noexcept {
  return ::operator new(bytes, kAlignment, std::nothrow);
}
void release_aligned(void* memory) noexcept { ::operator delete(memory, kAlignment); }

size_t available_memory() noexcept {
  try {
    size_t available = std::min(cgroup_available_bytes(), available_addresses());
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
