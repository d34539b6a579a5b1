// What a tokenizer consists of, for tokenizer.cc, which reads it, and encoding.cc, which uses it.
#pragma once
#include <vector>

#include "tokenizer/added_tokens/token_finder.h"
#include "tokenizer/file/tokenizer_file.h"
#include "tokenizer/file/vocabulary.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/words/bpe.h"

namespace qwen3 {

struct Tokenizer::Parts {
  Parts(std::vector<AddedToken> added, Vocabulary vocabulary);

  // The finders of the two stages, in the original and in the normalized text.
  struct Stages {
    Stages(const std::vector<AddedToken>& tokens, bool with_control)
        : original(tokens, false, with_control), normalized(tokens, true, with_control) {}
    TokenFinder original, normalized;
  };

  std::vector<AddedToken> added;
  Stages all, without_control;
  Bpe bpe;
  std::vector<uint32_t> before, after;
  bool appends_end_token = false;
  uint32_t rows = 0;
};

}  // namespace qwen3
