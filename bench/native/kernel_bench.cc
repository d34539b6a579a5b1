// Speed of the CPU backend's linear ops and attention, as a share of the peak that register-only
// loops reach on the same machine in the same run. Prints tables; --json FILE also writes the
// numbers. kUsage lists the options.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"
#include "peak.h"
#include "samples.h"

namespace qwen3::bench {
namespace {

// The linear ops of a layer of Qwen3-Embedding-0.6B.
struct Shape {
  const char* name;
  uint32_t outputs, inputs;
  enum { store, add, swiglu } epilogue;
};
constexpr Shape kShapes[] = {{"query", 2048, 1024, Shape::store},
                             {"key_value", 2048, 1024, Shape::store},
                             {"gate_up", 6144, 1024, Shape::swiglu},
                             {"down", 1024, 3072, Shape::add},
                             {"output", 1024, 2048, Shape::add}};
constexpr uint32_t kRowPadding = 32;  // values; the engine pads rows of activations by as many
constexpr uint32_t kQueryHeads = 16, kKeyValueHeads = 8, kHeadDim = 128;
constexpr uint32_t kChunk = 512;  // rows of a chunk of attention

constexpr const char* kUsage =
    "kernel_bench [--threads 1,2] [--weights f32,bf16] [--isa avx2] [--rows 32,128,512,2048]\n"
    "             [--tokens 512,2048,8192,32768] [--rounds 7] [--json FILE]\n"
    "rows: of linear ops. tokens: length of a text; attention runs its last 512 rows.\n"
    "A round takes about 15 s.\n";

struct Options {
  std::vector<uint32_t> threads{1, 2}, rows{32, 128, 512, 2048}, tokens{512, 2048, 8192, 32768};
  std::vector<DType> weights{DType::f32, DType::bf16};
  Isa isa = best_isa();
  uint32_t rounds = 7;
  std::string json;
};

const char* name_of(DType dtype) { return dtype == DType::f32 ? "f32" : "bf16"; }

// Matrices in a backend's memory. Frees them.
class Arena {
 public:
  explicit Arena(Backend& backend) : backend_(backend) {}
  ~Arena() {
    for (void* memory : owned_) backend_.release(memory);
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  void* bytes(size_t count) {
    void* memory = backend_.allocate(count);
    if (!memory) throw std::bad_alloc();
    return owned_.emplace_back(memory);
  }
  // Values uniform in [-1, 1), so that results stay finite and the arithmetic units see random
  // data.
  Matrix matrix(uint32_t rows, uint32_t cols, DType dtype) {
    const uint32_t stride = cols + kRowPadding;
    const size_t count = size_t{rows} * stride;
    void* memory = bytes(count * bytes_of(dtype));
    for (size_t i = 0; i < count; ++i) {
      const float value = std::uniform_real_distribution<float>(-1, 1)(random_);
      uint32_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      if (dtype == DType::f32) {
        static_cast<float*>(memory)[i] = value;
      } else {
        static_cast<uint16_t*>(memory)[i] = static_cast<uint16_t>(bits >> 16);
      }
    }
    return {memory, rows, cols, stride, dtype};
  }
  Matrix weight(WeightUse use, uint32_t rows, uint32_t cols) {
    const Matrix source = matrix(rows, cols, DType::f32);
    const WeightLayout layout = backend_.weight_layout(use, rows, cols, DType::f32);
    const Matrix weight{bytes(layout.bytes), rows, cols, cols, layout.dtype};
    for (uint32_t row = 0; row < rows; ++row) {
      const float* from = static_cast<const float*>(source.data) + size_t{row} * source.stride;
      backend_.store_weight(weight, use, row, 1, from, DType::f32);
    }
    return weight;
  }

 private:
  Backend& backend_;
  std::vector<void*> owned_;
  std::minstd_rand random_{1};
};

struct Case {
  std::string op;  // "query" or "attention"
  uint32_t size;   // rows or tokens
  double flops;
  std::function<void()> run;
  Series series;  // flops per second
};

// All cases of one number of threads and one dtype of weights.
class Setting {
 public:
  Setting(const Options& options, uint32_t threads, DType weights)
      : threads_(threads),
        weights_(weights),
        pool_(std::make_shared<ThreadPool>()),
        backend_(open_cpu_backend(options.isa, weights, {pool_, threads})),
        arena_(*backend_),
        peak_loop_(peak_loop(options.isa, weights)) {
    for (const Shape& shape : kShapes) {
      if (!options.rows.empty()) add_linear(shape, options.rows);
    }
    for (const uint32_t tokens : options.tokens) add_attention(tokens);
  }

  void round() {
    sample_peak();
    for (Case& each : cases_) each.series.add(each.flops, measure(threads_, each.run));
    sample_peak();
  }

  uint32_t threads() const { return threads_; }
  DType weights() const { return weights_; }
  const char* instruction() const { return peak_loop_.instruction; }
  const Series& peak() const { return peak_; }
  const std::vector<Case>& cases() const { return cases_; }

 private:
  void sample_peak() {
    if (!peak_loop_.run) return;
    peak_.add(peak_loop_.flops * threads_, measure(threads_, [&] {
                pool_->run(threads_, threads_, [&](uint32_t, uint32_t) { peak_loop_.run(); });
              }));
  }

  void add_linear(const Shape& shape, const std::vector<uint32_t>& all_rows) {
    const bool pairs = shape.epilogue == Shape::swiglu;
    const uint32_t columns = pairs ? shape.outputs / 2 : shape.outputs;
    const Matrix weight =
        arena_.weight(pairs ? WeightUse::gate_up : WeightUse::linear, shape.outputs, shape.inputs);
    for (const uint32_t rows : all_rows) {
      const Matrix in = arena_.matrix(rows, shape.inputs, backend_->traits().input);
      const Matrix out =
          arena_.matrix(rows, columns, pairs ? backend_->traits().input : DType::f32);
      cases_.push_back({shape.name,
                        rows,
                        2.0 * rows * shape.outputs * shape.inputs,
                        [=, this] {
                          switch (shape.epilogue) {
                            case Shape::store: return backend_->linear(in, weight, out);
                            case Shape::add: return backend_->linear_add(in, weight, out);
                            case Shape::swiglu: return backend_->linear_swiglu(in, weight, out);
                          }
                        },
                        {}});
    }
  }

  // The last chunk of one text. Only pairs of query and key that the causal mask admits count as
  // work.
  void add_attention(uint32_t tokens) {
    const Heads heads{
        kQueryHeads, kKeyValueHeads, kHeadDim, 1e-6f,
        static_cast<float*>(arena_.matrix(tokens, kHeadDim - kRowPadding, DType::f32).data)};
    const uint32_t pages = (tokens + kPageTokens - 1) / kPageTokens;
    auto* const table = static_cast<uint32_t*>(arena_.bytes(pages * sizeof(uint32_t)));
    for (uint32_t page = 0; page < pages; ++page) table[page] = page;
    auto* const span = static_cast<Span*>(arena_.bytes(sizeof(Span)));
    void* const memory = arena_.bytes(pages * backend_->page_bytes(heads));
    const Matrix gain = arena_.matrix(1, kHeadDim, DType::f32);
    const Matrix key_value = arena_.matrix(kChunk, 2 * kKeyValueHeads * kHeadDim, DType::f32);
    uint32_t first = 0, rows = 0;
    // All chunks store the same keys; their values do not affect the speed.
    while (first + rows < tokens) {
      first += rows;
      rows = std::min(kChunk, tokens - first);
      *span = {0, rows, first, {nullptr, 0, 0}, {table, tokens, 0}};
      Matrix some = key_value;
      some.rows = rows;
      backend_->norm_rope_store(some, gain, heads, {span, 1, 0}, memory);
    }
    const Matrix query = arena_.matrix(rows, kQueryHeads * kHeadDim, DType::f32);
    const Matrix out = arena_.matrix(rows, kQueryHeads * kHeadDim, backend_->traits().input);
    const double pairs = rows * (first + 0.5 * (rows + 1.0));
    cases_.push_back({"attention",
                      tokens,
                      4.0 * kQueryHeads * kHeadDim * pairs,
                      [=, this] {
                        backend_->attention(query, heads, {span, 1, 0}, memory, out);
                      },
                      {}});
  }

  uint32_t threads_;
  DType weights_;
  std::shared_ptr<ThreadPool> pool_;
  std::unique_ptr<Backend> backend_;
  Arena arena_;
  PeakLoop peak_loop_;
  Series peak_;
  std::vector<Case> cases_;
};

// Theoretical peak per cycle: the next power of two above the measured rate.
void print_peak(const Setting& setting, double hertz) {
  const double rate = setting.peak().median();
  if (rate == 0 || hertz == 0) {
    std::printf("Peak unknown: no clean sample, or no loop for this instruction set.\n");
    return;
  }
  const double per_cycle = rate / hertz / setting.threads();
  double units = 1;
  while (units * 1.03 < per_cycle) units *= 2;
  std::printf(
      "Peak (%s, registers only): %.1f GFLOP/s, %.1f per cycle at %.2f GHz, %.0f %% of %.0f%s\n",
      setting.instruction(), rate / 1e9, per_cycle, hertz / 1e9, 100 * per_cycle / units, units,
      per_cycle / units < 0.95
          ? " - BELOW 95 %: other load slowed the peak loop, shares are too high"
          : "");
}

void print(const Setting& setting, double hertz) {
  std::printf("\n## %s weights, %u thread%s\n\n", name_of(setting.weights()), setting.threads(),
              setting.threads() == 1 ? "" : "s");
  print_peak(setting, hertz);
  const double peak = setting.peak().median();
  std::printf(
      "\n| op | rows or tokens | GFLOP/s | p10 to p90 | share of peak | clean samples |\n"
      "| --- | --- | --- | --- | --- | --- |\n");
  std::vector<double> shares;
  size_t linear = 0;
  for (const Case& each : setting.cases()) {
    const Series& series = each.series;
    const bool counts = each.op != "attention" && each.size >= 128;
    linear += counts;
    if (series.clean.empty()) {
      std::printf("| %s | %u | - | - | - | 0 of %u |\n", each.op.c_str(), each.size,
                  series.samples);
      continue;
    }
    const double share = peak ? series.median() / peak : 0;
    if (counts && peak) shares.push_back(share);
    std::printf("| %s | %u | %.1f | %.1f to %.1f | %.0f %% | %zu of %u |\n", each.op.c_str(),
                each.size, series.median() / 1e9, series.at(0.1) / 1e9, series.at(0.9) / 1e9,
                100 * share, series.clean.size(), series.samples);
  }
  if (shares.empty()) return;
  std::sort(shares.begin(), shares.end());
  std::printf(
      "\nLinear ops of 128 rows and more: median %.1f %%, minimum %.1f %% of peak "
      "(%zu of %zu with clean samples)\n",
      100 * shares[shares.size() / 2], 100 * shares.front(), shares.size(), linear);
}

void write_json(const std::string& path, const Options& options, double hertz,
                const std::vector<std::unique_ptr<Setting>>& settings) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (!file) throw std::runtime_error("cannot write " + path);
  std::fprintf(file, "{\"isa\":\"%s\",\"clockHertz\":%.0f,\"settings\":[", to_string(options.isa),
               hertz);
  const char* comma = "";
  for (const auto& setting : settings) {
    std::fprintf(file, "%s\n {\"weights\":\"%s\",\"threads\":%u,\"peakFlops\":%.0f,\"cases\":[",
                 comma, name_of(setting->weights()), setting->threads(), setting->peak().median());
    comma = "";
    for (const Case& each : setting->cases()) {
      std::fprintf(
          file,
          "%s\n  "
          "{\"op\":\"%s\",\"size\":%u,\"flops\":%.0f,\"p10\":%.0f,\"p90\":%.0f,\"clean\":%zu}",
          comma, each.op.c_str(), each.size, each.series.median(), each.series.at(0.1),
          each.series.at(0.9), each.series.clean.size());
      comma = ",";
    }
    std::fprintf(file, "]}");
  }
  std::fprintf(file, "]}\n");
  std::fclose(file);
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

std::vector<uint32_t> numbers(const std::string& list) {
  std::vector<uint32_t> values;
  for (const std::string& word : split(list))
    values.push_back(static_cast<uint32_t>(std::stoul(word)));
  return values;
}

Options parse(int argc, char** argv) {
  Options options;
  const std::map<std::string, std::function<void(const std::string&)>> setters{
      {"--threads", [&](const std::string& value) { options.threads = numbers(value); }},
      {"--rows", [&](const std::string& value) { options.rows = numbers(value); }},
      {"--tokens", [&](const std::string& value) { options.tokens = numbers(value); }},
      {"--rounds", [&](const std::string& value) { options.rounds = numbers(value).at(0); }},
      {"--isa", [&](const std::string& value) { options.isa = parse_isa(value).value(); }},
      {"--json", [&](const std::string& value) { options.json = value; }},
      {"--weights", [&](const std::string& value) {
         options.weights.clear();
         for (const std::string& word : split(value)) {
           options.weights.push_back(word == "bf16" ? DType::bf16 : DType::f32);
         }
       }}};
  for (int i = 1; i < argc; i += 2) {
    const auto setter = setters.find(argv[i]);
    if (setter == setters.end() || i + 1 == argc)
      throw std::invalid_argument(std::string(argv[i]) + "\n" + kUsage);
    setter->second(argv[i + 1]);
  }
  return options;
}

int run(const Options& options) {
  const double hertz = clock_hertz();
  std::vector<std::unique_ptr<Setting>> settings;
  for (const uint32_t threads : options.threads) {
    for (const DType weights : options.weights) {
      settings.push_back(std::make_unique<Setting>(options, threads, weights));
    }
  }
  for (uint32_t round = 0; round < options.rounds; ++round) {
    for (const auto& setting : settings) setting->round();
    std::fprintf(stderr, "round %u of %u\n", round + 1, options.rounds);
  }
  std::printf("# Kernels of %s, %.2f GHz\n", to_string(options.isa), hertz / 1e9);
  for (const auto& setting : settings) print(*setting, hertz);
  if (!options.json.empty()) write_json(options.json, options, hertz, settings);
  return 0;
}

}  // namespace
}  // namespace qwen3::bench

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--help") == 0) {
    std::printf("%s", qwen3::bench::kUsage);
    return 0;
  }
  try {
    return qwen3::bench::run(qwen3::bench::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kernel_bench: %s\n", error.what());
    return 1;
  }
}
