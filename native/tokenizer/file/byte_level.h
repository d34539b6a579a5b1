// The byte-level alphabet of GPT-2, in which tokenizer.json writes the bytes of tokens: printable
// characters of Latin-1 stand for themselves, the other bytes for U+0100 and following.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace qwen3 {

// The bytes of a token, valid UTF-8; none if it has characters that are not of the alphabet.
std::optional<std::string> bytes_of(std::string_view token);

}  // namespace qwen3
