// Times models with random weights, from token ids to vectors, with the loader, workspace and
// forward pass of the addon. All weights of the checkpoint are the same piece of one file, which is
// as large as the largest weight. All gains share another piece.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "engine/loaded_model.h"
#include "error.h"
#include "harness.h"
#include "model/forward.h"
#include "models/model_family.h"

namespace qwen3::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Texts = std::vector<std::vector<uint32_t>>;

constexpr float kWeightSize = 0.02f;  // activations keep their magnitude, approximately
constexpr double kSecondsPerCase = 2;
constexpr uint32_t kQueryTokens = 32, kQueryRuns = 60;

double seconds_since(Clock::time_point when) {
  return std::chrono::duration<double>(Clock::now() - when).count();
}

// --- Weights -------------------------------------------------------------------------------------

// A file of ones, for the gains, followed by random weights. The destructor removes it.
class WeightFile {
 public:
  WeightFile(const Options& options, size_t weights, size_t gains)
      : path_(std::filesystem::path(options.scratch) / "bench-weights.bin"), gains_(gains) {
    std::ofstream file(path_, std::ios::binary);
    const std::vector<uint16_t> ones(gains, 0x3f80);
    file.write(reinterpret_cast<const char*>(ones.data()), static_cast<std::streamsize>(gains * 2));
    const std::vector<uint16_t> values = random_halves(kWeightSize);
    for (size_t done = 0; done < weights; done += values.size()) {
      const size_t count = std::min(values.size(), weights - done);
      file.write(reinterpret_cast<const char*>(values.data()),
                 static_cast<std::streamsize>(count * 2));
    }
    file.close();
    if (!file) throw std::runtime_error("cannot write " + path_.string());
  }
  ~WeightFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  WeightFile(const WeightFile&) = delete;

  std::string path() const { return path_.string(); }
  TensorSource gain(uint32_t count) const {
    return {0, 0, uint64_t{count} * 2, DType::bf16, 1, count};
  }
  TensorSource weight(uint32_t rows, uint32_t cols) const {
    return {0, gains_ * 2, uint64_t{rows} * cols * 2, DType::bf16, rows, cols};
  }

 private:
  std::filesystem::path path_;
  size_t gains_;
};

ModelSource source_of(const ModelConfig& config, const WeightFile& file) {
  ModelSource source = test::model_source(
      config, file.weight(config.vocabulary, config.hidden),
      [&](uint32_t count) { return file.gain(count); },
      [&](uint32_t rows, uint32_t cols) { return file.weight(rows, cols); });
  source.files = {{file.path(), ""}};
  return source;
}

// The number of parameters of the linear weights, all of which a short query must read.
double linear_weights(const ModelConfig& c) {
  const double queries = c.query_heads * c.head_dim, keys = c.key_value_heads * c.head_dim;
  return c.layers * c.hidden * (2.0 * queries + 2.0 * keys + 3.0 * c.intermediate);
}

// --- Texts ---------------------------------------------------------------------------------------

// Pseudorandom lengths from 16 to 1,039 tokens, of a linear congruential generator, `tokens` or
// more in total.
std::vector<uint32_t> ragged_lengths(uint32_t tokens) {
  std::vector<uint32_t> lengths;
  uint32_t state = 1;
  for (uint32_t total = 0; total < tokens; total += lengths.back()) {
    state = state * 1664525 + 1013904223;
    lengths.push_back(16 + (state >> 8) % 1024);
  }
  return lengths;
}

Texts texts_of(const std::vector<uint32_t>& lengths, uint32_t vocabulary) {
  Texts texts;
  uint32_t state = 7;
  for (const uint32_t length : lengths) {
    std::vector<uint32_t> ids(length);
    for (uint32_t& id : ids) id = (state = state * 1664525 + 1013904223) % vocabulary;
    texts.push_back(std::move(ids));
  }
  return texts;
}

// Fills batches in order, as the queue does: each has as many texts as fit.
std::vector<Texts> batches_of(Texts texts, uint32_t most_tokens) {
  std::vector<Texts> batches;
  size_t tokens = most_tokens;
  for (std::vector<uint32_t>& text : texts) {
    if (tokens + text.size() > most_tokens) {
      batches.emplace_back();
      tokens = 0;
    }
    tokens += text.size();
    batches.back().push_back(std::move(text));
  }
  return batches;
}

void embed(LoadedModel& loaded, const Texts& texts, bool invariant) {
  const std::vector<std::span<const uint32_t>> spans(texts.begin(), texts.end());
  const Model& model = *loaded.model;
  const Batch batch = loaded.workspace->prepare(spans, invariant);
  forward(*model.backend, model, batch, loaded.workspace->activations(), [] { return true; });
  const uint32_t width = model.config.hidden;
  std::vector<float> vectors(texts.size() * width);
  std::vector<Pooled> outputs;
  for (uint32_t i = 0; i < texts.size(); ++i) {
    outputs.push_back({i, width, vectors.data() + size_t{i} * width, false});
  }
  model.backend->pool(batch.pooled_rows.x, model.final_norm, model.config.norm_eps, outputs.data(),
                      static_cast<uint32_t>(outputs.size()));
  sync(*model.backend);
  for (const Pooled& output : outputs) {
    if (!output.finite) throw std::runtime_error("a vector of the benchmark is not finite");
  }
}

// --- Cases ---------------------------------------------------------------------------------------

void print_skipped(const char* model, DType input, const std::string& why) {
  print_line(R"({"kind":"skipped","model":"%s","dtype":"%s","why":"%s"})", model, dtype_name(input),
             why.c_str());
}

// Returns the median over the runs of about two seconds, at least three, after a warm-up run.
double seconds_of(const Options& options, LoadedModel& loaded, const std::vector<Texts>& batches) {
  std::vector<double> samples;
  const auto begin = Clock::now();
  do {
    const auto run = Clock::now();
    for (const Texts& texts : batches) embed(loaded, texts, false);
    samples.push_back(seconds_since(run));
  } while (samples.size() < (options.toy ? 2 : 4) ||
           (!options.toy && seconds_since(begin) < kSecondsPerCase));
  samples.erase(samples.begin());
  return median(samples);
}

void time_query(const Options& options, LoadedModel& loaded, const char* name, DType input,
                bool invariant) {
  const Texts query = texts_of({options.toy ? 3 : kQueryTokens}, loaded.model->config.vocabulary);
  std::vector<double> samples;
  for (uint32_t i = 0; i < (options.toy ? 2 : kQueryRuns); ++i) {
    const auto run = Clock::now();
    embed(loaded, query, invariant);
    samples.push_back(seconds_since(run));
  }
  print_line(R"({"kind":"query","model":"%s","dtype":"%s","tokens":%zu,"invariant":%s,)"
             R"("seconds":%.4g,"weight_bytes":%.0f})",
             name, dtype_name(input), query[0].size(), invariant ? "true" : "false",
             median(samples), linear_weights(loaded.model->config) * bytes_of(input));
}

void time_lengths(const Options& options, LoadedModel& loaded, const char* name, DType input,
                  const std::vector<uint32_t>& lengths) {
  const Model& model = *loaded.model;
  const BatchSize& limits = loaded.limits;
  const uint32_t rows =
      options.toy ? 80 : std::min(model.backend->traits().batch_rows, limits.tokens);
  const auto time_texts = [&](const char* what, uint32_t length, const std::vector<uint32_t>& all) {
    const double tokens = std::accumulate(all.begin(), all.end(), 0.0);
    const double seconds =
        seconds_of(options, loaded,
                   batches_of(texts_of(all, model.config.vocabulary), std::max(rows, length)));
    print_line(
        R"({"kind":"model","model":"%s","dtype":"%s","lengths":"%s","texts":%zu,"tokens":%.0f,)"
        R"("seconds":%.4g,"tokens_per_second":%.6g})",
        name, dtype_name(input), what, all.size(), tokens, seconds, tokens / seconds);
  };
  for (const uint32_t length : lengths) {
    if (!time_is_left(options)) return;
    if (length > limits.tokens) {
      print_skipped(name, input,
                    "a text of " + std::to_string(length) + " tokens does not fit the memory");
    } else if (length == 0) {
      time_texts("ragged", 1039, ragged_lengths(options.toy ? 40 : 4 * rows));
    } else {
      time_texts(std::to_string(length).c_str(), length,
                 std::vector<uint32_t>(std::max(1u, rows / length), length));
    }
  }
}

void time_model(const Options& options, const WeightFile& file, const NamedModel& named,
                DType input, const std::vector<uint32_t>& lengths) {
  const ModelSource source = source_of(named.config, file);
  std::vector<std::unique_ptr<File>> files;
  files.push_back(std::make_unique<File>(file.path()));
  std::unique_ptr<Backend> backend = open(options, input);
  const double free_before = static_cast<double>(backend->available_bytes());
  const auto begin = Clock::now();
  const std::shared_ptr<LoadedModel> loaded =
      load_with_workspace(source, files, std::move(backend), {});
  const double load_seconds = seconds_since(begin);
  time_query(options, *loaded, named.name, input, false);
  time_query(options, *loaded, named.name, input, true);
  time_lengths(options, *loaded, named.name, input, lengths);
  // After loading, only graphs of short batches allocate memory, so this is the peak.
  print_line(R"({"kind":"memory","model":"%s","dtype":"%s","load_seconds":%.3g,)"
             R"("device_bytes":%.0f,"longest":%u})",
             named.name, dtype_name(input), load_seconds,
             free_before - static_cast<double>(loaded->model->backend->available_bytes()),
             *std::max_element(lengths.begin(), lengths.end()));
}

}  // namespace

void time_models(const Options& options) {
  if (options.once) return;  // the other sections have the ops of a model
  size_t weights = 0, gains = 0;
  for (const NamedModel& model : models(options)) {
    const ModelConfig& c = model.config;
    weights = std::max({weights, size_t{c.vocabulary} * c.hidden, size_t{c.intermediate} * c.hidden,
                        size_t{c.query_heads} * c.head_dim * c.hidden});
    gains = std::max({gains, size_t{c.hidden}, size_t{c.head_dim}});
  }
  if (weights == 0) return;
  const WeightFile file(options, weights, gains);
  struct Case {
    const char* model;
    DType input;
    std::vector<uint32_t> lengths;  // 0: ragged
  };
  // Cases and lengths that have a target come first.
  std::vector<Case> cases{
      {"8B", DType::bf16, {512, 2048, 32768, 0, 128, 32, 8192}},
      {"0.6B", DType::bf16, {512, 0, 2048, 32, 128, 8192, 32768}},
      {"8B", DType::s8, {2048, 512, 32768, 0, 32}},
      {"4B", DType::bf16, {512, 2048, 32768}},
      {"8B", DType::f16, {512}},
      {"0.6B", DType::s8, {512, 2048}},
      {"4B", DType::s8, {512, 2048}},
  };
  if (options.toy) cases = {{"toy", DType::bf16, {70, 0}}, {"toy", DType::s8, {40}}};
  for (const Case& c : cases) {
    for (const NamedModel& model : models(options)) {
      if (model.name != std::string(c.model) || !chosen(options.dtypes, dtype_name(c.input)))
        continue;
      if (!time_is_left(options)) return;
      try {
        time_model(options, file, model, c.input, c.lengths);
      } catch (const Error& error) {
        if (error.code != ErrorCode::out_of_memory) throw;
        print_skipped(model.name, c.input, error.what());  // a smaller model or precision may fit
      }
    }
  }
}

}  // namespace qwen3::bench
