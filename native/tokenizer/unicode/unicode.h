// Characters of UTF-16 texts. A text is well-formed if it has no lone surrogates; every function
// except replace_lone_surrogates expects that.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tokenizer/unicode/unicode_tables.h"

namespace qwen3 {

// \p{L}, \p{N}, \s or none of them, in Unicode 16.0.
enum class CharClass : uint8_t { other, letter, number, space };

inline CharClass class_of(char32_t c) {
  const uint8_t value =
      c < kUnicodeBlockSize ? kClassValues[c] : value_of(kClassBlocks, kClassValues, c);
  return static_cast<CharClass>(value & kClassMask);
}

// Whether Rust's regular expression \w matches: alphabetic characters, marks, decimal digits,
// connectors and joiners (Unicode 16.0).
bool is_word(char32_t c);

inline bool is_high_surrogate(char16_t unit) { return (unit & 0xfc00) == 0xd800; }
inline bool is_low_surrogate(char16_t unit) { return (unit & 0xfc00) == 0xdc00; }

// The code point that begins at `at`, which then moves past it.
inline char32_t decode(std::u16string_view text, size_t& at) {
  const char16_t unit = text[at++];
  if (!is_high_surrogate(unit)) return unit;
  return 0x10000 + ((unit & 0x3ffu) << 10) + (text[at++] & 0x3ffu);
}

// Makes a text well-formed: each lone surrogate becomes U+FFFD.
void replace_lone_surrogates(std::u16string& text);

void append_utf8(std::u16string_view text, std::string& to);
void append_utf8(char32_t c, std::string& to);
void append_utf16(char32_t c, std::u16string& to);

}  // namespace qwen3
