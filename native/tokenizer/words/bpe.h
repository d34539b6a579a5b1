// Byte pair encoding. The bytes of a word begin as one token each; the most urgent merge of two
// neighbors (the leftmost, if it is possible at several places) is applied until none is possible.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/hash.h"
#include "tokenizer/words/token_table.h"

namespace qwen3 {

class Bpe {
 public:
  using Token = uint32_t;
  static constexpr Token kNone = UINT32_MAX;

  struct Merge {
    Token left, right, result;
  };

  // `merges`: most urgent first. Of equal pairs the last one counts. Every byte must be a token.
  Bpe(TokenTable tokens, const std::vector<Merge>& merges);

  // Appends the ids of a word, at least one byte. O(n log n).
  void encode(std::string_view word, std::vector<Token>& ids) const;

  // Whether no merge comes before one that creates a part of it. If so, a sequence of tokens that
  // all come from encode() is the encoding of its bytes if it is that at every border.
  bool is_ordered() const { return is_ordered_; }
  // Whether the bytes of two tokens, which must come from encode(), are encoded as these tokens.
  // Only if is_ordered().
  bool is_border(Token left, Token right) const {
    return !merges_across(left, right, IntegerMap::kNone);
  }
  uint32_t length(Token token) const { return tokens_.length(token); }
  // Bytes of the longest token that comes from encode(). Only if is_ordered().
  size_t longest() const { return longest_; }

 private:
  uint32_t rank(Token left, Token right) const { return ranks_.find(uint64_t{left} << 32 | right); }
  void find_whole_tokens(const std::vector<Merge>& merges);
  bool merges_across(Token left, Token right, uint32_t limit) const;
  void scan(std::string_view word, std::vector<Token>& ids) const;
  void merge_with_heap(std::string_view word, std::vector<Token>& ids) const;

  TokenTable tokens_;
  IntegerMap ranks_;                  // of merges, by pair
  std::vector<uint32_t> byte_ranks_;  // the same for pairs of bytes
  std::vector<Token> results_;        // by rank
  std::array<Token, 256> bytes_;
  // Of a whole token, one that its own bytes are encoded as: the merge that creates it.
  struct Origin {
    uint32_t age = kNone;  // 0: a byte; rank + 1; kNone: not a whole token
    Token left = 0, right = 0;
  };
  std::vector<Origin> origins_;  // of bytes alone unless the merges are ordered
  bool is_ordered_ = true;
  size_t longest_ = 1;
};

}  // namespace qwen3
