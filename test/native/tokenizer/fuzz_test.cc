// The fuzz targets with bytes that a small mutator makes. test/native/CMakeLists.txt says how to
// run them with libFuzzer.
#include "random.h"
#include "tokenizer/fuzz_targets.h"
#include "tokenizer/small_file.h"
#include "tokenizer/tokenizer_tests.h"

namespace qwen3::test {
namespace {

using Words = std::vector<std::string>;

std::string mutated(Random& random, std::string bytes, const Words& words) {
  const auto any = [&](size_t limit) { return random.below(static_cast<uint32_t>(limit)); };
  for (uint32_t changes = 1 + random.below(4); changes > 0; --changes) {
    const size_t at = any(bytes.size() + 1), from = any(bytes.size() + 1);
    const size_t length = any(random.below(4) ? 8 : 200);
    switch (random.below(6)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(random.below(256));
        break;
      case 1: bytes.insert(at, bytes.substr(from, length)); break;
      case 2: bytes.erase(at, length); break;
      case 3: bytes.insert(at, words[any(words.size())]); break;
      case 4: bytes.replace(at, length, words[any(words.size())]); break;
      default: bytes.replace(at, length, bytes.substr(from, length));
    }
  }
  return bytes;
}

// Calls target(bytes) with changed copies of `begin`, which are changed again.
template <typename Target>
void fuzz(const Target& target, const Words& begin, const Words& words, uint64_t seeds) {
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    Random random(seed);
    std::string bytes = begin[random.below(static_cast<uint32_t>(begin.size()))];
    for (uint32_t rounds = 1 + random.below(8); rounds > 0; --rounds) {
      bytes = mutated(random, bytes, words);
      try {
        target(bytes);
      } catch (const std::exception& error) {
        throw Failure("seed " + std::to_string(seed) + ": " + error.what());
      }
    }
  }
}

void tokenizer_files() {
  const std::string json = SmallFile().json();
  SmallFile other;
  other.post_processor = "null";
  other.merges = "\"a b\",\"ab c\"";
  fuzz(fuzz_tokenizer_file, {json, other.json()},
       {"{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "null",
        "true",
        "false",
        "0",
        "266",
        "1e9",
        "-1",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\\ud800",
        "{\"type\":\"Sequence\",\"processors\":[",
        "\"id\":97,",
        "\"lstrip\":true",
        "\"rstrip\":true",
        "\"single_word\":true",
        "\"normalized\":true",
        "[\"a\",\"b\"],",
        "\"\":998,",
        "[\"\",\"a\"],",
        "\xe4\xb8\xad",
        "\xff",
        "4294967295",
        "999"},
       5'000);
}

void texts() {
  // Options, then Latin-1 or UTF-16.
  const std::string latin("\x40\x05\x01", 3), long_latin("\x41\xff\xff", 3);
  const std::string utf16("\x02\x03\x01", 3);
  fuzz(fuzz_text,
       {latin + "ab abc<think> xx<s>  x\xe9\xe9 it's 12\n\n", long_latin + "xxab",
        long_latin + " \n  ", utf16 + std::string("\0e\x03\x01\xd8\x3d\xde\x00\x4e\x2d", 10)},
       {"ab", "abc", "<s>", "<think>", "<|end|>", "[plain]", "  ", " x", "\xe9\xe9", "'s", "\n",
        std::string("\0e\x03\x01", 4), std::string("\0[\0e\x03\x01\0]", 8), "\xd8\x3d\xde", "\xdc",
        std::string("\x11\x00\x11\x61\x11\xa8", 6), "\x03\x23", "\x20\x28", "\x01\x7f"},
       2'000);
}

}  // namespace

void add_fuzz_tests(Tests& tests) {
  tests.insert(tests.end(), {{"fuzz: tokenizer files", tokenizer_files}, {"fuzz: texts", texts}});
}

}  // namespace qwen3::test
