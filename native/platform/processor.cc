#include "platform/processor.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "platform/cgroup.h"

#ifdef __linux__
#include <sched.h>
#include <sys/auxv.h>
#endif
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

namespace qwen3 {
namespace {

// The logical CPUs of the affinity of this thread. Empty if the system does not report it.
std::vector<int> bound_cpus() {
  std::vector<int> cpus;
#ifdef __linux__
  cpu_set_t bound;
  if (sched_getaffinity(0, sizeof bound, &bound) != 0) return {};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &bound)) cpus.push_back(cpu);
  }
#endif
  return cpus;
}

}  // namespace

uint32_t physical_cores() { return physical_cores(bound_cpus(), ""); }

uint32_t physical_cores(const std::vector<int>& cpus, const std::string& system) {
  // The numbers that Linux gives to cores are unique within a cluster only.
  std::set<std::string> siblings;  // the logical CPUs of a core, "0,4"
  for (const int cpu : cpus) {
    const std::string name = std::to_string(cpu);
    const std::string topology = system + "/sys/devices/system/cpu/cpu" + name + "/topology/";
    std::string list;
    std::ifstream(topology + "thread_siblings_list") >> list;
    siblings.insert(list.empty() ? name : list);
  }
  auto cores = static_cast<uint32_t>(siblings.size());
  if (cores == 0) cores = std::thread::hardware_concurrency();
  if (const double quota = cgroup_cpus(system); quota < cores) cores = static_cast<uint32_t>(quota);
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
