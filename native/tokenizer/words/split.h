// Splits a normalized text into words, as Qwen's pattern does.
#pragma once
#include <cstddef>
#include <string_view>

namespace qwen3 {

// The end of the word that begins at `from`, which is before the text's end. The pattern:
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*
//   |\s*[\r\n]+|\s+(?!\S)|\s+
size_t word_end(std::u16string_view text, size_t from);

}  // namespace qwen3
