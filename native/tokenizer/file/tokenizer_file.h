// The content of a tokenizer.json, and whether it is one that this tokenizer implements.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qwen3 {

// A token that is found in a text before the text is split into words.
struct AddedToken {
  std::string content;  // UTF-8
  uint32_t id = 0;
  bool special = false;
  bool normalized = false;   // searched for in the normalized text, by its normalized content
  bool single_word = false;  // only where no word character is beside it
  bool left_strip = false;   // takes the white space before it
  bool right_strip = false;  // takes the white space after it
};

struct TokenizerFile {
  // Tokens and the parts of merges in the byte-level alphabet, see byte_level.h.
  std::vector<std::pair<std::string, uint32_t>> vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;  // most urgent first
  std::vector<AddedToken> added;
  std::vector<uint32_t> before, after;  // ids that the template puts around a text
};

// Throws Error: model_invalid; model_unsupported if the file asks for anything but byte-level BPE
// with NFC, the pattern of Qwen and a template around the text. Ignored: `truncation`, `padding`,
// `decoder`.
TokenizerFile read_tokenizer_file(std::string_view json);

}  // namespace qwen3
