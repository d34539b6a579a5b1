// Times the CUDA backend through the interface that the addon uses: single ops, and models with
// random weights. Many calls are enqueued at a time and timed with the host's clock; figures are
// medians. Prints one line of JSON per case, and one for every backend that it opens, with the
// device's name, which contains the architecture of the kernels that run.
//
// --once is for a profiler. A case is one op of the 8B model, launched once, with the driver's
// profiling on only during the case:
//
//   ncu --profile-from-start off --csv ... gpu_bench --once
//
// A case may launch several kernels: in int8, linear_add quantizes its input first; in the small
// plan, a second kernel adds split-K partials. Therefore each case begins with a launch of
// store_kernel, which is not launched otherwise while profiling is on. In launch order, the kernels
// between the n-th store_kernel and the next one belong to the line with "case":n.
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

constexpr int kNoDevice = 77;  // exit code of a skipped check
constexpr const char* kUsage =
    "usage: gpu_bench [options]\n"
    "  --sections linear,model,attention,rows   default: all, in this order\n"
    "  --models 8B,0.6B,4B   --dtypes bf16,int8,f16   --rows 8192,512 (of linear)\n"
    "  --library PATH        default: build/Release/libqwen3_embed_cuda.so\n"
    "  --scratch FOLDER      for a file of 1.2 GB while models are timed; default: here\n"
    "  --seconds N           time limit after which no case begins; default: 300\n"
    "  --toy                 every call once or twice, at tiny sizes\n"
    "  --once                for a profiler: runs each op of a short list once, with profiling on\n"
    "                        during the op; no models\n";

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

// Parses numbers from 1 to 1,000,000; anything else becomes 0.
std::vector<uint32_t> counts(const std::string& list) {
  std::vector<uint32_t> numbers;
  for (const std::string& word : split(list)) {
    const long number = std::strtol(word.c_str(), nullptr, 10);
    numbers.push_back(number > 0 && number <= 1'000'000 ? static_cast<uint32_t>(number) : 0);
  }
  return numbers;
}

// Returns false for an unknown option, an option without its value, or an invalid number of rows.
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

// Returns false for an unknown section.
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
