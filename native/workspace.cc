#include "workspace.h"

#include <algorithm>
#include <numeric>

namespace qwen3 {
namespace {

// Rows whose length is a multiple of 4 KiB would all meet in the same few cache lines.
constexpr uint32_t kRowPadding = 32;

constexpr uint32_t pages_of(size_t tokens) {
  return static_cast<uint32_t>((tokens + kPageTokens - 1) / kPageTokens);
}

}  // namespace

void* Workspace::Buffer::reserve(Backend& on, size_t wanted, const char* what) {
  if (wanted > bytes) {
    memory.reset();
    bytes = 0;
    memory = allocate(on, wanted, what);
    bytes = wanted;
  }
  return memory.get();
}

Matrix Workspace::matrix(Buffer& buffer, uint32_t rows, uint32_t cols, DType dtype, const char* what) {
  const uint32_t stride = cols + kRowPadding;
  return {buffer.reserve(on_, size_t{rows} * stride * bytes_of(dtype), what), rows, cols, stride, dtype};
}

Workspace::Workspace(const Model& model, uint32_t chunk_rows)
    : on_(*model.backend), model_(model), chunk_rows_(chunk_rows) {
  const ModelConfig& c = model.config;
  const auto [name, isa, threads, input, output] = on_.traits();
  const uint32_t queries = c.query_heads * c.head_dim, keys = c.key_value_heads * c.head_dim;
  const char* what = "intermediate results";
  scratch_ = {matrix(normed_, chunk_rows, c.hidden, input, what),
              matrix(query_, chunk_rows, queries, output, what),
              matrix(key_value_, chunk_rows, 2 * keys, output, what),
              matrix(attended_, chunk_rows, queries, input, what),
              matrix(gated_, chunk_rows, c.intermediate, input, what)};
  pooled_x_ = matrix(pooled_, chunk_rows, c.hidden, DType::f32, what);
}

Batch Workspace::prepare(std::span<const std::span<const uint32_t>> texts) {
  const auto text_count = static_cast<uint32_t>(texts.size());
  uint32_t tokens = 0, page_count = 0;
  for (const auto& text : texts) {
    tokens += static_cast<uint32_t>(text.size());
    page_count += pages_of(text.size());
  }
  const uint32_t chunk_count = (tokens + chunk_rows_ - 1) / chunk_rows_;
  const size_t max_spans =
      2 * texts.size() + chunk_count;  // a text's own, its pooled row's, and one more per border
  const size_t word_count = size_t{page_count} + tokens + text_count;

  Batch batch;
  batch.x = matrix(x_, tokens, model_.config.hidden, DType::f32, "the batch");
  batch.pages = pages_.reserve(on_, page_count * on_.page_bytes(model_.heads), "keys and values");
  const auto* spans = static_cast<Span*>(spans_.reserve(on_, max_spans * sizeof(Span), "tables"));
  const auto* words = static_cast<uint32_t*>(words_.reserve(on_, word_count * sizeof(uint32_t), "tables"));
  const uint32_t* ids = words + page_count;
  const uint32_t* last_rows = ids + tokens;

  // Pages are taken in order: all of them go back when the batch is done.
  host_words_.resize(page_count);
  std::iota(host_words_.begin(), host_words_.end(), 0);
  for (const auto& text : texts) host_words_.insert(host_words_.end(), text.begin(), text.end());

  host_spans_.clear();
  std::vector<Span> pooled;
  uint32_t row = 0;
  for (const auto& text : texts) {
    const auto length = static_cast<uint32_t>(text.size());
    const KeyValueRun own{words, length, 0};
    words += pages_of(length);
    for (uint32_t position = 0, rows; position < length; position += rows, row += rows) {
      const uint32_t first_row = row % chunk_rows_;
      rows = std::min(length - position, chunk_rows_ - first_row);
      if (first_row == 0) {
        Matrix x = batch.x;
        x.data = static_cast<float*>(x.data) + size_t{row} * x.stride;
        x.rows = std::min(chunk_rows_, tokens - row);
        batch.chunks.push_back({ids + row, x, spans + host_spans_.size(), 0});
      }
      host_spans_.push_back({first_row, rows, position, {}, own});
      ++batch.chunks.back().span_count;
    }
    pooled.push_back({static_cast<uint32_t>(pooled.size()), 1, length - 1, {}, own});
    host_words_.push_back(row - 1);
  }
  batch.pooled = {last_rows, pooled_x_, spans + host_spans_.size(), text_count};
  batch.pooled.x.rows = text_count;
  host_spans_.insert(host_spans_.end(), pooled.begin(), pooled.end());

  on_.upload(spans_.memory.get(), host_spans_.data(), host_spans_.size() * sizeof(Span));
  on_.upload(words_.memory.get(), host_words_.data(), host_words_.size() * sizeof(uint32_t));
  return batch;
}

void Workspace::shrink() {
  for (Buffer* buffer : {&x_, &pages_, &spans_, &words_}) *buffer = Buffer();
}

}  // namespace qwen3
