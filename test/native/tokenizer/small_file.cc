#include "tokenizer/small_file.h"

#include "harness.h"
#include "tokenizer/unicode/unicode.h"

namespace qwen3::test {
namespace {

constexpr std::string_view kPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::string to_json(const AddedToken& token) {
  const auto flag = [](const char* name, bool value) {
    return std::string(",\"") + name + "\":" + (value ? "true" : "false");
  };
  return "{\"id\":" + std::to_string(token.id) + ",\"content\":" + quote(token.content) +
         flag("single_word", token.single_word) + flag("lstrip", token.left_strip) +
         flag("rstrip", token.right_strip) + flag("normalized", token.normalized) +
         flag("special", token.special) + '}';
}

std::string byte_level_of(uint8_t byte) {
  const auto is_printable = [](int c) {
    return (c >= '!' && c <= '~') || (c >= 0xA1 && c <= 0xAC) || c >= 0xAE;
  };
  char16_t unit = byte;
  if (!is_printable(byte)) {
    unit = 0x100;
    for (int c = 0; c < byte; ++c) unit += !is_printable(c);
  }
  std::string utf8;
  append_utf8({&unit, 1}, utf8);
  return utf8;
}

}  // namespace

std::string quote(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    json += c;
  }
  return json + '"';
}

std::string byte_level(std::string_view word) {
  std::string text;
  for (const char c : word) text += byte_level_of(static_cast<uint8_t>(c));
  return text;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const size_t at = text.find(what);
  expect(at != std::string::npos, std::string(what) + " is not in " + text);
  return text.replace(at, what.size(), by);
}

SmallFile::SmallFile() {
  pre_tokenizer = R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":)" +
                  quote(kPattern) +
                  R"(},"behavior":"Isolated","invert":false},{"type":"ByteLevel",)"
                  R"("add_prefix_space":false,"trim_offsets":false,"use_regex":false}]})";
  post_processor =
      R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}},)"
      R"({"SpecialToken":{"id":"<|end|>","type_id":0}}],"pair":[],"special_tokens":{"<|end|>":)"
      R"({"id":"<|end|>","ids":[265],"tokens":["<|end|>"]}}})";
  const auto add = [&](const std::string& token, uint32_t id) {
    if (!vocabulary.empty()) vocabulary += ',';
    vocabulary += quote(token) + ':' + std::to_string(id);
  };
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    add(byte_level({&c, 1}), byte);
  }
  uint32_t id = ab;
  for (const auto& [left, right] : {std::pair{"a", "b"},
                                    {"ab", "c"},
                                    {" ", "a"},
                                    {" ", "ab"},
                                    {"x", "x"},
                                    {"xx", "xx"},
                                    {"\xc3", "\xa9"},
                                    {" ", " "}}) {
    add(byte_level(std::string(left) + right), id++);
    if (!merges.empty()) merges += ',';
    merges += '[' + quote(byte_level(left)) + ',' + quote(byte_level(right)) + ']';
  }
  add("\xe4\xb8\xad", chinese);
  added = {{.content = "<|end|>", .id = end, .special = true},
           {.content = "<think>", .id = think},
           {.content = "[plain]", .id = plain},
           {.content = "[e\xcc\x81]", .id = accent, .normalized = true}};
}

std::string SmallFile::json() const {
  std::string tokens;
  for (const AddedToken& token : added) {
    if (!tokens.empty()) tokens += ',';
    tokens += to_json(token);
  }
  return "{\"version\":" + version + ",\"truncation\":null,\"padding\":null,\"added_tokens\":[" +
         tokens + "],\"normalizer\":" + normalizer + ",\"pre_tokenizer\":" + pre_tokenizer +
         ",\"post_processor\":" + post_processor + ",\"decoder\":null,\"model\":{" + model +
         ",\"vocab\":{" + vocabulary + "},\"merges\":[" + merges + "]}" + more + '}';
}

std::shared_ptr<const Tokenizer> open(const SmallFile& file) {
  return std::make_shared<Tokenizer>(file.json(), SmallFile::kRows, "");
}

std::vector<uint32_t> encode(const std::shared_ptr<const Tokenizer>& tokenizer,
                             std::u16string_view text, const EncodeOptions& options) {
  Encoding encoding(tokenizer, std::u16string(text), options);
  while (encoding.step()) {
  }
  return encoding.ids();
}

}  // namespace qwen3::test
