#include "model/load_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "error.h"

namespace qwen3 {
namespace {

constexpr size_t kAlignment = 256;               // of weights, enough for any access of a device
constexpr size_t kPieceBytes = size_t{8} << 20;  // read and packed at a time

// A weight and the tensors whose rows it consists of, in order.
struct WeightPlan {
  const char* name;
  Matrix* weight;
  WeightUse use;
  std::vector<const TensorSource*> tensors;
  uint32_t tensor_rows, cols;  // of each tensor

  uint32_t rows() const { return static_cast<uint32_t>(tensor_rows * tensors.size()); }
  WeightLayout layout(const Backend& backend) const {
    return backend.weight_layout(use, rows(), cols, tensors[0]->dtype);
  }
};

constexpr size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

size_t rotation_bytes(const ModelConfig& config) {
  return size_t{config.max_positions} * config.head_dim * sizeof(float);
}

// Bytes of all weights and the rotation table, stored one after another.
size_t arena_bytes(const std::vector<WeightPlan>& plans, const ModelConfig& config,
                   const Backend& backend) {
  size_t bytes = rotation_bytes(config);
  for (const WeightPlan& plan : plans) bytes += aligned(plan.layout(backend).bytes);
  return bytes;
}

std::string shape(uint32_t rows, uint32_t cols) {
  return std::to_string(rows) + " x " + std::to_string(cols);
}

std::vector<WeightPlan> plan_weights(const ModelSource& source, Model& model) {
  const ModelConfig& c = source.config;
  const uint32_t queries = c.query_heads * c.head_dim, keys = c.key_value_heads * c.head_dim;
  using enum WeightUse;
  std::vector<WeightPlan> plans;
  const auto add = [&](const char* name, Matrix& weight, WeightUse use,
                       std::vector<const TensorSource*> tensors, uint32_t rows, uint32_t cols) {
    plans.push_back({name, &weight, use, std::move(tensors), rows, cols});
  };
  add("embeddings", model.embeddings, table, {&source.embeddings}, c.vocabulary, c.hidden);
  add("final norm", model.final_norm, gain, {&source.final_norm}, 1, c.hidden);
  for (size_t i = 0; i < source.layers.size(); ++i) {
    const LayerSource& from = source.layers[i];
    Layer& to = model.layers[i];
    add("attention norm", to.attention_norm, gain, {&from.attention_norm}, 1, c.hidden);
    add("query projection", to.query, linear, {&from.query}, queries, c.hidden);
    add("key and value projections", to.key_value, linear, {&from.key, &from.value}, keys,
        c.hidden);
    add("query norm", to.query_norm, gain, {&from.query_norm}, 1, c.head_dim);
    add("key norm", to.key_norm, gain, {&from.key_norm}, 1, c.head_dim);
    add("attention output", to.attention_out, linear_add, {&from.attention_out}, c.hidden, queries);
    add("MLP norm", to.mlp_norm, gain, {&from.mlp_norm}, 1, c.hidden);
    add("gate and up projections", to.gate_up, gate_up, {&from.gate, &from.up}, c.intermediate,
        c.hidden);
    add("down projection", to.down, linear_add, {&from.down}, c.hidden, c.intermediate);
  }
  return plans;
}

// Checks a weight's tensors against the config and the files. Headers are untrusted input.
void check(const WeightPlan& plan, const std::vector<std::unique_ptr<File>>& files) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::model_invalid, std::string(plan.name) + ": " + why);
  };
  for (const TensorSource* tensor : plan.tensors) {
    if (tensor->rows != plan.tensor_rows || tensor->cols != plan.cols) {
      refuse("its shape in the checkpoint is " + shape(tensor->rows, tensor->cols) +
             ", but config.json requires " + shape(plan.tensor_rows, plan.cols));
    }
    if (tensor->dtype != plan.tensors[0]->dtype)
      refuse("its tensors are stored in different types");
    if (tensor->bytes != uint64_t{tensor->rows} * tensor->cols * bytes_of(tensor->dtype))
      refuse("its byte count does not match its shape");
    if (tensor->file >= files.size()) refuse("its file index is out of range");
    const uint64_t size = files[tensor->file]->size();
    if (tensor->offset > size || tensor->bytes > size - tensor->offset)
      refuse("its bytes extend past the end of the file");
  }
}

// [positions, head_dim]: per position the cosines, then the sines, of head_dim / 2 angles.
// Frequencies and angles are computed in float32, as in training and in Hugging Face (transformers,
// modeling_rope_utils.py). Angles in float64 would drift away from those at large positions.
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

size_t model_bytes(const ModelSource& source, const Backend& backend) {
  Model unused(source.config, nullptr);
  return arena_bytes(plan_weights(source, unused), source.config, backend);
}

std::unique_ptr<Model> load_model(const ModelSource& source,
                                  const std::vector<std::unique_ptr<File>>& files,
                                  std::unique_ptr<Backend> owned_backend, size_t left_free,
                                  const LoadProgress& progress) {
  if (source.layers.size() != source.config.layers)
    throw Error(ErrorCode::model_invalid, "layers are missing");
  auto model = std::make_unique<Model>(source.config, std::move(owned_backend));
  Backend& backend = *model->backend;

  // All checks are done and the memory is allocated before the first byte is read.
  const std::vector<WeightPlan> plans = plan_weights(source, *model);
  uint64_t total = 0;
  for (const WeightPlan& plan : plans) {
    check(plan, files);
    for (const TensorSource* tensor : plan.tensors) total += tensor->bytes;
  }
  // The maximum, not the sum: temporary memory is freed before the caller allocates its left_free
  // bytes.
  size_t extra = left_free;
  for (const WeightPlan& plan : plans) {
    const WeightLayout layout = plan.layout(backend);
    if (layout.bytes == 0) {
      const std::string rows = std::string(plan.name) + ": rows of " + std::to_string(plan.cols);
      throw Error(ErrorCode::precision_unsupported,
                  rows + " values are too long for this precision");
    }
    extra = std::max(extra, layout.temporary);
  }
  const size_t weight_bytes = arena_bytes(plans, source.config, backend);
  const size_t needed = weight_bytes + extra, available = backend.available_bytes();
  if (needed > available) {
    const std::string need = "the model needs " + std::to_string(needed >> 20) + " MiB";
    const std::string free = std::to_string(available >> 20) + " MiB are free";
    throw Error(ErrorCode::out_of_memory,
                need + " in this precision, " + free + ": use a smaller model or precision");
  }
  model->memory = allocate(backend, weight_bytes, "the weights");
  auto* next = static_cast<char*>(model->memory.get());

  uint64_t loaded = 0;
  std::vector<char> piece;
  for (const WeightPlan& plan : plans) {
    const DType stored = plan.tensors[0]->dtype;
    const WeightLayout layout = plan.layout(backend);
    *plan.weight = {next, plan.rows(), plan.cols, plan.cols, layout.dtype};
    next += aligned(layout.bytes);

    const size_t row_bytes = plan.cols * bytes_of(stored);
    const auto piece_rows = static_cast<uint32_t>(std::max<size_t>(1, kPieceBytes / row_bytes));
    uint32_t first_row = 0;
    for (const TensorSource* tensor : plan.tensors) {
      for (uint32_t row = 0; row < tensor->rows; row += piece_rows) {
        const uint32_t count = std::min(piece_rows, tensor->rows - row);
        piece.resize(count * row_bytes);
        files[tensor->file]->read(tensor->offset + row * row_bytes, piece.data(), piece.size());
        backend.store_weight(*plan.weight, plan.use, first_row + row, count, piece.data(), stored);
        loaded += piece.size();
        if (progress && !progress(loaded, total)) return nullptr;
      }
      first_row += tensor->rows;
    }
  }

  const ModelConfig& c = source.config;
  const std::vector<float> table = rotations(c);
  backend.upload(next, table.data(), rotation_bytes(c));
  model->heads = {c.query_heads, c.key_value_heads, c.head_dim, c.norm_eps,
                  reinterpret_cast<float*>(next)};
  if (const char* failure = backend.sync()) throw Error(ErrorCode::device_failed, failure);
  return model;
}

}  // namespace qwen3
