// The vocabulary of a tokenizer.json: checks that names and ids fit together.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/file/tokenizer_file.h"
#include "tokenizer/words/bpe.h"
#include "tokenizer/words/token_table.h"

namespace qwen3 {

struct Vocabulary {
  // `rows`: of the embedding table; every id is smaller, except those of added tokens. Throws
  // Error(model_invalid).
  Vocabulary(const TokenizerFile& file, uint32_t rows);

  // The id of a token, written as in the file; kNone if there is no such token.
  uint32_t find(std::string_view token) const;
  bool has(uint32_t id) const {
    return (id < table.ids() && table.has(id)) || other_ids.contains(id);
  }

  TokenTable table;
  // Tokens with characters outside of the byte-level alphabet. No text becomes one of them.
  std::map<std::string, uint32_t, std::less<>> others;
  std::set<uint32_t> other_ids;
  std::vector<Bpe::Merge> merges;
};

// The added tokens that have an effect. Throws Error(model_invalid) unless each has the id that
// Hugging Face gives to it: its id in the vocabulary, or the next one after the vocabulary.
std::vector<AddedToken> checked_added_tokens(const TokenizerFile& file,
                                             const Vocabulary& vocabulary);

}  // namespace qwen3
