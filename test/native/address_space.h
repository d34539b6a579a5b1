// Lowers RLIMIT_AS ("ulimit -v") while an object lives. Defined if QWEN3_LIMIT_ADDRESS_SPACE is:
// the sanitizers need address space of their own.
#pragma once
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define QWEN3_LIMIT_ADDRESS_SPACE
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "harness.h"

namespace qwen3::test {

class AddressSpaceLimit {
 public:
  // Leaves this many bytes beside those in use, or fewer if the hard limit is lower. An emulated
  // system may ignore the limit.
  explicit AddressSpaceLimit(rlim_t bytes) {
    rlim_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    expect(pages > 0 && getrlimit(RLIMIT_AS, &before_) == 0, "cannot read the limit");
    const rlim_t used = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
    const rlimit lower{std::min(before_.rlim_max, used + bytes), before_.rlim_max};
    expect(setrlimit(RLIMIT_AS, &lower) == 0, "cannot set the limit");
    bytes_ = lower.rlim_cur;
  }
  ~AddressSpaceLimit() { setrlimit(RLIMIT_AS, &before_); }
  AddressSpaceLimit(const AddressSpaceLimit&) = delete;
  AddressSpaceLimit& operator=(const AddressSpaceLimit&) = delete;

  rlim_t bytes() const { return bytes_; }

 private:
  rlimit before_{};
  rlim_t bytes_ = 0;
};

}  // namespace qwen3::test
#endif
