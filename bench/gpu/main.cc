// Times the CUDA backend through its own interface, as the addon uses it: ops, then whole models with random weights.
// Calls are enqueued many at a time and timed on the host's clock; medians. Prints a line of JSON per
// case, and one for every backend that it opens, with the device's name, which tells whose kernels run.
//
// --once is for a profiler. A case is one op of the 8B, launched once, and the driver's profiling is on
// for it alone:
//
//   ncu --profile-from-start off --csv ... gpu_bench --once
//
// A case may be several kernels: in int8, linear_add quantises its input first; in the small plan a
// second kernel adds parts. So each begins with a launch of store_kernel, which nothing else launches
// while profiling is on. In the order of launches, what lies between the n-th store_kernel and the next
// are the kernels of the line with "case":n.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <sstream>
#include <string_view>

#include "error.h"
#include "harness.h"

namespace qwen3::bench {
namespace {

constexpr int kNoDevice = 77;  // the exit code of what was skipped
constexpr const char* kUsage =
    "usage: gpu_bench [options]\n"
    "  --sections linear,model,attention,rows   default: all, in this order\n"
    "  --models 8B,0.6B,4B   --dtypes bf16,int8,f16   --rows 8192,512 (of linear)\n"
    "  --library PATH        default: build/Release/libqwen3_embed_cuda.so\n"
    "  --scratch FOLDER      for a file of 1.2 GB while models are timed; default: here\n"
    "  --seconds N           no case begins later; default 300\n"
    "  --toy                 every call once or twice, at tiny sizes\n"
    "  --once                for a profiler: each op of a short list once, with profiling on "
    "around it; no "
    "models\n";

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

// Numbers from 1 to a million; 0 in the place of anything else.
std::vector<uint32_t> counts(const std::string& list) {
  std::vector<uint32_t> numbers;
  for (const std::string& word : split(list)) {
    const long number = std::strtol(word.c_str(), nullptr, 10);
    numbers.push_back(number > 0 && number <= 1'000'000 ? static_cast<uint32_t>(number) : 0);
  }
  return numbers;
}

// False: an option that is not known, one without its value, or no number of rows.
bool parse(int argc, char** argv, Options* options) {
  const std::map<std::string_view, std::function<void(const std::string&)>> setters{
      {"--sections", [&](const std::string& value) { options->sections = split(value); }},
      {"--models", [&](const std::string& value) { options->models = split(value); }},
      {"--dtypes", [&](const std::string& value) { options->dtypes = split(value); }},
      {"--rows", [&](const std::string& value) { options->rows = counts(value); }},
      {"--library", [&](const std::string& value) { options->library = value; }},
      {"--scratch", [&](const std::string& value) { options->scratch = value; }},
      {"--seconds", [&](const std::string& value) { options->seconds = std::atof(value.c_str()); }},
  };
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const auto setter = setters.find(name);
    if (name == "--toy") {
      options->toy = true;
    } else if (name == "--once") {
      options->once = true;
    } else if (setter != setters.end() && i + 1 < argc) {
      setter->second(argv[++i]);
    } else {
      return false;
    }
  }
  return std::find(options->rows.begin(), options->rows.end(), 0u) == options->rows.end();
}

// False: there is no such section.
bool run(const Options& options) {
  const std::map<std::string, void (*)(const Options&)> sections{{"linear", time_linear},
                                                                 {"model", time_models},
                                                                 {"attention", time_attention},
                                                                 {"rows", time_rows}};
  for (const std::string& section : options.sections) {
    const auto found = sections.find(section);
    if (found == sections.end()) return false;
    found->second(options);
  }
  return true;
}

}  // namespace
}  // namespace qwen3::bench

int main(int argc, char** argv) {
  using namespace qwen3::bench;
  Options options;
  try {
    if (parse(argc, argv, &options) && run(options)) return 0;
    std::fprintf(stderr, "%s", kUsage);
    return 2;
  } catch (const qwen3::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.code == qwen3::ErrorCode::device_unavailable ? kNoDevice : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
