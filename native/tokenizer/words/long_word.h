// Encodes a long word window by window: in steps, in linear time, and without reading more than the
// ids need that are asked for.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tokenizer/words/bpe.h"

namespace qwen3 {

class LongWord {
 public:
  static constexpr size_t kWindow = 1'024;

  // `bpe` must be ordered, and outlive this. `max_ids`: at least 1. `window`: bytes that are
  // encoded at first; another number in tests.
  LongWord(const Bpe& bpe, std::string word, size_t max_ids, size_t window = kWindow);

  // Encodes another window. Returns false when the first max_ids ids of the word are known, or all.
  bool step();
  // When step has returned false: these ids.
  const std::vector<uint32_t>& ids() const { return ids_; }

 private:
  void go_back();
  bool are_final();

  const Bpe& bpe_;
  const std::string word_;
  const size_t max_ids_;
  std::vector<uint32_t> ids_;  // of the word's first encoded_ bytes, if a border is there
  size_t encoded_ = 0;
  size_t next_check_;  // ids at which to ask again whether the first ones are final
  size_t window_;
  std::vector<uint32_t> new_ids_;
};

}  // namespace qwen3
