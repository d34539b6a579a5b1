#include "platform/processor.h"

#include <algorithm>
#include <thread>

#include "platform/cgroup.h"

#ifdef __linux__
#include <sched.h>
#include <sys/auxv.h>

#include <fstream>
#include <set>
#include <string>
#include <utility>
#endif
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

namespace qwen3 {
namespace {

#ifdef __linux__
// Physical cores in this process's CPU affinity, or its logical CPUs if the kernel reports no
// topology. 0 if the kernel does not report the affinity.
uint32_t bound_cores() {
  cpu_set_t bound;
  if (sched_getaffinity(0, sizeof bound, &bound) != 0) return 0;
  std::set<std::pair<int, int>> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &bound)) continue;
    const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    int package, core;
    if (!(std::ifstream(topology + "physical_package_id") >> package)) return CPU_COUNT(&bound);
    if (!(std::ifstream(topology + "core_id") >> core)) return CPU_COUNT(&bound);
    cores.emplace(package, core);
  }
  return static_cast<uint32_t>(cores.size());
}
#else
uint32_t bound_cores() { return 0; }
#endif

}  // namespace

uint32_t physical_cores() {
  uint32_t cores = bound_cores();
  if (!cores) cores = std::thread::hardware_concurrency();
  if (const double quota = cgroup_cpus(); quota < cores) cores = static_cast<uint32_t>(quota);
  return std::max(cores, 1u);
}

bool arm_has_bf16() {
#if defined(__aarch64__) && defined(__linux__)
  constexpr unsigned long kBf16 = 1ul << 14;  // HWCAP2_BF16, which older headers do not define
  return (getauxval(AT_HWCAP2) & kBf16) != 0;
#elif defined(__aarch64__) && defined(__APPLE__)
  int has = 0;
  size_t size = sizeof has;
  return sysctlbyname("hw.optional.arm.FEAT_BF16", &has, &size, nullptr, 0) == 0 && has != 0;
#else
  return false;
#endif
}

}  // namespace qwen3
