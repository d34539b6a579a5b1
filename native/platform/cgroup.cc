#include "platform/cgroup.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace qwen3 {
namespace {

// Whether a comma-separated list contains `word`.
bool contains(const std::string& list, const std::string& word) {
  std::istringstream words(list);
  for (std::string each; std::getline(words, each, ',');) {
    if (each == word) return true;
  }
  return false;
}

// Folders of this process's group and of all its ancestors, each of which may set a limit. cgroup
// version 1 has one tree per controller. In a container the path in /proc/self/cgroup may not
// exist; the group is then the root of the mount.
std::vector<std::string> group_folders(const std::string& controller) {
  std::vector<std::string> folders;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string list = line.substr(first + 1, second - first - 1);
    const bool unified = list.empty();
    if (!unified && !contains(list, controller)) continue;
    const std::string root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + controller;
    for (std::string path = line.substr(second + 1); path.size() > 1;
         path.resize(path.rfind('/'))) {
      folders.push_back(root + path);
    }
    folders.push_back(root);
  }
  return folders;
}

// The numbers in a file, up to the first word that is not a number, such as "max". Empty if the
// file cannot be read.
std::vector<double> numbers_in(const std::string& path) {
  std::vector<double> numbers;
  std::ifstream file(path);
  for (double number; file >> number;) numbers.push_back(number);
  return numbers;
}

std::optional<double> number_in(const std::string& path) {
  const std::vector<double> numbers = numbers_in(path);
  if (numbers.empty()) return std::nullopt;
  return numbers.front();
}

// Memory that the kernel frees when memory is short, which counts as available: cached files and
// the kernel's own caches.
double reclaimable(const std::string& folder) {
  std::ifstream file(folder + "/memory.stat");
  std::string key;
  double bytes = 0;
  for (double value; file >> key >> value;) {
    if (key == "inactive_file" || key == "active_file" || key == "slab_reclaimable") bytes += value;
  }
  return bytes;
}

}  // namespace

double cgroup_cpus() {
  double cpus = std::numeric_limits<double>::infinity();
  for (const std::string& folder : group_folders("cpu")) {
    const std::vector<double> limit = numbers_in(folder + "/cpu.max");
    if (limit.size() == 2) cpus = std::min(cpus, limit[0] / limit[1]);
    const auto quota = number_in(folder + "/cpu.cfs_quota_us");
    const auto period = number_in(folder + "/cpu.cfs_period_us");
    if (quota && period && *quota > 0) cpus = std::min(cpus, *quota / *period);
  }
  return cpus;
}

size_t cgroup_available_bytes() {
  double least = std::numeric_limits<double>::infinity();
  for (const std::string& folder : group_folders("memory")) {
    for (const auto& [limit_file, usage_file] :
         {std::pair{"/memory.max", "/memory.current"},
          std::pair{"/memory.limit_in_bytes", "/memory.usage_in_bytes"}}) {
      const auto limit = number_in(folder + limit_file), usage = number_in(folder + usage_file);
      if (limit && usage)
        least = std::min(least, std::max(*limit - *usage + reclaimable(folder), 0.0));
    }
  }
  // Version 1 has a number near 2^63 if there is no limit.
  return least < 0x1p62 ? static_cast<size_t>(least) : SIZE_MAX;
}

}  // namespace qwen3
