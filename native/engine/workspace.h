// The memory that a model's batches run in, reused from batch to batch, and the tables that locate
// each text's rows, keys and values for the ops.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "model/forward.h"
#include "model/model.h"

namespace qwen3 {

// Size of a batch.
struct BatchSize {
  uint32_t texts, tokens, pages;

  bool holds(const BatchSize& other) const {
    return texts >= other.texts && tokens >= other.tokens && pages >= other.pages;
  }
};

constexpr uint32_t page_count(size_t tokens) {
  return static_cast<uint32_t>((tokens + kPageTokens - 1) / kPageTokens);
}

// Bytes of a workspace for chunks of `chunk_rows` rows and batches of up to `size`.
size_t workspace_bytes(const ModelConfig& config, const Backend& backend, uint32_t chunk_rows,
                       const BatchSize& size);

// Bytes of the smallest workspace, for batches of up to 512 tokens.
size_t min_workspace_bytes(const ModelConfig& config, const Backend& backend);

class Workspace {
 public:
  // `chunk_rows`: maximum number of rows that go through the ops together, and of texts in a batch,
  // because each text has one pooled row. 0: the backend's batch_rows. For a backend that reserves,
  // the constructor allocates all memory: for the model's longest text or, with fewer chunk rows if
  // necessary, the longest that fits. Throws Error(out_of_memory).
  explicit Workspace(const Model& model, uint32_t chunk_rows = 0);

  const Activations& activations() const { return activations_; }

  // Limits of a batch of several texts.
  const BatchSize& limits() const { return limits_; }

  // Lays out a batch of texts: at least one, none empty, within the limits unless there is only
  // one. All `invariant` batches divide sums in the same way. Valid until the next call. Throws
  // Error(out_of_memory).
  Batch prepare(std::span<const std::span<const uint32_t>> texts, bool invariant = false);

  // Frees the memory that grows with the batch; does nothing on a backend that reserves. To be
  // called after a text that is much longer than most.
  void shrink();

 private:
  // Backend memory that grows. Its content is lost when it does.
  struct Buffer {
    BackendMemory memory{nullptr, {nullptr}};
    size_t bytes = 0;
    void* reserve(Backend& backend, size_t wanted, const char* what);
  };

  Matrix matrix(Buffer& buffer, uint32_t rows, uint32_t cols, DType dtype, const char* what);
  void reserve(const BatchSize& size);

  Backend& backend_;
  const Model& model_;
  const bool reserves_;
  uint32_t chunk_rows_;
  BatchSize limits_;
  std::array<Buffer, 5> activation_memory_;
  Buffer scales_, pooled_;            // sized for chunk_rows_ rows, as is activation_memory_
  Buffer x_, pages_, spans_, words_;  // sized for the largest batch so far, or for limits_
  Activations activations_;
  Matrix pooled_x_;
  // Sources of uploads: the backend may read them until sync().
  std::vector<Span> host_spans_;
  std::vector<uint32_t> host_words_;  // block tables, token ids, last rows
};

}  // namespace qwen3
