#include "models/tiny_model.h"

#include <cmath>
#include <limits>

#include "harness.h"
#include "model/forward.h"
#include "models/model_family.h"
#include "ops/number.h"
#include "random.h"

namespace qwen3::test {
namespace {

// Random bf16 tensors, one after another, as in a checkpoint's file.
class Weights {
 public:
  explicit Weights(uint64_t seed) : random_(seed) {}

  TensorSource add(uint32_t rows, uint32_t cols, float low, float high) {
    const TensorSource source{0,   values.size() * 2, uint64_t{rows} * cols * 2, DType::bf16, rows,
                              cols};
    for (const float value : random_.values(size_t{rows} * cols, low, high))
      values.push_back(to_bf16(value));
    return source;
  }
  // On average, the product of the weight and a vector has values as large as the vector's.
  TensorSource linear(uint32_t rows, uint32_t cols) {
    const float limit = std::sqrt(3.f / static_cast<float>(cols));
    return add(rows, cols, -limit, limit);
  }
  TensorSource gain(uint32_t count) { return add(1, count, 0.5f, 1.5f); }

  std::vector<uint16_t> values;

 private:
  Random random_;
};

}  // namespace

TinyCheckpoint::TinyCheckpoint(const TinyModel& tiny) {
  // query_heads * head_dim differs from hidden, and no size is a multiple of 64 that need not be.
  const ModelConfig config{.hidden = 72,
                           .intermediate = 100,
                           .layers = 3,
                           .query_heads = 2,
                           .key_value_heads = 1,
                           .head_dim = 128,
                           .vocabulary = tiny.vocabulary,
                           .max_positions = tiny.max_positions,
                           .norm_eps = 1e-6f,
                           .rope_theta = 1e6};
  Weights weights(tiny.seed);
  source = model_source(
      config, weights.add(config.vocabulary, config.hidden, -1, 1),
      [&](uint32_t count) { return weights.gain(count); },
      [&](uint32_t rows, uint32_t cols) { return weights.linear(rows, cols); });
  if (tiny.nan_row) {
    weights.values[size_t{*tiny.nan_row} * config.hidden + 5] =
        to_bf16(std::numeric_limits<float>::quiet_NaN());
  }
  folder.write("/weights", {reinterpret_cast<const char*>(weights.values.data()),
                            weights.values.size() * sizeof weights.values[0]});
  source.files = {{folder.path() + "/weights", ""}};
}

std::vector<std::unique_ptr<File>> open_files(const ModelSource& source) {
  std::vector<std::unique_ptr<File>> files;
  for (const FileSource& file : source.files) files.push_back(std::make_unique<File>(file.path));
  return files;
}

std::shared_ptr<LoadedModel> load_tiny_model(std::unique_ptr<Backend> backend,
                                             const TinyModel& tiny) {
  const TinyCheckpoint checkpoint(tiny);
  const auto files = open_files(checkpoint.source);
  return load_with_workspace(checkpoint.source, files, std::move(backend), {});
}

std::vector<Vector> embed(const Model& model, Workspace& workspace, const std::vector<Ids>& texts,
                          uint32_t dimensions, bool invariant) {
  const std::vector<std::span<const uint32_t>> spans(texts.begin(), texts.end());
  const Batch batch = workspace.prepare(spans, invariant);
  forward(*model.backend, model, batch, workspace.activations(), [] { return true; });
  std::vector<Vector> vectors(texts.size(), {std::vector<float>(dimensions, -7), false});
  std::vector<Pooled> outputs;
  for (uint32_t i = 0; i < texts.size(); ++i)
    outputs.push_back({i, dimensions, vectors[i].values.data(), false});
  model.backend->pool(batch.pooled_rows.x, model.final_norm, model.config.norm_eps, outputs.data(),
                      static_cast<uint32_t>(outputs.size()));
  const char* failure = model.backend->sync();
  expect(!failure, std::string("sync: ") + (failure ? failure : ""));
  for (size_t i = 0; i < texts.size(); ++i) vectors[i].finite = outputs[i].finite;
  return vectors;
}

std::vector<Vector> embed(LoadedModel& loaded, const std::vector<Ids>& texts, uint32_t dimensions,
                          bool invariant) {
  return embed(*loaded.model, *loaded.workspace, texts, dimensions, invariant);
}

Ids random_ids(uint64_t seed, uint32_t count, uint32_t vocabulary) {
  Random random(seed);
  Ids ids(count);
  for (uint32_t& id : ids) id = random.below(vocabulary);
  return ids;
}

}  // namespace qwen3::test
