#include "model/load_model.h"

#include <algorithm>
#include <cmath>

#include "error.h"

namespace qwen3 {
namespace {

constexpr size_t kAlignment = 256;               // of a weight: of every access that a device likes
constexpr size_t kPieceBytes = size_t{8} << 20;  // read and packed at a time

// One weight and the tensors whose rows it is made of, in order.
struct WeightPlan {
  const char* name;
  Matrix* weight;
  WeightUse use;
  std::vector<const TensorSource*> parts;
  uint32_t part_rows, cols;  // of each part

  uint32_t rows() const { return static_cast<uint32_t>(part_rows * parts.size()); }
  WeightLayout layout(const Backend& on) const {
    return on.weight_layout(use, rows(), cols, parts[0]->dtype);
  }
};

constexpr size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

size_t rotation_bytes(const ModelConfig& config) {
  return size_t{config.max_positions} * config.head_dim * sizeof(float);
}

// Of all weights and the table of rotations, one after another.
size_t arena_bytes(const std::vector<WeightPlan>& plans, const ModelConfig& config,
                   const Backend& on) {
  size_t bytes = rotation_bytes(config);
  for (const WeightPlan& plan : plans) bytes += aligned(plan.layout(on).bytes);
  return bytes;
}

std::string shape(uint32_t rows, uint32_t cols) {
  return std::to_string(rows) + " x " + std::to_string(cols);
}

std::vector<WeightPlan> plan_weights(const ModelSource& source, Model& model) {
  const ModelConfig& c = source.config;
  const uint32_t queries = c.query_heads * c.head_dim, keys = c.key_value_heads * c.head_dim;
  using enum WeightUse;
  std::vector<WeightPlan> plans{
      {"embeddings", &model.embeddings, table, {&source.embeddings}, c.vocabulary, c.hidden},
      {"final norm", &model.final_norm, gain, {&source.final_norm}, 1, c.hidden},
  };
  for (size_t i = 0; i < source.layers.size(); ++i) {
    const LayerSource& from = source.layers[i];
    Layer& to = model.layers[i];
    plans.insert(
        plans.end(),
        {
            {"attention norm", &to.attention_norm, gain, {&from.attention_norm}, 1, c.hidden},
            {"query projection", &to.query, linear, {&from.query}, queries, c.hidden},
            {"key and value projections",
             &to.key_value,
             linear,
             {&from.key, &from.value},
             keys,
             c.hidden},
            {"query norm", &to.query_norm, gain, {&from.query_norm}, 1, c.head_dim},
            {"key norm", &to.key_norm, gain, {&from.key_norm}, 1, c.head_dim},
            {"attention output",
             &to.attention_out,
             linear_add,
             {&from.attention_out},
             c.hidden,
             queries},
            {"MLP norm", &to.mlp_norm, gain, {&from.mlp_norm}, 1, c.hidden},
            {"gate and up projections",
             &to.gate_up,
             gate_up,
             {&from.gate, &from.up},
             c.intermediate,
             c.hidden},
            {"down projection", &to.down, linear_add, {&from.down}, c.hidden, c.intermediate},
        });
  }
  return plans;
}

// The header is a stranger's: it must agree with the file it came from and with the config.
void check(const WeightPlan& plan, const std::vector<std::unique_ptr<File>>& files) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::model_invalid, std::string(plan.name) + ": " + why);
  };
  for (const TensorSource* part : plan.parts) {
    if (part->rows != plan.part_rows || part->cols != plan.cols) {
      refuse("the checkpoint has " + shape(part->rows, part->cols) + ", config.json asks for " +
             shape(plan.part_rows, plan.cols));
    }
    if (part->dtype != plan.parts[0]->dtype)
      refuse("tensors that belong together are stored in different types");
    if (part->bytes != uint64_t{part->rows} * part->cols * bytes_of(part->dtype))
      refuse("shape and bytes disagree");
    if (part->file >= files.size()) refuse("no such file");
    const uint64_t size = files[part->file]->size();
    if (part->offset > size || part->bytes > size - part->offset)
      refuse("its bytes lie past the end of the file");
  }
}

// Cosines and sines for every position. Hugging Face computes frequencies and angles in float32, and so were the
// models trained: float64 angles drift away from theirs at far positions (transformers, modeling_rope_utils.py).
std::vector<float> rotations(const ModelConfig& config) {
  const uint32_t half = config.head_dim / 2;
  std::vector<float> frequencies(half), table(size_t{config.max_positions} * config.head_dim);
  for (uint32_t i = 0; i < half; ++i) {
    frequencies[i] =
        1.0f / static_cast<float>(std::pow(config.rope_theta, 2.0 * i / config.head_dim));
  }
  for (uint32_t position = 0; position < config.max_positions; ++position) {
    float* row = table.data() + size_t{position} * config.head_dim;
    for (uint32_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(position) * frequencies[i];
      row[i] = std::cos(angle);
      row[half + i] = std::sin(angle);
    }
  }
  return table;
}

}  // namespace

size_t model_bytes(const ModelSource& source, const Backend& on) {
  Model unused(source.config, nullptr);
  return arena_bytes(plan_weights(source, unused), source.config, on);
}

std::unique_ptr<Model> load_model(const ModelSource& source,
                                  const std::vector<std::unique_ptr<File>>& files,
                                  std::unique_ptr<Backend> backend, size_t left_free,
                                  const LoadProgress& progress) {
  if (source.layers.size() != source.config.layers)
    throw Error(ErrorCode::model_invalid, "layers are missing");
  auto model = std::make_unique<Model>(source.config, std::move(backend));
  Backend& on = *model->backend;

  // Everything is checked and the memory asked for before the first byte is read.
  const std::vector<WeightPlan> plans = plan_weights(source, *model);
  uint64_t total = 0;
  for (const WeightPlan& plan : plans) {
    check(plan, files);
    for (const TensorSource* part : plan.parts) total += part->bytes;
  }
  size_t besides = left_free;  // what it is left free for comes when temporary memory has gone
  for (const WeightPlan& plan : plans) {
    const WeightLayout layout = plan.layout(on);
    if (layout.bytes == 0) {
      throw Error(ErrorCode::precision_unsupported, std::string(plan.name) + ": rows of " +
                                                        std::to_string(plan.cols) +
                                                        " values are too long for this precision");
    }
    besides = std::max(besides, layout.temporary);
  }
  const size_t weight_bytes = arena_bytes(plans, source.config, on);
  const size_t needed = weight_bytes + besides, available = on.available_bytes();
  if (needed > available) {
    throw Error(ErrorCode::out_of_memory, "the model needs " + std::to_string(needed >> 20) +
                                              " MiB in this precision, " +
                                              std::to_string(available >> 20) +
                                              " MiB are free: take a smaller model or precision");
  }
  model->memory = allocate(on, weight_bytes, "the weights");
  auto* next = static_cast<char*>(model->memory.get());

  uint64_t loaded = 0;
  std::vector<char> piece;
  for (const WeightPlan& plan : plans) {
    const DType stored = plan.parts[0]->dtype;
    const WeightLayout layout = plan.layout(on);
    *plan.weight = {next, plan.rows(), plan.cols, plan.cols, layout.dtype};
    next += aligned(layout.bytes);

    const size_t row_bytes = plan.cols * bytes_of(stored);
    const auto piece_rows = static_cast<uint32_t>(std::max<size_t>(1, kPieceBytes / row_bytes));
    uint32_t first_row = 0;
    for (const TensorSource* part : plan.parts) {
      for (uint32_t row = 0; row < part->rows; row += piece_rows) {
        const uint32_t count = std::min(piece_rows, part->rows - row);
        piece.resize(count * row_bytes);
        files[part->file]->read(part->offset + row * row_bytes, piece.data(), piece.size());
        on.store_weight(*plan.weight, plan.use, first_row + row, count, piece.data(), stored);
        loaded += piece.size();
        if (progress && !progress(loaded, total)) return nullptr;
      }
      first_row += part->rows;
    }
  }

  const ModelConfig& c = source.config;
  const std::vector<float> table = rotations(c);
  on.upload(next, table.data(), rotation_bytes(c));
  model->heads = {c.query_heads, c.key_value_heads, c.head_dim, c.norm_eps,
                  reinterpret_cast<float*>(next)};
  if (const char* failure = on.sync()) throw Error(ErrorCode::device_failed, failure);
  return model;
}

}  // namespace qwen3
