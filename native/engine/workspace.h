// Memory that a model's batches run in, kept from batch to batch, and the tables that tell the ops where each text's
// rows, keys and values lie.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "model/forward.h"
#include "model/model.h"

namespace qwen3 {

// What a batch takes up.
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
size_t workspace_bytes(const ModelConfig& config, const Backend& on, uint32_t chunk_rows,
                       const BatchSize& size);

// What a workspace takes at least, in bytes: for batches of a few hundred tokens.
size_t least_workspace_bytes(const ModelConfig& config, const Backend& on);

class Workspace {
 public:
  // `chunk_rows`: rows that go through the ops together, and texts in a batch at most (each leaves one pooled row).
  // 0: the backend's batch_rows, or less where memory is short. On a backend that reserves, all memory is taken here:
  // for the model's longest text, or the longest that fits. Throws Error(out_of_memory).
  explicit Workspace(const Model& model, uint32_t chunk_rows = 0);

  const Activations& activations() const { return activations_; }

  // What texts that share a batch may take up together.
  const BatchSize& limits() const { return limits_; }

  // Lays out a batch of texts (at least one, none empty, within the limits or alone). Sums of all `invariant` batches
  // are divided in the same way. Valid until the next call. Throws Error(out_of_memory).
  Batch prepare(std::span<const std::span<const uint32_t>> texts, bool invariant = false);

  // Gives back what grows with the batch. For after a text that is much longer than most.
  void shrink();

 private:
  // Backend memory that grows.
  struct Buffer {
    BackendMemory memory{nullptr, {nullptr}};
    size_t bytes = 0;
    void* reserve(Backend& on, size_t wanted, const char* what);
  };

  Matrix matrix(Buffer& buffer, uint32_t rows, uint32_t cols, DType dtype, const char* what);
  void reserve(const BatchSize& size);

  Backend& on_;
  const Model& model_;
  const bool reserves_;
  uint32_t chunk_rows_;
  BatchSize limits_;
  std::array<Buffer, 5> scratch_memory_;
  Buffer scales_, pooled_;            // of chunk_rows rows, as the scratch
  Buffer x_, pages_, spans_, words_;  // as the largest batch so far needs, or the limits
  Activations activations_;
  Matrix pooled_x_;
  // What the backend copies from: it may read them until sync().
  std::vector<Span> host_spans_;
  std::vector<uint32_t> host_words_;  // block tables, token ids, last rows
};

}  // namespace qwen3
