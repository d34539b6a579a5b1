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

// This process's group in the tree of a controller, or in that of version 2 if `controller` is
// empty.
std::string group_of(const std::string& system, const std::string& controller) {
  std::ifstream groups(system + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // NUMBER:CONTROLLERS:PATH
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string list = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? list.empty() : contains(list, controller))
      return line.substr(second + 1);
  }
  return "";
}

// A part of a tree of control groups that is mounted: the group `root` and those below it.
struct Mount {
  bool unified;  // version 2
  std::string root, folder;
};

// mountinfo writes some characters in octal: a space is \040, a backslash \134.
std::string unescaped(const std::string& text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '\\' && i + 3 < text.size() && text.find_first_not_of("01234567", i + 1) > i + 3;
    plain += escape ? static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)) : text[i];
    if (escape) i += 3;
  }
  return plain;
}

// The mounts of version 2, and those of version 1 that have a controller. Version 1 has a tree for
// each controller or for a few, version 2 one for all; a system may have both.
std::vector<Mount> mounts_of(const std::string& system, const std::string& controller) {
  std::vector<Mount> found;
  std::ifstream mounts(system + "/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // ID PARENT DEVICE ROOT FOLDER OPTIONS ... - TYPE SOURCE OPTIONS
    const size_t separator = line.find(" - cgroup");
    if (separator == std::string::npos) continue;
    std::istringstream place(line), tree(line.substr(separator + 3));
    std::string skipped, root, folder, type, options;
    place >> skipped >> skipped >> skipped >> root >> folder;
    tree >> type >> skipped >> options;
    const bool unified = type == "cgroup2";
    if (unified || (type == "cgroup" && contains(options, controller)))
      found.push_back({unified, unescaped(root), unescaped(folder)});
  }
  return found;
}

// The path of a group below the group `root`, or nothing if it is not below. Paths with ".." lead
// out of what this process sees.
std::optional<std::string> path_below(const std::string& root, const std::string& group) {
  if (root == "/" && (group + '/').find("/../") == std::string::npos) return group;
  if ((group + '/').starts_with(root + '/')) return group.substr(root.size());
  return std::nullopt;
}

// Folders of this process's group and of all its ancestors that are mounted, each of which may set
// a limit. If no mount has the group, those of all mounted roots: in a container one may be the
// group itself or contain it.
std::vector<std::string> group_folders(const std::string& system, const std::string& controller) {
  std::vector<std::string> folders;
  const std::vector<Mount> mounts = mounts_of(system, controller);
  for (const bool unified : {false, true}) {
    const std::string group = group_of(system, unified ? "" : controller);
    std::vector<std::string> with_group, without_group;
    for (const Mount& mount : mounts) {
      if (mount.unified != unified) continue;
      const std::string folder = system + mount.folder;
      const std::optional<std::string> path = path_below(mount.root, group);
      (path ? with_group : without_group).push_back(folder);
      for (size_t end = path ? path->size() : 0; end != 0 && end != std::string::npos;
           end = path->rfind('/', end - 1)) {
        with_group.push_back(folder + path->substr(0, end));
      }
    }
    const auto& used = with_group.empty() ? without_group : with_group;
    folders.insert(folders.end(), used.begin(), used.end());
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

// The files of a version.
struct MemoryFiles {
  const char *limit, *usage;
  const char* total;  // before those keys of memory.stat that include the groups below
};
constexpr MemoryFiles kMemoryFiles[] = {
    {"/memory.max", "/memory.current", ""},
    {"/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_"},
};

// Memory that the kernel frees when memory is short, which counts as available: cached files and
// the kernel's own caches.
double reclaimable(const std::string& folder, const std::string& total) {
  std::ifstream file(folder + "/memory.stat");
  std::string key;
  double bytes = 0;
  for (double value; file >> key >> value;) {
    for (const char* each : {"inactive_file", "active_file", "slab_reclaimable"}) {
      if (key == total + each) bytes += value;
    }
  }
  return bytes;
}

}  // namespace

double cgroup_cpus(const std::string& system) {
  double cpus = std::numeric_limits<double>::infinity();
  for (const std::string& folder : group_folders(system, "cpu")) {
    const std::vector<double> limit = numbers_in(folder + "/cpu.max");
    if (limit.size() == 2) cpus = std::min(cpus, limit[0] / limit[1]);
    const auto quota = number_in(folder + "/cpu.cfs_quota_us");
    const auto period = number_in(folder + "/cpu.cfs_period_us");
    if (quota && period && *quota > 0) cpus = std::min(cpus, *quota / *period);
  }
  return cpus;
}

size_t cgroup_available_bytes(const std::string& system) {
  double least = std::numeric_limits<double>::infinity();
  for (const std::string& folder : group_folders(system, "memory")) {
    for (const MemoryFiles& files : kMemoryFiles) {
      const auto limit = number_in(folder + files.limit), usage = number_in(folder + files.usage);
      if (limit && usage)
        least = std::min(least, std::max(*limit - *usage + reclaimable(folder, files.total), 0.0));
    }
  }
  // Version 1 has a number near 2^63 if there is no limit.
  return least < 0x1p62 ? static_cast<size_t>(least) : SIZE_MAX;
}

}  // namespace qwen3
