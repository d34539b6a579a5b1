#include "tokenizer/unicode/unicode.h"

#include <algorithm>

namespace qwen3 {
namespace {

// Units are examined this many at a time, in loops that compilers vectorize.
constexpr size_t kBlock = 64;

// The position of the first block that has surrogates, or of the last one, which is not whole.
size_t first_block_with_surrogates(std::u16string_view text) {
  size_t at = 0;
  for (; text.size() - at >= kBlock; at += kBlock) {
    unsigned surrogates = 0;
    for (size_t i = 0; i < kBlock; ++i) surrogates += (text[at + i] & 0xf800) == 0xd800;
    if (surrogates != 0) break;
  }
  return at;
}

// Writes the UTF-8 of `c` and returns its end.
char* write_utf8(char32_t c, char* to) {
  const auto byte = [&](char32_t bits) { *to++ = static_cast<char>(bits); };
  if (c < 0x80) {
    byte(c);
    return to;
  }
  if (c < 0x800) {
    byte(0xc0 | c >> 6);
  } else {
    if (c < 0x10000) {
      byte(0xe0 | c >> 12);
    } else {
      byte(0xf0 | c >> 18);
      byte(0x80 | (c >> 12 & 0x3f));
    }
    byte(0x80 | (c >> 6 & 0x3f));
  }
  byte(0x80 | (c & 0x3f));
  return to;
}

}  // namespace

bool is_word(char32_t c) { return value_of(kClassBlocks, kClassValues, c) & kWord; }

void replace_lone_surrogates(std::u16string& text) {
  for (size_t at = first_block_with_surrogates(text); at < text.size(); ++at) {
    if (is_high_surrogate(text[at]) && is_low_surrogate(text[at + 1])) {  // text[size] is 0
      ++at;
    } else if (is_high_surrogate(text[at]) || is_low_surrogate(text[at])) {
      text[at] = 0xfffd;
    }
  }
}

void append_utf8(std::u16string_view text, std::string& to) {
  // Three bytes per unit, and a surrogate pair may begin at the last unit.
  char bytes[3 * kBlock + 1];
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(at + kBlock, text.size());
    char16_t units = 0;
    for (size_t i = at; i < end; ++i) units |= text[i];
    char* last = bytes;
    if (units < 0x80) {
      while (at < end) *last++ = static_cast<char>(text[at++]);
    } else {
      while (at < end) last = write_utf8(decode(text, at), last);
    }
    to.append(bytes, last);
  }
}

void append_utf8(char32_t c, std::string& to) {
  char bytes[4];
  to.append(bytes, write_utf8(c, bytes));
}

void append_utf16(char32_t c, std::u16string& to) {
  if (c >= 0x10000) {
    to += static_cast<char16_t>(0xd800 + ((c - 0x10000) >> 10));
    to += static_cast<char16_t>(0xdc00 + ((c - 0x10000) & 0x3ff));
  } else {
    to += static_cast<char16_t>(c);
  }
}

}  // namespace qwen3
