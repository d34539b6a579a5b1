// A fixture for attention tests: texts and shared prefixes in pages of random order, and one layer
// that runs over them in any chunks. Sentinels fill everything that no run owns: unused slots, the
// pages between, and the ends of block tables.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "ops/guarded.h"
#include "random.h"

namespace qwen3::test {

constexpr uint32_t kDim = 128;

struct TextShape {
  uint32_t tokens;               // of its own run
  std::optional<size_t> prefix;  // index into Setting::prefixes
};

struct Setting {
  uint32_t query_heads, key_value_heads;
  std::vector<uint32_t> prefixes;  // tokens of each
  std::vector<TextShape> texts;
  uint32_t layers = 1, layer = 0;
  // Own runs keep the keys and values of every layer, as a run that later becomes a prefix.
  bool own_has_layers = false;
  // Minimum elements from the last column to the next row.
  uint32_t gap = 0;
  // Maximum gain of the norms. Scores are proportional to its square.
  float sharpness = 1;

  uint32_t query_cols() const { return query_heads * kDim; }
  uint32_t key_value_cols() const { return 2 * key_value_heads * kDim; }
  uint32_t position(size_t text) const {
    return texts[text].prefix ? prefixes[*texts[text].prefix] : 0;
  }
};

struct AttentionInputs {
  // Of each text: [tokens, query_cols] and [tokens, key_value_cols].
  std::vector<std::vector<float>> query, key_value;
  // Of each prefix: [tokens, key_value_cols].
  std::vector<std::vector<float>> prefix;
  std::vector<float> query_gain, key_gain;
};

AttentionInputs random_inputs(const Setting& setting, DType dtype, uint64_t seed);

// Rows [first, first + rows) of a text.
struct Piece {
  size_t text;
  uint32_t first, rows;
};
using Chunks = std::vector<std::vector<Piece>>;

// All rows of all texts in chunks of `chunk_rows`, texts in the given order (empty: as in
// `setting`).
Chunks chunks_of(const Setting& setting, uint32_t chunk_rows, std::vector<size_t> order = {});

class PagedAttention {
 public:
  PagedAttention(Device& device, const Setting& setting, uint64_t seed = 7);

  // The result of attention for each text, [tokens, query_cols]; NaN for rows that are in no chunk.
  // May be called again: the pages then hold what the last run left.
  std::vector<std::vector<float>> run(const AttentionInputs& inputs, const Chunks& chunks);
  // The same for only the last row of each text, all in one chunk. Requires that `run` has stored
  // their keys and values.
  std::vector<std::vector<float>> run_last_rows(const AttentionInputs& inputs);
  // Queries after norm and rotation, for one chunk.
  std::vector<float> norm_rope(const AttentionInputs& inputs, const std::vector<Piece>& chunk);

 private:
  std::vector<Span> spans_of(const std::vector<Piece>& chunk) const;
  void store(const std::vector<Span>& spans, const std::vector<float>& key_value,
             const AttentionInputs& inputs);
  std::vector<float> attend(const std::vector<Piece>& chunk, const AttentionInputs& inputs);
  void check() const;

  Device& device_;
  Setting setting_;
  Heads heads_;
  uint32_t layer_stride_ = 0;
  std::vector<bool> owned_;  // for each page of the arena: whether this layer may write it
  std::vector<KeyValueRun> prefix_runs_, own_runs_;
  std::unique_ptr<GuardedArray<uint32_t>> tables_;
  std::unique_ptr<GuardedArray<float>> rotations_;
  std::unique_ptr<GuardedMemory> arena_;
};

}  // namespace qwen3::test
