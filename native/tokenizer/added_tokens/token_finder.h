// Finds the added tokens in a text.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens/matcher.h"
#include "tokenizer/file/tokenizer_file.h"

namespace qwen3 {

// Control tokens are special or written in angle brackets.
bool is_control(const AddedToken& token);

// A part of a text: an added token, or text between them.
struct Section {
  const AddedToken* token;  // null: text
  size_t from, to;
};

// Finds the tokens of one stage: those that are searched for in the original text, or those in the
// normalized text.
class TokenFinder {
 public:
  // `tokens` must outlive the finder. Throws Error(model_invalid) if two are equal when they are
  // normalized.
  TokenFinder(const std::vector<AddedToken>& tokens, bool normalized, bool with_control);

  TokenFinder(const TokenFinder&) = delete;
  TokenFinder& operator=(const TokenFinder&) = delete;

 private:
  friend class Sections;
  TokenFinder(const std::vector<const AddedToken*>& tokens, bool normalized);

  std::vector<const AddedToken*> tokens_;
  Matcher matcher_;
};

// A text, split at the tokens in it. The sections are in order and not empty. They may overlap: a
// token may take the white space that another one begins with.
class Sections {
 public:
  Sections() = default;
  // `finder` and `text`, of less than 2^32 units, must outlive this.
  Sections(const TokenFinder& finder, std::u16string_view text);
  // None at the end.
  std::optional<Section> next();

 private:
  std::optional<Section> next_token();

  const TokenFinder* finder_ = nullptr;
  std::u16string_view text_;
  std::vector<Matcher::Match> matches_;
  size_t next_match_ = 0;
  size_t done_ = 0;               // the end of the last section
  std::optional<Section> token_;  // after the section that was returned last
  size_t space_end_ = 0;  // of white space that a token has taken, so that none is looked at twice
};

}  // namespace qwen3
