#include "tokenizer/words/split.h"

#include "tokenizer/unicode/unicode.h"

namespace qwen3 {
namespace {

bool is_line_end(char16_t unit) { return unit == u'\r' || unit == u'\n'; }

// The end of the run of characters of a class.
size_t run_end(std::u16string_view text, size_t from, CharClass of) {
  while (from < text.size()) {
    size_t next = from;
    if (class_of(decode(text, next)) != of) break;
    from = next;
  }
  return from;
}

// The end of 's, 't, 're, 've, 'm, 'll or 'd in any case; `from` if there is none.
size_t contraction_end(std::u16string_view text, size_t from) {
  const auto lower = [&](size_t at) -> char16_t {
    if (at >= text.size()) return 0;
    if (text[at] == u'\u017f') return u's';  // long s, whose upper case is S
    return text[at] < 0x80 ? static_cast<char16_t>(text[at] | 0x20) : u'\0';
  };
  if (text[from] != u'\'') return from;
  const char16_t first = lower(from + 1), second = lower(from + 2);
  if (first == u's' || first == u't' || first == u'm' || first == u'd') return from + 2;
  if ((first == u'r' && second == u'e') || (first == u'v' && second == u'e') ||
      (first == u'l' && second == u'l'))
    return from + 3;
  return from;
}

// The end of the word that begins with white space and has only white space.
size_t space_end(std::u16string_view text, size_t from) {
  const size_t end = run_end(text, from, CharClass::space);
  for (size_t at = end; at > from; --at) {
    if (is_line_end(text[at - 1])) return at;
  }
  // All white space has one unit. The last one belongs to what follows, if something does.
  return end == text.size() || end - from == 1 ? end : end - 1;
}

}  // namespace

size_t word_end(std::u16string_view text, size_t from) {
  if (const size_t end = contraction_end(text, from); end > from) return end;
  size_t next = from;
  const CharClass first = class_of(decode(text, next));
  if (first == CharClass::letter) return run_end(text, next, CharClass::letter);
  if (first == CharClass::number) return next;

  size_t after = next;
  const CharClass second = next < text.size() ? class_of(decode(text, after)) : CharClass::space;
  if (second == CharClass::letter && !is_line_end(text[from]))
    return run_end(text, after, CharClass::letter);
  const bool is_other = first == CharClass::other;
  if (is_other || (text[from] == u' ' && second == CharClass::other)) {
    size_t end = run_end(text, next, CharClass::other);
    while (end < text.size() && is_line_end(text[end])) ++end;
    return end;
  }
  return space_end(text, from);
}

}  // namespace qwen3
