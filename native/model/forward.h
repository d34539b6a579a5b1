// The forward pass of the Qwen3 decoder, for any backend and any precision.
#pragma once
#include <functional>
#include <vector>

#include "backend/backend.h"
#include "model/model.h"

namespace qwen3 {

// Consecutive rows of a batch that go through the ops together.
struct Chunk {
  const uint32_t* ids;  // [rows] to gather: token ids, or rows of the batch; in backend memory
  Matrix x;             // [rows, hidden] f32, the residual
  const Span* spans;    // in backend memory
  uint32_t span_count;
};

struct Batch {
  std::vector<Chunk> chunks;  // in the order of the texts, because attention is causal
  Chunk pooled_rows;          // the last row of every text
  Matrix x;                   // [tokens, hidden], the rows of all chunks
  void* pages;                // keys and values of one layer
};

// Memory for one chunk's intermediate results.
struct Activations {
  Matrix normed, query, key_value, attended, gated;

  // The first `count` rows of each.
  Activations rows(uint32_t count) const;
};

// Writes the hidden state of every text's last token, before the final norm, to
// batch.pooled_rows.x. If `wanted` returns false, no caller waits for the result: returns early and
// leaves batch.pooled_rows.x undefined.
void forward(Backend& backend, const Model& model, const Batch& batch,
             const Activations& activations, const std::function<bool()>& wanted);

}  // namespace qwen3
