#include "tokenizer/unicode/normalize.h"

#include <algorithm>
#include <utility>

#include "tokenizer/unicode/unicode.h"

namespace qwen3 {
namespace {

// Hangul syllables are composed of a leading consonant, a vowel, and possibly a trailing consonant.
// kTrailing is one before the first of them.
constexpr char32_t kSyllable = 0xac00, kLeading = 0x1100, kVowel = 0x1161, kTrailing = 0x11a7;
constexpr char32_t kLeadings = 19, kVowels = 21, kTrailings = 28;
constexpr char32_t kSyllables = kLeadings * kVowels * kTrailings;

uint8_t rank_of(char32_t c) { return normalization_of(c) & kRankMask; }

// The rank and kNotQuick of the character at `at`, which then moves past it. 0: the text can be cut
// before the character. If it decomposes, its decomposition begins with such a character.
uint8_t next_obstacle(std::u16string_view text, size_t& at) {
  const char16_t unit = text[at];
  if (unit < 0x300 || (unit >= 0x3400 && unit < 0xa000)) {  // a shortcut for Latin and Chinese
    ++at;
    return 0;
  }
  return normalization_of(decode(text, at)) & (kRankMask | kNotQuick);
}

struct QuickCheck {
  size_t end;       // the first position at which NFC may change the text, or the text's end
  size_t boundary;  // the last position before or at `end` at which the text can be cut
};

// `begin`: a position at which the text can be cut.
QuickCheck quick_check(std::u16string_view text, size_t begin) {
  size_t boundary = begin;
  uint8_t rank = 0;  // of the character before
  for (size_t at = begin; at < text.size();) {
    const size_t position = at;
    const uint8_t obstacle = next_obstacle(text, at), own_rank = obstacle & kRankMask;
    if ((obstacle & kNotQuick) || (own_rank != 0 && own_rank < rank)) return {position, boundary};
    if (obstacle == 0) boundary = position;
    rank = own_rank;
  }
  return {text.size(), boundary};
}

void append_decomposed(char32_t c, std::u32string& to) {
  if (!(normalization_of(c) & kDecomposes)) {
    to += c;
    return;
  }
  if (c - kSyllable < kSyllables) {
    const char32_t index = c - kSyllable;
    to += kLeading + index / (kVowels * kTrailings);
    to += kVowel + index / kTrailings % kVowels;
    if (index % kTrailings != 0) to += kTrailing + index % kTrailings;
    return;
  }
  const auto found = std::ranges::lower_bound(kDecompositions, c, {}, &Decomposition::whole);
  append_decomposed(found->first, to);
  if (found->second != 0) to += found->second;
}

// Sorts the marks between starters by rank. Marks of equal rank keep their order.
void sort_marks(std::u32string& text) {
  const auto by_rank = [](char32_t x, char32_t y) { return rank_of(x) < rank_of(y); };
  const auto is_starter = [](char32_t c) { return rank_of(c) == 0; };
  for (auto begin = text.begin(); begin != text.end();) {
    const auto first = std::find_if_not(begin, text.end(), is_starter);
    begin = std::find_if(first, text.end(), is_starter);
    // Most runs are sorted, and sorting them would allocate memory.
    if (!std::is_sorted(first, begin, by_rank)) std::stable_sort(first, begin, by_rank);
  }
}

// The character that two compose to, or 0. `second` is one that composes with some character.
char32_t composition(char32_t first, char32_t second) {
  if (first - kLeading < kLeadings && second - kVowel < kVowels)
    return kSyllable + ((first - kLeading) * kVowels + second - kVowel) * kTrailings;
  const bool is_open = first - kSyllable < kSyllables && (first - kSyllable) % kTrailings == 0;
  if (is_open && second - kTrailing < kTrailings) return first + second - kTrailing;
  const auto parts = [](uint16_t index) {
    return std::pair(kDecompositions[index].first, kDecompositions[index].second);
  };
  const auto found = std::ranges::lower_bound(kCompositions, std::pair(first, second), {}, parts);
  const bool is_found = found != kCompositions.end() && parts(*found) == std::pair(first, second);
  return is_found ? kDecompositions[*found].whole : 0;
}

// Composes a decomposed text with sorted marks, in place.
void compose(std::u32string& text) {
  constexpr size_t none = static_cast<size_t>(-1);
  size_t starter = none;  // the position of the last one
  size_t end = 0;
  for (const char32_t c : text) {
    const uint8_t normalization = normalization_of(c), rank = normalization & kRankMask;
    if (starter != none && (normalization & kNotQuick)) {
      // A character in between blocks `c` from the starter, unless it has a lower rank. Those in
      // between are marks, so no starter composes over them.
      const bool blocked = end - starter > 1 && rank_of(text[end - 1]) >= rank;
      const char32_t composed = blocked ? 0 : composition(text[starter], c);
      if (composed != 0) {
        text[starter] = composed;
        continue;
      }
    }
    if (rank == 0) starter = end;
    text[end++] = c;
  }
  text.resize(end);
}

}  // namespace

bool is_normalized(std::u16string_view text) { return quick_check(text, 0).end == text.size(); }

void append_nfc(std::u16string_view text, std::u16string& to) {
  std::u32string part;
  for (size_t begin = 0; begin < text.size();) {
    const QuickCheck checked = quick_check(text, begin);
    if (checked.end == text.size()) {
      to.append(text.substr(begin));
      return;
    }
    to.append(text.substr(begin, checked.boundary - begin));
    begin = boundary_after(text, checked.end);
    part.clear();
    for (size_t at = checked.boundary; at < begin;) append_decomposed(decode(text, at), part);
    sort_marks(part);
    compose(part);
    for (const char32_t c : part) append_utf16(c, to);
  }
}

size_t boundary_after(std::u16string_view text, size_t from) {
  size_t at = from;
  if (at < text.size() && is_low_surrogate(text[at])) ++at;
  while (at < text.size()) {
    const size_t position = at;
    if (next_obstacle(text, at) == 0) return position;
  }
  return text.size();
}

}  // namespace qwen3
