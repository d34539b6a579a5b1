// A small tokenizer.json, in parts that tests change.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/file/tokenizer_file.h"
#include "tokenizer/tokenizer.h"

namespace qwen3::test {

// A byte has the id of its value. Then follow the ids of the merges' results, and those of the
// added tokens, which are `added` below.
struct SmallFile {
  enum : uint32_t {
    ab = 256,
    abc,
    space_a,
    space_ab,
    xx,
    xxxx,
    e_acute,
    two_spaces,
    chinese,  // a token with a character outside of the byte-level alphabet
    end,      // "<|end|>", special, at the end of the template
    think,    // "<think>", not special
    plain,    // "[plain]", not special
    accent,   // "[e" and U+0301 "]", searched for in the normalized text
    next,     // the id of another added token
  };
  static constexpr uint32_t kRows = 1'000;

  std::string version = R"("1.0")";
  std::string normalizer = R"({"type":"NFC"})";
  std::string pre_tokenizer, post_processor;
  std::string model = R"("type":"BPE","dropout":null,"unk_token":null)";  // without the next two
  std::string vocabulary, merges;  // the members of an object, the elements of an array
  std::vector<AddedToken> added;
  std::string more;  // further members

  SmallFile();
  std::string json() const;
};

// JSON of a string.
std::string quote(std::string_view text);

// `word` in the byte-level alphabet.
std::string byte_level(std::string_view word);

// Replaces the first occurrence of a text that must occur.
std::string replaced(std::string text, std::string_view what, std::string_view by);

std::shared_ptr<const Tokenizer> open(const SmallFile& file);

// The ids of a text without those of the template.
std::vector<uint32_t> encode(const std::shared_ptr<const Tokenizer>& tokenizer,
                             std::u16string_view text, const EncodeOptions& options = {});

}  // namespace qwen3::test
