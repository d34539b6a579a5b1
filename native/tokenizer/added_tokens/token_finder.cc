#include "tokenizer/added_tokens/token_finder.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "error.h"
#include "tokenizer/file/show.h"
#include "tokenizer/unicode/normalize.h"
#include "tokenizer/unicode/unicode.h"

namespace qwen3 {
namespace {

// The text of valid UTF-8.
std::u16string utf16_of(std::string_view text) {
  std::u16string units;
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<uint8_t>(text[at++]);
    const int more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    char32_t c = more == 0 ? lead : lead & (0x3Fu >> more);
    for (int i = 0; i < more; ++i) c = c << 6 | (static_cast<uint8_t>(text[at++]) & 0x3Fu);
    append_utf16(c, units);
  }
  return units;
}

std::vector<const AddedToken*> selected(const std::vector<AddedToken>& tokens, bool normalized,
                                        bool with_control) {
  std::vector<const AddedToken*> chosen;
  for (const AddedToken& token : tokens) {
    if (token.normalized == normalized && (with_control || !is_control(token)))
      chosen.push_back(&token);
  }
  return chosen;
}

std::vector<std::u16string> patterns_of(const std::vector<const AddedToken*>& tokens,
                                        bool normalized) {
  std::vector<std::u16string> patterns;
  std::set<std::u16string> distinct;
  for (const AddedToken* token : tokens) {
    std::u16string pattern = utf16_of(token->content);
    if (normalized) {
      std::u16string composed;
      append_nfc(pattern, composed);
      pattern = std::move(composed);
    }
    if (!distinct.insert(pattern).second)
      throw Error(ErrorCode::model_invalid, "another added token is equal to " +
                                                quoted(token->content) + " when it is normalized");
    patterns.push_back(std::move(pattern));
  }
  return patterns;
}

bool is_word_before(std::u16string_view text, size_t at) {
  if (at == 0) return false;
  if (is_low_surrogate(text[--at])) --at;
  return is_word(decode(text, at));
}

bool is_word_after(std::u16string_view text, size_t at) {
  return at < text.size() && is_word(decode(text, at));
}

bool is_space(char16_t unit) { return class_of(unit) == CharClass::space; }

}  // namespace

bool is_control(const AddedToken& token) {
  return token.special || (token.content.starts_with('<') && token.content.ends_with('>'));
}

TokenFinder::TokenFinder(const std::vector<AddedToken>& tokens, bool normalized, bool with_control)
    : TokenFinder(selected(tokens, normalized, with_control), normalized) {}

TokenFinder::TokenFinder(const std::vector<const AddedToken*>& tokens, bool normalized)
    : tokens_(tokens), matcher_(patterns_of(tokens, normalized)) {}

Sections::Sections(const TokenFinder& finder, std::u16string_view text)
    : finder_(&finder), text_(text), matches_(finder.matcher_.find(text)) {}

std::optional<Section> Sections::next() {
  if (!token_) token_ = next_token();
  const size_t to = token_ ? token_->from : text_.size();
  if (done_ < to) return Section{nullptr, std::exchange(done_, to), to};
  if (token_) done_ = token_->to;
  return std::exchange(token_, std::nullopt);
}

std::optional<Section> Sections::next_token() {
  while (next_match_ < matches_.size()) {
    const Matcher::Match match = matches_[next_match_++];
    const AddedToken& token = *finder_->tokens_[match.pattern];
    size_t from = match.from, to = from + finder_->matcher_.length(match.pattern);
    if (token.single_word && (is_word_before(text_, from) || is_word_after(text_, to))) continue;
    if (token.left_strip) {
      while (from > done_ && is_space(text_[from - 1])) --from;
      from = std::max(from, done_);
    }
    if (token.right_strip) {
      space_end_ = std::max(space_end_, to);
      while (space_end_ < text_.size() && is_space(text_[space_end_])) ++space_end_;
      to = space_end_;
    }
    if (from < to) return Section{&token, from, to};
    // It is white space that the token before has taken.
  }
  return std::nullopt;
}

}  // namespace qwen3
