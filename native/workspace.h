// Memory that a model's batches run in, kept from batch to batch, and the tables that tell the ops where each text's
// rows, keys and values lie.
#pragma once
#include <span>
#include <vector>

#include "forward.h"

namespace qwen3 {

// Rows that go through the ops together, and texts in a batch at most (each leaves one pooled row).
// 512: on 2 cores every product of the 0.6B already runs at its full rate, and scratch stays at 25 MB.
constexpr uint32_t kChunkRows = 512;

class Workspace {
 public:
  explicit Workspace(const Model& model, uint32_t chunk_rows = kChunkRows);

  const Scratch& scratch() const { return scratch_; }

  // Lays out a batch of texts (at least one, at most chunk_rows, none empty). Valid until the next call.
  // Throws Error(out_of_memory).
  Batch prepare(std::span<const std::span<const uint32_t>> texts);

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

  Backend& on_;
  const Model& model_;
  uint32_t chunk_rows_;
  Buffer normed_, query_, key_value_, attended_, gated_, pooled_;  // chunk_rows rows
  Buffer x_, pages_, spans_, words_;                               // as the largest batch so far needs
  Scratch scratch_;
  Matrix pooled_x_;
  // What the backend copies from: it may read them until sync().
  std::vector<Span> host_spans_;
  std::vector<uint32_t> host_words_;  // block tables, token ids, last rows
};

}  // namespace qwen3
