#include "report.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>

// Where this program, or the library that the emulator is part of, begins in memory.
extern "C" const char __ehdr_start __attribute__((visibility("hidden")));

namespace emulator {
namespace {

// Program counters are offsets from the start of the program or library; call sites that are given by name are numbered.
constexpr Site kNamed = Site{1} << 31;

struct NamedPlace {
  const char* file;
  int line;
  bool operator==(const NamedPlace&) const = default;
};
auto& named_places =
    *new std::vector<NamedPlace>;  // never destroyed: threads may run when the process exits

std::string last_part(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

// One line of what addr2line says about an address of this process.
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
  std::string answer = line;
  while (!answer.empty() && answer.back() == '\n') answer.pop_back();
  return answer;
}

}  // namespace

// There are a few dozen, and whoever was asked for last is asked for again.
Site site_of(const char* file, int line) {
  static size_t last = 0;
  const NamedPlace wanted{file, line};
  if (last < named_places.size() && named_places[last] == wanted)
    return kNamed | static_cast<Site>(last);
  const auto found = std::find(named_places.begin(), named_places.end(), wanted);
  last = static_cast<size_t>(found - named_places.begin());
  if (found == named_places.end()) named_places.push_back(wanted);
  return kNamed | static_cast<Site>(last);
}

Site site_of(const void* return_address) {
  return static_cast<Site>(static_cast<const char*>(return_address) - &__ehdr_start);
}

std::string describe(Site site) {
  if (site & kNamed) {
    const NamedPlace& place = named_places[site & ~kNamed];
    return last_part(place.file) + ":" + std::to_string(place.line);
  }
  const std::string place = addr2line("", site - 1);  // a return address lies behind its call
  return last_part(place.substr(0, place.find(' ')));
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
