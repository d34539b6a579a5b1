#include "report.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>

// The load address of the program or library that contains the emulator.
extern "C" const char __ehdr_start __attribute__((visibility("hidden")));

namespace emulator {
namespace {

// A site is either a program counter, as an offset from __ehdr_start, or, with this bit set, an
// index into named_locations.
constexpr Site kNamed = Site{1} << 31;

struct NamedLocation {
  const char* file;
  int line;
  bool operator==(const NamedLocation&) const = default;
};
// Never destroyed: threads may still run when the process exits.
auto& named_locations = *new std::vector<NamedLocation>;

std::string base_name(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

// The first line that addr2line prints for an address of this process.
std::string addr2line(const char* flags, uint64_t offset) {
  Dl_info info;
  if (!dladdr(&__ehdr_start, &info)) return "?";
  char address[32], line[1024] = "?";
  std::snprintf(address, sizeof address, "0x%lx", offset);
  const std::string command =
      std::string("addr2line ") + flags + " -e '" + info.dli_fname + "' " + address;
  if (FILE* pipe = popen(command.c_str(), "r")) {
    if (!std::fgets(line, sizeof line, pipe)) line[0] = '\0';
    pclose(pipe);
  }
  std::string result = line;
  while (!result.empty() && result.back() == '\n') result.pop_back();
  return result;
}

}  // namespace

// There are a few dozen locations, and consecutive calls mostly ask for the same one.
Site site_of(const char* file, int line) {
  static size_t last = 0;
  const NamedLocation wanted{file, line};
  if (last < named_locations.size() && named_locations[last] == wanted)
    return kNamed | static_cast<Site>(last);
  const auto found = std::find(named_locations.begin(), named_locations.end(), wanted);
  last = static_cast<size_t>(found - named_locations.begin());
  if (found == named_locations.end()) named_locations.push_back(wanted);
  return kNamed | static_cast<Site>(last);
}

Site site_of(const void* return_address) {
  return static_cast<Site>(static_cast<const char*>(return_address) - &__ehdr_start);
}

std::string describe(Site site) {
  if (site & kNamed) {
    const NamedLocation& location = named_locations[site & ~kNamed];
    return base_name(location.file) + ":" + std::to_string(location.line);
  }
  const std::string location = addr2line("", site - 1);  // the call precedes its return address
  return base_name(location.substr(0, location.find(' ')));
}

std::string function_name(const void* function) {
  std::string name = addr2line("-C -f", site_of(function));
  const std::string anonymous = "(anonymous namespace)::";
  for (size_t at; (at = name.find(anonymous)) != name.npos;) name.erase(at, anonymous.size());
  return name.substr(0, name.find('('));
}

std::string ranges(const std::vector<int>& list) {
  std::string all;
  for (size_t i = 0, last; i < list.size(); i = last + 1) {
    last = i;
    while (last + 1 < list.size() && list[last + 1] == list[last] + 1) ++last;
    all += (all.empty() ? "" : ",") + std::to_string(list[i]);
    if (last > i) all += "-" + std::to_string(list[last]);
  }
  return all;
}

}  // namespace emulator
