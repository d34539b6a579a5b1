#include "ops/paged_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ops/number.h"

namespace qwen3::test {
namespace {

uint32_t pages_for(uint32_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

// Rows [first, first + rows) of a matrix.
std::vector<float> rows_of(const std::vector<float>& matrix, uint32_t cols, uint32_t first,
                           uint32_t rows) {
  const auto begin = matrix.begin() + size_t{first} * cols;
  return {begin, begin + size_t{rows} * cols};
}

std::vector<float> gather_pieces(const std::vector<std::vector<float>>& texts, uint32_t cols,
                                 const std::vector<Piece>& chunk) {
  std::vector<float> rows;
  for (const Piece& piece : chunk) {
    const std::vector<float> part = rows_of(texts[piece.text], cols, piece.first, piece.rows);
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

std::vector<float> rotation_table(uint32_t positions) {
  std::vector<float> table;
  for (uint32_t position = 0; position < positions; ++position) {
    for (const bool sine : {false, true}) {
      for (uint32_t i = 0; i < kDim / 2; ++i) {
        const double angle = position * std::pow(1e6, -2.0 * i / kDim);
        table.push_back(static_cast<float>(sine ? std::sin(angle) : std::cos(angle)));
      }
    }
  }
  return table;
}

}  // namespace

AttentionInputs random_inputs(const Setting& setting, DType dtype, uint64_t seed) {
  Random random(seed);
  AttentionInputs inputs;
  const auto rows = [&](uint32_t tokens, uint32_t cols) {
    return rounded(random.values(size_t{tokens} * cols), cols, dtype);
  };
  for (const TextShape& text : setting.texts) {
    inputs.query.push_back(rows(text.tokens, setting.query_cols()));
    inputs.key_value.push_back(rows(text.tokens, setting.key_value_cols()));
  }
  for (const uint32_t tokens : setting.prefixes)
    inputs.prefix.push_back(rows(tokens, setting.key_value_cols()));
  inputs.query_gain = random.values(kDim, 0.5f * setting.sharpness, setting.sharpness);
  inputs.key_gain = random.values(kDim, 0.5f * setting.sharpness, setting.sharpness);
  return inputs;
}

Chunks chunks_of(const Setting& setting, uint32_t chunk_rows, std::vector<size_t> order) {
  if (order.empty()) {
    for (size_t i = 0; i < setting.texts.size(); ++i) order.push_back(i);
  }
  Chunks chunks(1);
  uint32_t room = chunk_rows;
  for (const size_t text : order) {
    for (uint32_t first = 0; first < setting.texts[text].tokens;) {
      if (room == 0) {
        chunks.emplace_back();
        room = chunk_rows;
      }
      const uint32_t rows = std::min(room, setting.texts[text].tokens - first);
      chunks.back().push_back({text, first, rows});
      first += rows;
      room -= rows;
    }
  }
  return chunks;
}

// The arena: for each layer, the pages of runs that keep every layer; then the pages of runs that
// live for one layer only. About every second page belongs to no run.
PagedAttention::PagedAttention(Device& device, const Setting& setting, uint64_t seed)
    : device_(device), setting_(setting) {
  Random random(seed);
  uint32_t per_layer = 0, reused = 0, positions = 0;
  for (const uint32_t tokens : setting.prefixes) per_layer += pages_for(tokens);
  for (size_t i = 0; i < setting.texts.size(); ++i) {
    (setting.own_has_layers ? per_layer : reused) += pages_for(setting.texts[i].tokens);
    positions = std::max(positions, setting.position(i) + setting.texts[i].tokens);
  }
  layer_stride_ = 2 * per_layer + 1;
  const uint32_t first_reused = setting.layers * layer_stride_;
  std::vector<uint32_t> per_layer_ids = random.permutation(layer_stride_);
  std::vector<uint32_t> reused_ids = random.permutation(2 * reused + 1);
  for (uint32_t& id : reused_ids) id += first_reused;
  owned_.resize(first_reused + 2 * reused + 1);

  std::vector<uint32_t> table;
  const auto lay_out = [&](uint32_t tokens, bool keeps_layers) {
    KeyValueRun run{nullptr, tokens, keeps_layers ? layer_stride_ : 0};
    for (uint32_t i = 0; i < pages_for(tokens); ++i) {
      std::vector<uint32_t>& ids = keeps_layers ? per_layer_ids : reused_ids;
      table.push_back(ids.back());
      owned_[ids.back() + setting.layer * run.layer_stride] = true;
      ids.pop_back();
    }
    table.push_back(kSentinel);  // past the end: a page far outside
    return run;
  };
  for (const uint32_t tokens : setting.prefixes) prefix_runs_.push_back(lay_out(tokens, true));
  for (const TextShape& text : setting.texts)
    own_runs_.push_back(lay_out(text.tokens, setting.own_has_layers));
  tables_ = std::make_unique<GuardedArray<uint32_t>>(device, table);
  const uint32_t* next = tables_->data();
  for (std::vector<KeyValueRun>* runs : {&prefix_runs_, &own_runs_}) {
    for (KeyValueRun& run : *runs) {
      run.pages = next;
      next += pages_for(run.tokens) + 1;
    }
  }
  rotations_ = std::make_unique<GuardedArray<float>>(device, rotation_table(positions));
  heads_ = {setting.query_heads, setting.key_value_heads, kDim, 1e-6f, rotations_->data()};
  arena_ =
      std::make_unique<GuardedMemory>(device, owned_.size() * device.backend.page_bytes(heads_));
}

std::vector<Span> PagedAttention::spans_of(const std::vector<Piece>& chunk) const {
  std::vector<Span> spans;
  uint32_t row = 0;
  for (const Piece& piece : chunk) {
    const std::optional<size_t> prefix = setting_.texts[piece.text].prefix;
    const KeyValueRun none{nullptr, 0, 0};
    spans.push_back({row, piece.rows, setting_.position(piece.text) + piece.first,
                     prefix ? prefix_runs_[*prefix] : none, own_runs_[piece.text]});
    row += piece.rows;
  }
  return spans;
}

void PagedAttention::store(const std::vector<Span>& spans, const std::vector<float>& key_value,
                           const AttentionInputs& inputs) {
  const uint32_t cols = setting_.key_value_cols();
  const auto rows = static_cast<uint32_t>(key_value.size() / cols);
  const GuardedMatrix matrix(device_, rows, cols, setting_.gap, device_.output, &key_value);
  const StoredWeight gain(device_, WeightUse::gain, 1, kDim, inputs.key_gain);
  const GuardedArray<Span> list(device_, spans);
  device_.backend.norm_rope_store(
      matrix, gain, heads_, {list.data(), static_cast<uint32_t>(spans.size()), setting_.layer},
      arena_->data());
  device_.sync();
  (void)matrix.read();
  gain.check();
  list.check();
}

std::vector<float> PagedAttention::norm_rope(const AttentionInputs& inputs,
                                             const std::vector<Piece>& chunk) {
  const std::vector<float> query = gather_pieces(inputs.query, setting_.query_cols(), chunk);
  const auto rows = static_cast<uint32_t>(query.size() / setting_.query_cols());
  const GuardedMatrix matrix(device_, rows, setting_.query_cols(), setting_.gap, device_.output,
                             &query);
  const StoredWeight gain(device_, WeightUse::gain, 1, kDim, inputs.query_gain);
  const GuardedArray<Span> list(device_, spans_of(chunk));
  device_.backend.norm_rope(matrix, gain, heads_,
                            {list.data(), static_cast<uint32_t>(chunk.size()), setting_.layer});
  device_.sync();
  gain.check();
  list.check();
  return matrix.read();
}

std::vector<float> PagedAttention::attend(const std::vector<Piece>& chunk,
                                          const AttentionInputs& inputs) {
  const std::vector<float> rotated = norm_rope(inputs, chunk);
  const uint32_t cols = setting_.query_cols();
  const auto rows = static_cast<uint32_t>(rotated.size() / cols);
  const GuardedMatrix query(device_, rows, cols, setting_.gap, device_.output, &rotated);
  const GuardedMatrix out(device_, rows, cols, setting_.gap + 8, device_.input);
  const GuardedArray<Span> list(device_, spans_of(chunk));
  device_.backend.attention(query, heads_,
                            {list.data(), static_cast<uint32_t>(chunk.size()), setting_.layer},
                            arena_->data(), out);
  device_.sync();
  (void)query.read();
  list.check();
  return out.read();
}

std::vector<std::vector<float>> PagedAttention::run(const AttentionInputs& inputs,
                                                    const Chunks& chunks) {
  for (size_t i = 0; i < prefix_runs_.size(); ++i) {
    if (prefix_runs_[i].tokens == 0) continue;
    store({{0, prefix_runs_[i].tokens, 0, {nullptr, 0, 0}, prefix_runs_[i]}}, inputs.prefix[i],
          inputs);
  }
  const uint32_t cols = setting_.query_cols();
  std::vector<std::vector<float>> attended;
  for (const TextShape& text : setting_.texts) {
    attended.emplace_back(size_t{text.tokens} * cols, std::numeric_limits<float>::quiet_NaN());
  }
  for (const std::vector<Piece>& chunk : chunks) {
    store(spans_of(chunk), gather_pieces(inputs.key_value, setting_.key_value_cols(), chunk),
          inputs);
    const std::vector<float> out = attend(chunk, inputs);
    const float* row = out.data();
    for (const Piece& piece : chunk) {
      std::copy_n(row, size_t{piece.rows} * cols,
                  &attended[piece.text][size_t{piece.first} * cols]);
      row += size_t{piece.rows} * cols;
    }
  }
  check();
  return attended;
}

std::vector<std::vector<float>> PagedAttention::run_last_rows(const AttentionInputs& inputs) {
  std::vector<Piece> chunk;
  for (size_t i = 0; i < setting_.texts.size(); ++i)
    chunk.push_back({i, setting_.texts[i].tokens - 1, 1});
  const std::vector<float> out = attend(chunk, inputs);
  check();
  std::vector<std::vector<float>> rows;
  for (uint32_t i = 0; i < chunk.size(); ++i)
    rows.push_back(rows_of(out, setting_.query_cols(), i, 1));
  return rows;
}

// Fails if a page that no run owns, or memory around the arena and the tables, has changed.
void PagedAttention::check() const {
  const std::vector<unsigned char> arena = arena_->read();
  const size_t page_bytes = device_.backend.page_bytes(heads_);
  const std::vector<uint32_t> sentinels(page_bytes / 4, kSentinel);
  for (size_t page = 0; page < owned_.size(); ++page) {
    expect(
        owned_[page] || std::memcmp(&arena[page * page_bytes], sentinels.data(), page_bytes) == 0,
        "wrote into page " + std::to_string(page) + ", which no run owns");
  }
  tables_->check();
  rotations_->check();
}

}  // namespace qwen3::test
