#include "tokenizer/file/json.h"

#include "error.h"
#include "tokenizer/file/show.h"
#include "tokenizer/unicode/unicode.h"

namespace qwen3 {
namespace {

constexpr const char* kTypeNames[] = {"null",     "true or false", "a number",
                                      "a string", "an array",      "an object"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Bytes of the UTF-8 sequence at `at`; 0 if it is not well-formed.
size_t utf8_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t offset) {
    return at + offset < text.size() ? static_cast<uint8_t>(text[at + offset]) : uint8_t{0};
  };
  const auto continues = [&](size_t offset, uint8_t low = 0x80, uint8_t high = 0xBF) {
    return byte(offset) >= low && byte(offset) <= high;
  };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    // No overlong forms, no surrogates.
    const bool second = continues(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF);
    return second && continues(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool second = continues(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF);
    return second && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

void JsonReader::fail(const std::string& what) const {
  throw Error(ErrorCode::model_invalid,
              "it is not JSON: " + what + " at byte " + std::to_string(at_));
}

char JsonReader::peek() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
    ++at_;
  return at_ < text_.size() ? text_[at_] : '\0';
}

JsonReader::Type JsonReader::type() {
  const char c = peek();
  switch (c) {
    case '{': return Type::object;
    case '[': return Type::array;
    case '"': return Type::string;
    case 't':
    case 'f': return Type::boolean;
    case 'n': return Type::null;
    default: break;
  }
  if (c != '-' && !is_digit(c)) fail("a value is missing");
  return Type::number;
}

void JsonReader::require(Type expected, std::string_view name) {
  const Type found = type();
  if (found == expected) return;
  throw Error(ErrorCode::model_invalid, std::string(name) + " must be " +
                                            kTypeNames[static_cast<int>(expected)] + ", but is " +
                                            kTypeNames[static_cast<int>(found)]);
}

void JsonReader::enter(Type type, std::string_view name) {
  require(type, name);
  if (++depth_ > kMaxDepth)
    throw Error(ErrorCode::model_invalid,
                "it is nested more than " + std::to_string(kMaxDepth) + " levels deep");
  ++at_;
}

bool JsonReader::next(char close, bool first) {
  if (peek() == close) return ++at_, false;
  if (!first) expect(',');
  if (peek() == close) fail("a value is missing");
  return true;
}

void JsonReader::expect(char c) {
  if (peek() != c) fail(std::string("'") + c + "' is missing");
  ++at_;
}

void JsonReader::word(std::string_view expected) {
  if (text_.substr(at_, expected.size()) != expected) fail("an unknown word");
  at_ += expected.size();
}

void JsonReader::null(std::string_view name) {
  require(Type::null, name);
  word("null");
}

bool JsonReader::boolean(std::string_view name) {
  require(Type::boolean, name);
  const bool value = text_[at_] == 't';
  word(value ? "true" : "false");
  return value;
}

void JsonReader::number() {
  const auto digits = [&] {
    const size_t from = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    if (at_ == from) fail("a digit is missing");
  };
  if (peek() == '-') ++at_;
  if (at_ < text_.size() && text_[at_] == '0')
    ++at_;
  else
    digits();
  if (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    digits();
  }
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    digits();
  }
}

uint32_t JsonReader::integer(std::string_view name) {
  require(Type::number, name);
  const size_t from = at_;
  number();
  const std::string_view digits = text_.substr(from, at_ - from);
  uint64_t value = 0;
  for (const char c : digits) {
    value = is_digit(c) && value <= UINT32_MAX ? value * 10 + static_cast<uint64_t>(c - '0')
                                               : UINT64_MAX;
  }
  if (value > UINT32_MAX)
    throw Error(ErrorCode::model_invalid, std::string(name) + " must be an integer from 0 to " +
                                              std::to_string(UINT32_MAX) + ", but is " +
                                              quoted(digits));
  return static_cast<uint32_t>(value);
}

uint32_t JsonReader::hex4() {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    if (is_digit(c))
      value = value * 16 + static_cast<uint32_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = value * 16 + static_cast<uint32_t>(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      value = value * 16 + static_cast<uint32_t>(c - 'A' + 10);
    else
      fail("an invalid \\u escape");
  }
  return value;
}

// Reads an escape sequence, after its backslash, into unescaped_.
void JsonReader::escape() {
  const char c = at_ < text_.size() ? text_[at_++] : '\0';
  switch (c) {
    case '"':
    case '\\':
    case '/': return unescaped_.push_back(c);
    case 'b': return unescaped_.push_back('\b');
    case 'f': return unescaped_.push_back('\f');
    case 'n': return unescaped_.push_back('\n');
    case 'r': return unescaped_.push_back('\r');
    case 't': return unescaped_.push_back('\t');
    case 'u': break;
    default: fail("an invalid escape");
  }
  uint32_t code = hex4();
  if (code >= 0xD800 && code <= 0xDBFF && text_.substr(at_, 2) == "\\u") {
    at_ += 2;
    const uint32_t low = hex4();
    if (low < 0xDC00 || low > 0xDFFF) fail("a lone surrogate");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  if (code >= 0xD800 && code <= 0xDFFF) fail("a lone surrogate");
  append_utf8(char32_t{code}, unescaped_);
}

std::string_view JsonReader::string(std::string_view name) {
  require(Type::string, name);
  size_t from = ++at_;  // of what has not been copied
  bool copied = false;
  for (;;) {
    if (at_ >= text_.size()) fail("a string is not terminated");
    const char c = text_[at_];
    if (c == '"' || c == '\\') {
      const std::string_view plain = text_.substr(from, at_ - from);
      if (c == '"' && !copied) return ++at_, plain;
      if (!copied) unescaped_.clear();
      copied = true;
      unescaped_ += plain;
      ++at_;
      if (c == '"') return unescaped_;
      escape();
      from = at_;
    } else {
      if (static_cast<uint8_t>(c) < 0x20) fail("a control character in a string");
      const size_t length = utf8_length(text_, at_);
      if (length == 0) fail("a string is not UTF-8");
      at_ += length;
    }
  }
}

void JsonReader::skip() {
  switch (type()) {
    case Type::null: return word("null");
    case Type::boolean: return word(text_[at_] == 't' ? "true" : "false");
    case Type::number: return number();
    case Type::string: string("a string"); return;
    case Type::array: return array("an array", [&] { skip(); });
    case Type::object: return object("an object", [&](std::string_view) { skip(); });
  }
}

void JsonReader::end() {
  if (peek() != '\0' || at_ < text_.size()) fail("there is more text");
}

}  // namespace qwen3
