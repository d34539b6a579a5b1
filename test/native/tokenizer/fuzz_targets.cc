#include "tokenizer/fuzz_targets.h"

#include <algorithm>
#include <cstdio>

#include "error.h"
#include "harness.h"
#include "tokenizer/small_file.h"
#include "tokenizer/unicode/normalize.h"
#include "tokenizer/unicode/unicode.h"

namespace qwen3::test {
namespace {

using Ids = std::vector<uint32_t>;
using Open = std::shared_ptr<const Tokenizer>;

struct Result {
  Ids ids;
  size_t count;
  std::optional<Encoding::Refused> refused;
};

Result encoded(const Open& tokenizer, const std::u16string& text, const EncodeOptions& options) {
  Encoding encoding(tokenizer, text, options);
  // Each step but one does something.
  size_t steps = 0;
  while (encoding.step()) expect(++steps < text.size() + 100, "a text takes too many steps");
  return {encoding.ids(), encoding.count(), encoding.refused()};
}

// Compares the options that must not make a difference. Returns the whole encoding.
Result check_limits(const Open& tokenizer, const std::u16string& text, ControlTokens control_tokens,
                    size_t max_ids, uint32_t rows) {
  const EncodeOptions options{.control_tokens = control_tokens};
  const Result whole = encoded(tokenizer, text, options);
  expect(whole.count == whole.ids.size(), "the count of all ids");
  for (const uint32_t id : whole.ids) expect(id < rows, "an id that the model does not have");
  EncodeOptions limited = options;
  limited.max_ids = max_ids;
  const Result some = encoded(tokenizer, text, limited);
  expect(some.count == std::min(max_ids, whole.count), "the count of a limited encoding");
  expect(some.ids.size() == some.count &&
             std::equal(some.ids.begin(), some.ids.end(), whole.ids.begin()),
         "not the first ids");
  expect(some.refused.has_value() == (whole.refused && max_ids > whole.count),
         "refused with a limit only");
  limited.keep_ids = false;
  const Result counted = encoded(tokenizer, text, limited);
  expect(counted.count == some.count && counted.ids.empty(), "the count without ids");
  return whole;
}

// Tokens that strip, stand alone, overlap others or are searched for after NFC.
Open with_all_kinds_of_tokens() {
  SmallFile file;
  const std::initializer_list<AddedToken> more = {
      {.content = "ab", .id = SmallFile::ab, .single_word = true},
      {.content = "<s>", .id = SmallFile::next, .left_strip = true, .right_strip = true},
      {.content = " x", .id = SmallFile::next + 1, .right_strip = true},
      {.content = "  ", .id = SmallFile::next + 2, .normalized = true, .left_strip = true},
      {.content = "\xc3\xa9\xc3\xa9",
       .id = SmallFile::next + 3,
       .normalized = true,
       .single_word = true}};
  file.added.insert(file.added.end(), more);
  return open(file);
}

std::string bytes_of(const Ids& ids) {
  constexpr std::string_view kMerged[] = {"ab", "abc", " a", " ab", "xx", "xxxx", "\xc3\xa9", "  "};
  std::string bytes;
  for (const uint32_t id : ids) {
    if (id < 256)
      bytes += static_cast<char>(id);
    else
      bytes += kMerged[id - 256];
  }
  return bytes;
}

}  // namespace

void fuzz_tokenizer_file(std::string_view json) {
  Open tokenizer;
  try {
    tokenizer = std::make_shared<Tokenizer>(json, SmallFile::kRows, "<|end|>");
  } catch (const Error& error) {
    expect(error.code == ErrorCode::model_invalid || error.code == ErrorCode::model_unsupported,
           "another code");
    expect(std::string_view(error.what()).size() < 300, "a long message");
    return;
  }
  for (const Ids* ids : {&tokenizer->before(), &tokenizer->after()})
    for (const uint32_t id : *ids)
      expect(id < SmallFile::kRows, "the template has an id that the model does not have");
  std::u16string text = u"abc<think> xxxx[e\u0301] \u4e2d<|end|>  it's 12\n\n x ";
  check_limits(tokenizer, text, ControlTokens::parse, 7, SmallFile::kRows);
  for (int i = 0; i < 300; ++i) text += u"xxabcabxaba";
  check_limits(tokenizer, text, ControlTokens::refuse, 50, SmallFile::kRows);
}

void fuzz_text(std::string_view bytes) {
  static const Open all = with_all_kinds_of_tokens();
  static const Open control_only = [] {
    SmallFile file;
    file.added.resize(2);
    return open(file);
  }();
  if (bytes.size() < 3) return;
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(bytes[at]); };
  const auto control_tokens = static_cast<ControlTokens>(byte(0) % 3);
  const size_t max_ids = byte(1), repetitions = byte(2) < 240 ? 1 : byte(2) - 190;
  std::u16string text;
  if (byte(0) & 64) {  // Latin-1, so that words and tokens are likely
    for (size_t at = 3; at < bytes.size(); ++at) text += byte(at);
  } else {
    for (size_t at = 3; at + 1 < bytes.size(); at += 2)
      text += static_cast<char16_t>(byte(at) << 8 | byte(at + 1));
  }
  const std::u16string part = text;
  for (size_t i = 1; i < repetitions; ++i) text += part;

  check_limits(all, text, control_tokens, max_ids, SmallFile::kRows);
  const Result plain =
      check_limits(control_only, text, ControlTokens::as_text, max_ids * 16, SmallFile::end);
  replace_lone_surrogates(text);
  std::u16string normalized;
  append_nfc(text, normalized);
  std::string utf8;
  append_utf8(normalized, utf8);
  expect(bytes_of(plain.ids) == utf8, "the ids are not those of the text");
}

}  // namespace qwen3::test

#ifdef QWEN3_FUZZ_TARGET
// Also prints what is wrong before libFuzzer reports an exception.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    qwen3::test::QWEN3_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    throw;
  }
  return 0;
}

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

// Begins with a small tokenizer.json where it fits.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned) {
  static const std::string json = qwen3::test::SmallFile().json();
  if (size > json.size() / 2 || json.size() > max_size)
    return LLVMFuzzerMutate(data, size, max_size);
  std::copy(json.begin(), json.end(), data);
  return json.size();
}
#endif
