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
size_t available_addresses([[maybe_unused]] const std::string& system) {
#ifndef _WIN32
  rlimit limit;
  size_t pages;
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      std::ifstream(system + "/proc/self/statm") >> pages) {
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

size_t available_memory(const std::string& system) noexcept {
  try {
    size_t available = std::min(cgroup_available_bytes(system), available_addresses(system));
    std::ifstream file(system + "/proc/meminfo");
    size_t kibibytes;
    for (std::string word; file >> word;) {
      if (word == "MemAvailable:" && file >> kibibytes)
        available = std::min(available, kibibytes * 1024);
    }
    return available;
  } catch (...) {
    return SIZE_MAX;
  }
}

}  // namespace qwen3
