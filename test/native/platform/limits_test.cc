// The limits that a system sets for a process: of control groups, memory, address space and CPUs.
// The tests write the files of /proc and /sys into a folder of their own.
#include <algorithm>
#include <limits>
#include <thread>

#include "address_space.h"
#include "platform/cgroup.h"
#include "platform/memory.h"
#include "platform/platform_tests.h"
#include "platform/processor.h"
#include "temporary_folder.h"
#ifdef __linux__
#include <sched.h>
#endif

namespace qwen3::test {
namespace {

using System = TemporaryFolder;

const std::string kMounts = "/proc/self/mountinfo", kGroups = "/proc/self/cgroup";
const std::string kVersion2 =
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

void expect_cpus(const System& system, double wanted, const std::string& when) {
  const double cpus = cgroup_cpus(system.path());
  expect(cpus == wanted,
         when + ": " + std::to_string(cpus) + " CPUs, not " + std::to_string(wanted));
}

void expect_bytes(size_t bytes, size_t wanted, const std::string& when) {
  expect(bytes == wanted,
         when + ": " + std::to_string(bytes) + " bytes, not " + std::to_string(wanted));
}

void expect_unlimited(const System& system, const std::string& when) {
  expect_cpus(system, std::numeric_limits<double>::infinity(), when);
  expect_bytes(cgroup_available_bytes(system.path()), SIZE_MAX, when);
}

void no_control_groups() {
  const System system;
  expect_unlimited(system, "no files");
  system.write(kMounts, "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n");
  system.write(kGroups, "0::/\n");
  system.write("/sys/fs/cgroup/cpu.max", "100000 100000\n");
  expect_unlimited(system, "no groups are mounted");
}

void the_smallest_limit_of_all_ancestors_holds() {
  const System system;
  const std::string root = "/sys/fs/cgroup";
  system.write(kMounts, kVersion2);
  system.write(kGroups, "0::/slice/service\n");
  system.write(root + "/slice/service/cpu.max", "max 100000\n");
  system.write(root + "/slice/service/memory.max", "max\n");
  system.write(root + "/slice/service/memory.current", "1000\n");
  expect_unlimited(system, "the word max");
  system.write(root + "/slice/service/cpu.max", "350000 100000\n");
  system.write(root + "/slice/service/memory.max", "5000\n");
  expect_cpus(system, 3.5, "of the group");
  expect_bytes(cgroup_available_bytes(system.path()), 4000, "of the group");
  system.write(root + "/slice/cpu.max", "25000 50000\n");
  system.write(root + "/slice/memory.max", "9000\n");
  system.write(root + "/slice/memory.current", "8000\n");
  expect_cpus(system, 0.5, "of its parent");
  expect_bytes(cgroup_available_bytes(system.path()), 1000, "of its parent");
  system.write(root + "/cpu.max", "10000 100000\n");
  system.write(root + "/memory.max", "9000\n");
  system.write(root + "/memory.current", "8700\n");
  expect_cpus(system, 0.1, "of the root");
  expect_bytes(cgroup_available_bytes(system.path()), 300, "of the root");
  system.write(root + "/slice/cpu.max", "max 100000\n");
  system.write(root + "/cpu.max", "max 100000\n");
  expect_cpus(system, 3.5, "of the group again");
}

// In a container the mount shows only a part of the tree, whose root may be the group itself.
void groups_of_a_container() {
  const System system;
  const auto mounted = [&](const std::string& root) {
    system.write(kMounts, "30 23 0:26 " + root + " /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n");
  };
  system.write("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  system.write("/sys/fs/cgroup/child/cpu.max", "100000 100000\n");
  system.write("/sys/fs/cgroup2/cpu.max", "50000 100000\n");
  mounted("/docker/1");
  system.write(kGroups, "0::/docker/1\n");
  expect_cpus(system, 2, "the container's group");
  system.write(kGroups, "0::/docker/1/child\n");
  expect_cpus(system, 1, "a group in the container");
  system.write(kGroups, "0::/docker/12\n");
  expect_cpus(system, 2, "a group that the mount does not show");
  mounted("/../..");
  system.write(kGroups, "0::/child\n");
  expect_cpus(system, 2, "a mount from outside of the container, which has other groups");
  mounted("/");
  system.write(kGroups, "0::/no/such/group\n");
  expect_cpus(system, 2, "a path that does not exist in the container");
  system.write("/sys/fs/cpu.max", "10000 100000\n");
  system.write("/sys/fs/cgroup/child/cpu.max", "10000 100000\n");
  system.write(kGroups, "0::/../cgroup2\n");
  expect_cpus(system, 2, "a group outside of the container");
}

// Another group may be mounted elsewhere, by a program that watches it.
void mounts_of_other_groups() {
  const System system;
  system.write(kMounts, kVersion2 + "31 23 0:26 /other /mnt/other ro - cgroup2 cgroup2 rw\n");
  system.write(kGroups, "0::/mine\n");
  system.write("/sys/fs/cgroup/mine/cpu.max", "400000 100000\n");
  system.write("/mnt/other/cpu.max", "10000 100000\n");
  expect_cpus(system, 4, "of the own group");
}

// As systemd names a unit with a dash.
void escaped_paths() {
  const System system;
  system.write(kMounts,
               "30 23 0:26 /my\\134x2dapp.slice /sys/fs/a\\040folder ro - cgroup2 none rw\n");
  system.write(kGroups, "0::/my\\x2dapp.slice/service\n");
  system.write("/sys/fs/a folder/service/cpu.max", "100000 100000\n");
  expect_cpus(system, 1, "of the group");
}

void version_1() {
  const System system;
  // The folder need not have the name of its controller, nor the order of its controllers.
  const std::string cpu = "/sys/fs/cgroup/cpu,cpuacct", memory = "/sys/fs/cgroup/memory";
  system.write(kMounts, "32 31 0:29 / " + cpu +
                            " rw - cgroup cgroup rw,cpuacct,cpu\n"
                            "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n" +
                            "34 31 0:31 / " + memory + " rw - cgroup cgroup rw,memory\n");
  system.write(kGroups, "5:cpuset:/other\n4:cpuacct,cpu:/a\n3:memory:/b\n1:name=systemd:/c\n");
  system.write(cpu + "/a/cpu.cfs_period_us", "100000\n");
  system.write(cpu + "/a/cpu.cfs_quota_us", "-1\n");
  system.write(memory + "/b/memory.limit_in_bytes", "9223372036854771712\n");
  system.write(memory + "/b/memory.usage_in_bytes", "5000\n");
  // Files of other groups and other trees.
  system.write(memory + "/a/memory.limit_in_bytes", "1000\n");
  system.write(memory + "/a/memory.usage_in_bytes", "0\n");
  system.write(cpu + "/other/cpu.cfs_period_us", "100000\n");
  system.write(cpu + "/other/cpu.cfs_quota_us", "1000\n");
  system.write("/sys/fs/cgroup/cpuset/other/cpu.cfs_period_us", "100000\n");
  system.write("/sys/fs/cgroup/cpuset/other/cpu.cfs_quota_us", "1000\n");
  expect_unlimited(system, "no quota, the largest limit");
  system.write(cpu + "/a/cpu.cfs_quota_us", "150000\n");
  system.write(memory + "/b/memory.limit_in_bytes", "8000\n");
  expect_cpus(system, 1.5, "of the group");
  expect_bytes(cgroup_available_bytes(system.path()), 3000, "of the group");
  system.write(cpu + "/cpu.cfs_period_us", "100000\n");
  system.write(cpu + "/cpu.cfs_quota_us", "50000\n");
  system.write(memory + "/memory.limit_in_bytes", "9000\n");
  system.write(memory + "/memory.usage_in_bytes", "8000\n");
  expect_cpus(system, 0.5, "of the root");
  expect_bytes(cgroup_available_bytes(system.path()), 1000, "of the root");
}

// systemd's hybrid layout: version 2 beside the trees of version 1, with or without controllers.
void both_versions() {
  const System system;
  const std::string unified = "/sys/fs/cgroup/unified";
  system.write(kMounts,
               "31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
               "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
               "41 31 0:38 / " +
                   unified + " rw - cgroup2 cgroup2 rw\n");
  system.write(kGroups, "1:cpu:/a\n0::/b\n");
  system.write("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  system.write("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "250000\n");
  system.write(unified + "/b/memory.max", "7000\n");
  system.write(unified + "/b/memory.current", "2000\n");
  expect_cpus(system, 2.5, "of version 1");
  expect_bytes(cgroup_available_bytes(system.path()), 5000, "of version 2");
}

void reclaimable_memory_is_available() {
  const System system;
  const std::string folder = "/sys/fs/cgroup";
  system.write(kMounts, kVersion2);
  system.write(kGroups, "0::/\n");
  system.write(folder + "/memory.max", "10000\n");
  system.write(folder + "/memory.current", "9000\n");
  system.write(folder + "/memory.stat",
               "anon 5000\nfile 3000\ninactive_anon 4000\nactive_file 100\ninactive_file 20\n"
               "slab_reclaimable 3\nslab_unreclaimable 7000\ntotal_inactive_file 6000\n");
  expect_bytes(cgroup_available_bytes(system.path()), 1123, "version 2");
  system.write(folder + "/memory.current", "10100\n");
  expect_bytes(cgroup_available_bytes(system.path()), 23, "more used than the limit, caches");
  system.write(folder + "/memory.current", "11000\n");
  expect_bytes(cgroup_available_bytes(system.path()), 0, "more used than the limit");

  const System old;
  old.write(kMounts, "34 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  old.write(kGroups, "3:memory:/\n");
  old.write(folder + "/memory/memory.limit_in_bytes", "10000\n");
  old.write(folder + "/memory/memory.usage_in_bytes", "9000\n");
  // Without "total_" the keys do not include the groups below, as the usage does.
  old.write(folder + "/memory/memory.stat",
            "inactive_file 1\nactive_file 2\ntotal_inactive_file 40\ntotal_active_file 500\n");
  expect_bytes(cgroup_available_bytes(old.path()), 1540, "version 1");
}

void files_that_are_not_as_expected() {
  const System system;
  system.write(kMounts, kVersion2);
  system.write(kGroups, "0::/a\n");
  expect_unlimited(system, "no files of the group");
  system.write("/sys/fs/cgroup/a/cpu.max", "many few\n");
  system.write("/sys/fs/cgroup/a/memory.max", "many\n");
  system.write("/sys/fs/cgroup/a/memory.current", "\n");
  expect_unlimited(system, "no numbers");
  system.write("/sys/fs/cgroup/a/cpu.max", "100000\n");
  system.write("/sys/fs/cgroup/a/memory.max", "1000\n");
  expect_unlimited(system, "a number too few");
  system.write("/sys/fs/cgroup/a/memory.current", "100\n");
  system.write("/sys/fs/cgroup/a/memory.stat", "active_file\ninactive_file many\n");
  expect_bytes(cgroup_available_bytes(system.path()), 900, "statistics without numbers");
  system.write("/sys/fs/cgroup/cpu.max", "100000 100000\n");
  for (const char* groups : {"", "0", "0:", "0::", "0::a", "::::\n\n:", "0::/a/", "0::///"}) {
    system.write(kGroups, groups);
    expect_cpus(system, 1, std::string("the groups ") + groups);
  }
  for (const char* mounts : {"", "30", "30 23 0:26 /", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2x",
                             "30 23 0:26 / /sys/fs/cgroup rw cgroup2 cgroup2 rw", "- - -\n-\n"}) {
    system.write(kMounts, mounts);
    expect_cpus(system, std::numeric_limits<double>::infinity(), mounts);
  }
}

void allocates_aligned_memory() {
  for (const size_t bytes : {1, 100, 100'000}) {
    void* const memory = allocate_aligned(bytes);
    expect(memory && reinterpret_cast<uintptr_t>(memory) % 64 == 0,
           std::to_string(bytes) + " bytes are not aligned");
    release_aligned(memory);
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which end the process
  expect(!allocate_aligned(SIZE_MAX / 4), "found more memory than there are addresses");
#endif
}

void available_memory_is_the_smallest_limit() {
  const System system;
  expect_bytes(available_memory(system.path()), SIZE_MAX, "no files");
  system.write("/proc/meminfo", "MemTotal:     9000 kB\nMemFree:      100 kB\n");
  expect_bytes(available_memory(system.path()), SIZE_MAX, "a kernel without MemAvailable");
  system.write(
      "/proc/meminfo",
      "MemTotal:     9000 kB\nMemFree:      100 kB\nMemAvailable: 4000 kB\nBuffers: 7 kB\n");
  expect_bytes(available_memory(system.path()), 4'096'000, "of the machine");
  system.write(kMounts, kVersion2);
  system.write(kGroups, "0::/\n");
  system.write("/sys/fs/cgroup/memory.max", "3000000\n");
  system.write("/sys/fs/cgroup/memory.current", "2000000\n");
  expect_bytes(available_memory(system.path()), 1'000'000, "of the control group");
  system.write("/proc/meminfo", "MemAvailable: 500 kB\n");
  expect_bytes(available_memory(system.path()), 512'000, "of the machine again");
  system.write("/proc/meminfo", "MemAvailable: much\n");
  expect_bytes(available_memory(system.path()), 1'000'000, "no number");
}

void physical_cores_of_an_affinity() {
  const System system;
  // Cores of two threads each: CPUs 0 and 4, 1 and 5, 2 and 6, 3 and 7.
  for (int cpu = 0; cpu < 8; ++cpu) {
    const std::string core = std::to_string(cpu % 4);
    system.write(
        "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list",
        core + "," + std::to_string(cpu % 4 + 4) + "\n");
  }
  const auto expect_cores = [&](const std::vector<int>& cpus, uint32_t wanted, const char* when) {
    const uint32_t cores = physical_cores(cpus, system.path());
    expect(cores == wanted,
           std::string(when) + ": " + std::to_string(cores) + ", not " + std::to_string(wanted));
  };
  expect_cores({0, 1, 2, 3, 4, 5, 6, 7}, 4, "all CPUs");
  expect_cores({0, 4}, 1, "both threads of a core");
  expect_cores({1, 2, 7}, 3, "threads of three cores");
  expect_cores({11, 12, 13}, 3, "CPUs without topology");
  expect_cores({}, std::max(std::thread::hardware_concurrency(), 1u), "an unknown affinity");

  system.write(kMounts, kVersion2);
  system.write(kGroups, "0::/\n");
  for (const auto& [quota, cores] : {std::pair{"50000", 1u},
                                     {"250000", 2u},
                                     {"399999", 3u},
                                     {"400000", 4u},
                                     {"900000", 4u},
                                     {"0", 1u},
                                     {"max", 4u}}) {
    system.write("/sys/fs/cgroup/cpu.max", std::string(quota) + " 100000\n");
    expect_cores({0, 1, 2, 3, 4, 5, 6, 7}, cores, quota);
  }
}

#ifdef QWEN3_LIMIT_ADDRESS_SPACE
void available_memory_is_limited_by_the_address_space() {
  const System system;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const AddressSpaceLimit limit(rlim_t{8} << 30);  // more than this process needs
  const size_t real = available_memory();
  if (real == SIZE_MAX) return;  // an emulated system may ignore the limit
  expect(real < limit.bytes(), "the limit is not applied to this process");
  system.write("/proc/self/statm", "100 50 20 1 0 30 0\n");
  expect_bytes(available_memory(system.path()), limit.bytes() - 100 * page,
               "the rest of the limit");
  system.write("/proc/self/statm", std::to_string(limit.bytes() / page + 7) + " 50 20 1 0 30 0\n");
  expect_bytes(available_memory(system.path()), 0, "more used than the limit");
}
#endif

#ifdef __linux__
void physical_cores_respect_the_affinity() {
  cpu_set_t all;
  if (sched_getaffinity(0, sizeof all, &all) != 0) return;  // more CPUs than a set has
  int first = 0;
  while (!CPU_ISSET(first, &all)) ++first;
  uint32_t cores = 1;  // if the affinity cannot be changed
  std::thread([&] {    // which has an affinity of its own
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    if (sched_setaffinity(0, sizeof one, &one) == 0) cores = physical_cores();
  })
      .join();
  expect(cores == 1, "an affinity to one CPU: " + std::to_string(cores) + " cores");
}
#endif

}  // namespace

void add_limit_tests(Tests& tests) {
  tests.insert(tests.end(),
               {{"cgroup: none", no_control_groups},
                {"cgroup: the smallest limit of all ancestors holds",
                 the_smallest_limit_of_all_ancestors_holds},
                {"cgroup: groups of a container", groups_of_a_container},
                {"cgroup: mounts of other groups", mounts_of_other_groups},
                {"cgroup: escaped paths", escaped_paths},
                {"cgroup: version 1", version_1},
                {"cgroup: both versions", both_versions},
                {"cgroup: reclaimable memory is available", reclaimable_memory_is_available},
                {"cgroup: files that are not as expected", files_that_are_not_as_expected},
                {"memory: allocations are aligned, and null if there is too little",
                 allocates_aligned_memory},
                {"memory: the smallest limit holds", available_memory_is_the_smallest_limit},
                {"processor: physical cores of an affinity", physical_cores_of_an_affinity}});
#ifdef QWEN3_LIMIT_ADDRESS_SPACE
  tests.push_back(
      {"memory: the address space is a limit", available_memory_is_limited_by_the_address_space});
#endif
#ifdef __linux__
  tests.push_back(
      {"processor: physical cores respect the affinity", physical_cores_respect_the_affinity});
#endif
}

}  // namespace qwen3::test
