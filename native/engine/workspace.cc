#include "engine/workspace.h"

#include <algorithm>
#include <numeric>

#include "error.h"

namespace qwen3 {
namespace {

// Elements from row to row. Rows begin at multiples of 16 bytes, whatever their type. The 32 extra
// elements avoid strides of a multiple of 4 KiB, with which all rows would map to the same few
// cache sets.
constexpr uint32_t row_stride(uint32_t cols) { return (cols + 15) / 16 * 16 + 32; }
// Tokens of the smallest workspace.
constexpr uint32_t kMinTokens = 512;
// Reserved pages suffice for a full chunk of texts with this many tokens on average. Each text
// starts a new page.
constexpr uint32_t kTokensPerText = 8;

constexpr const char* kActivations = "intermediate results";

size_t matrix_bytes(uint32_t rows, uint32_t cols, DType dtype) {
  return size_t{rows} * row_stride(cols) * bytes_of(dtype);
}

struct Columns {
  uint32_t count;
  DType dtype;
};

// Columns of Activations: normed, query, key_value, attended, gated.
std::array<Columns, 5> activation_columns(const ModelConfig& c, const Backend& backend) {
  const Backend::Traits traits = backend.traits();
  const uint32_t queries = c.query_heads * c.head_dim, keys = c.key_value_heads * c.head_dim;
  return {{{c.hidden, traits.normed},
           {queries, traits.output},
           {2 * keys, traits.output},
           {queries, traits.input},
           {c.intermediate, traits.input}}};
}

constexpr size_t scale_count(uint32_t chunk_rows) { return size_t{3} * chunk_rows; }

// Upper bound of spans: per text one span and one of its pooled row, and one more per chunk
// boundary.
size_t span_count(const BatchSize& size, uint32_t chunk_rows) {
  return size_t{2} * size.texts + (size.tokens + chunk_rows - 1) / chunk_rows;
}

// Words of the block tables, token ids and last rows.
size_t word_count(const BatchSize& size) { return size_t{size.pages} + size.tokens + size.texts; }

size_t pages_bytes(const ModelConfig& c, const Backend& backend, uint32_t pages) {
  return pages *
         backend.page_bytes({c.query_heads, c.key_value_heads, c.head_dim, c.norm_eps, nullptr});
}

// The size of batch to reserve for, if texts have up to `tokens` tokens.
BatchSize size_for(uint32_t tokens, uint32_t chunk_rows) {
  return {chunk_rows, tokens, std::max(page_count(tokens), chunk_rows / kTokensPerText)};
}

// The largest number of tokens, from min(high, kMinTokens) to `high`, whose workspace fits in
// `bytes`; the lower bound if none fits.
uint32_t tokens_that_fit(const ModelConfig& config, const Backend& backend, uint32_t chunk_rows,
                         uint32_t high, size_t bytes) {
  uint32_t low = std::min(high, kMinTokens);
  while (low < high) {
    const uint32_t tokens = high - (high - low) / 2, rows = std::min(chunk_rows, tokens);
    if (workspace_bytes(config, backend, rows, size_for(tokens, rows)) <= bytes) {
      low = tokens;
    } else {
      high = tokens - 1;
    }
  }
  return low;
}

}  // namespace

size_t workspace_bytes(const ModelConfig& config, const Backend& backend, uint32_t chunk_rows,
                       const BatchSize& size) {
  size_t bytes =
      matrix_bytes(chunk_rows, config.hidden, DType::f32) + scale_count(chunk_rows) * sizeof(float);
  for (const Columns& columns : activation_columns(config, backend)) {
    bytes += matrix_bytes(chunk_rows, columns.count, columns.dtype);
  }
  return bytes + matrix_bytes(size.tokens, config.hidden, DType::f32) +
         pages_bytes(config, backend, size.pages) + span_count(size, chunk_rows) * sizeof(Span) +
         word_count(size) * sizeof(uint32_t);
}

size_t min_workspace_bytes(const ModelConfig& config, const Backend& backend) {
  return workspace_bytes(config, backend, kMinTokens, size_for(kMinTokens, kMinTokens));
}

void* Workspace::Buffer::reserve(Backend& backend, size_t wanted, const char* what) {
  if (wanted > bytes) {
    memory.reset();
    bytes = 0;
    memory = allocate(backend, wanted, what);
    bytes = wanted;
  }
  return memory.get();
}

Matrix Workspace::matrix(Buffer& buffer, uint32_t rows, uint32_t cols, DType dtype,
                         const char* what) {
  return {buffer.reserve(backend_, matrix_bytes(rows, cols, dtype), what), rows, cols,
          row_stride(cols), dtype};
}

Workspace::Workspace(const Model& model, uint32_t chunk_rows)
    : backend_(*model.backend),
      model_(model),
      reserves_(backend_.traits().reserves),
      chunk_rows_(chunk_rows ? chunk_rows : backend_.traits().batch_rows),
      limits_{chunk_rows_, UINT32_MAX, UINT32_MAX} {
  const ModelConfig& config = model.config;
  if (reserves_) {
    const uint32_t longest = std::max(chunk_rows_, config.max_positions);
    const uint32_t tokens =
        tokens_that_fit(config, backend_, chunk_rows_, longest, backend_.available_bytes());
    chunk_rows_ = std::min(chunk_rows_, tokens);
    limits_ = size_for(tokens, chunk_rows_);
    reserve(limits_);
  }
  const std::array<Columns, 5> columns = activation_columns(config, backend_);
  const auto activation = [&](size_t i) {
    return matrix(activation_memory_[i], chunk_rows_, columns[i].count, columns[i].dtype,
                  kActivations);
  };
  activations_ = {activation(0), activation(1), activation(2), activation(3), activation(4)};
  pooled_x_ = matrix(pooled_, chunk_rows_, config.hidden, DType::f32, kActivations);

  const std::vector<float> ones(scale_count(chunk_rows_), 1.0f);
  auto* scales =
      static_cast<float*>(scales_.reserve(backend_, ones.size() * sizeof(float), kActivations));
  backend_.upload(scales, ones.data(), ones.size() * sizeof(float));
  for (Matrix* input : {&activations_.normed, &activations_.attended, &activations_.gated}) {
    input->scales = scales;
    scales += chunk_rows_;
  }
  if (const char* failure = backend_.sync()) throw Error(ErrorCode::device_failed, failure);
}

void Workspace::reserve(const BatchSize& size) {
  matrix(x_, size.tokens, model_.config.hidden, DType::f32, "the batch's rows");
  pages_.reserve(backend_, pages_bytes(model_.config, backend_, size.pages), "keys and values");
  spans_.reserve(backend_, span_count(size, chunk_rows_) * sizeof(Span), "tables");
  words_.reserve(backend_, word_count(size) * sizeof(uint32_t), "tables");
}

Batch Workspace::prepare(std::span<const std::span<const uint32_t>> texts, bool invariant) {
  BatchSize size{static_cast<uint32_t>(texts.size()), 0, 0};
  for (const auto& text : texts) {
    size.tokens += static_cast<uint32_t>(text.size());
    size.pages += page_count(text.size());
  }
  if (reserves_ && !limits_.holds(size)) {
    throw Error(ErrorCode::out_of_memory,
                "a text of " + std::to_string(size.tokens) +
                    " tokens does not fit: when the model was loaded there was memory for " +
                    std::to_string(limits_.tokens));
  }
  reserve(size);
  backend_.begin_batch(size.tokens, invariant);

  Batch batch;
  batch.x = matrix(x_, size.tokens, model_.config.hidden, DType::f32, "the batch's rows");
  batch.pages = pages_.memory.get();
  const auto* spans = static_cast<Span*>(spans_.memory.get());
  const auto* words = static_cast<uint32_t*>(words_.memory.get());
  const uint32_t* ids = words + size.pages;
  const uint32_t* last_rows = ids + size.tokens;

  // Pages are assigned in order, because all of them are free again when the batch is done.
  host_words_.resize(size.pages);
  std::iota(host_words_.begin(), host_words_.end(), 0);
  for (const auto& text : texts) host_words_.insert(host_words_.end(), text.begin(), text.end());

  host_spans_.clear();
  std::vector<Span> pooled;
  uint32_t row = 0;
  for (const auto& text : texts) {
    const auto length = static_cast<uint32_t>(text.size());
    const KeyValueRun own{words, length, 0};
    words += page_count(length);
    for (uint32_t position = 0, rows; position < length; position += rows, row += rows) {
      const uint32_t first_row = row % chunk_rows_;
      rows = std::min(length - position, chunk_rows_ - first_row);
      if (first_row == 0) {
        Matrix x = batch.x;
        x.data = static_cast<float*>(x.data) + size_t{row} * x.stride;
        x.rows = std::min(chunk_rows_, size.tokens - row);
        batch.chunks.push_back({ids + row, x, spans + host_spans_.size(), 0});
      }
      host_spans_.push_back({first_row, rows, position, {}, own});
      ++batch.chunks.back().span_count;
    }
    pooled.push_back({static_cast<uint32_t>(pooled.size()), 1, length - 1, {}, own});
    host_words_.push_back(row - 1);
  }
  batch.pooled_rows = {last_rows, pooled_x_, spans + host_spans_.size(), size.texts};
  batch.pooled_rows.x.rows = size.texts;
  host_spans_.insert(host_spans_.end(), pooled.begin(), pooled.end());

  backend_.upload(spans_.memory.get(), host_spans_.data(), host_spans_.size() * sizeof(Span));
  backend_.upload(words_.memory.get(), host_words_.data(), host_words_.size() * sizeof(uint32_t));
  return batch;
}

void Workspace::shrink() {
  if (reserves_) return;
  for (Buffer* buffer : {&x_, &pages_, &spans_, &words_}) *buffer = Buffer();
}

}  // namespace qwen3
