// Texts that are JSON, and texts that are not.
#include "tokenizer/file/json.h"

#include <cstdio>
#include <vector>

#include "expect_error.h"
#include "tokenizer/tokenizer_tests.h"

namespace qwen3::test {
namespace {

// Calls action(reader) with a copy of the text that ends where its memory ends.
template <typename Action>
auto with_reader(std::string_view text, const Action& action) {
  const std::vector<char> memory(text.begin(), text.end());
  JsonReader reader({memory.data(), memory.size()});
  return action(reader);
}

void read(std::string_view text) {
  with_reader(text, [](JsonReader& json) {
    json.skip();
    json.end();
  });
}

bool is_json(std::string_view text) {
  try {
    read(text);
    return true;
  } catch (const Error& error) {
    expect(error.code == ErrorCode::model_invalid, "another code for " + std::string(text));
    return false;
  }
}

std::string string_of(std::string_view text) {
  return with_reader(text, [](JsonReader& json) {
    const std::string value(json.string("it"));
    json.end();
    return value;
  });
}

std::string hex(std::string_view bytes) {
  std::string list;
  for (const char c : bytes) {
    char number[4];
    std::snprintf(number, sizeof number, "%02x ", unsigned{static_cast<uint8_t>(c)});
    list += number;
  }
  return list;
}

std::string escaped(unsigned unit) {
  char text[8];
  std::snprintf(text, sizeof text, "\\u%04x", unit);
  return text;
}

constexpr std::string_view kSample =
    R"({"null":null,"t":true,"f":false,"zero":0,"numbers":[12,-3.50,0.1e+7,-0E-0],)"
    "\r\n\t \"e\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\uDE00\":\"\x7f \xc3\xa9 \xe4\xb8\xad "
    "\xf0\x9f\x98\x80\",\"empty\":[{},[],\"\"],\"deep\":{\"x\":[[{\"y\":1}]]}} \n";

void valid_texts_are_read() {
  for (const std::string_view text :
       {kSample, std::string_view("null"), std::string_view("true"), std::string_view("false"),
        std::string_view("0"), std::string_view("-0"), std::string_view("1e5"),
        std::string_view("-12.034E-56"), std::string_view("\"\""), std::string_view("[]"),
        std::string_view("{}"), std::string_view(" [ 1 , 2 ] "),
        std::string_view("\t{\n\"a\"\r:\n1 ,\"a\":2}\n")})
    expect(is_json(text), std::string(text));
}

void values_are_given_in_order() {
  std::string seen;
  with_reader(kSample, [&](JsonReader& json) {
    json.object("it", [&](std::string_view key) {
      seen += std::string(key) + ' ';
      if (key == "null") {
        json.null(key);
      } else if (key == "t" || key == "f") {
        expect(json.boolean(key) == (key == "t"), "the value of " + std::string(key));
      } else if (key == "zero") {
        expect(json.integer(key) == 0, "the value of zero");
      } else if (key == "numbers") {
        json.array(key, [&] {
          expect(json.type() == JsonReader::Type::number, "the type of a number");
          seen += "number ";
          json.skip();
        });
      } else if (key.front() == 'e' && key != "empty") {
        expect(json.string(key) == "\x7f \xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80", "plain text");
      } else {
        json.skip();
      }
    });
    json.end();
  });
  const std::string wanted =
      "null t f zero numbers number number number number "
      "e\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80 empty deep ";
  expect(seen == wanted, "saw " + seen);
}

void every_cut_is_an_error() {
  const size_t size = kSample.rfind('}') + 1;
  for (size_t cut = 0; cut < size; ++cut)
    expect(!is_json(kSample.substr(0, cut)), "cut at byte " + std::to_string(cut));
  expect(is_json(kSample.substr(0, size)), "not cut");
}

void errors_say_what_is_wrong_and_where() {
  struct Example {
    std::string text, message;
  };
  const std::string nul(1, '\0');
  const Example examples[] = {
      {"", "a value is missing at byte 0"},
      {" \n", "a value is missing at byte 2"},
      {nul, "a value is missing at byte 0"},
      {"[" + nul + "]", "a value is missing at byte 1"},
      {"0" + nul, "there is more text at byte 1"},
      {"\xef\xbb\xbf{}", "a value is missing at byte 0"},
      {"{} {}", "there is more text at byte 3"},
      {"1 2", "there is more text at byte 2"},
      {"]", "a value is missing at byte 0"},
      {"'a'", "a value is missing at byte 0"},
      {"+1", "a value is missing at byte 0"},
      {".5", "a value is missing at byte 0"},
      {"NaN", "a value is missing at byte 0"},
      {"[1,]", "a value is missing at byte 3"},
      {"[,1]", "a value is missing at byte 1"},
      {"[1,,2]", "a value is missing at byte 3"},
      {"[1 2]", "',' is missing at byte 3"},
      {"[1}", "',' is missing at byte 2"},
      {"[1", "',' is missing at byte 2"},
      {"[", "a value is missing at byte 1"},
      {"{\"a\":1,}", "a value is missing at byte 7"},
      {"{\"a\":}", "a value is missing at byte 5"},
      {"{\"a\"}", "':' is missing at byte 4"},
      {"{\"a\",1}", "':' is missing at byte 4"},
      {"{\"a\":1]", "',' is missing at byte 6"},
      {"{\"a\":1 \"b\":2}", "',' is missing at byte 7"},
      {"/**/1", "a value is missing at byte 0"},
      {"\v1", "a value is missing at byte 0"},
      {"nul", "an unknown word at byte 0"},
      {"nuLl", "an unknown word at byte 0"},
      {"tru", "an unknown word at byte 0"},
      {"fals", "an unknown word at byte 0"},
      {"nulll", "there is more text at byte 4"},
      {"-", "a digit is missing at byte 1"},
      {"--1", "a digit is missing at byte 1"},
      {"-a", "a digit is missing at byte 1"},
      {"01", "there is more text at byte 1"},
      {"-00", "there is more text at byte 2"},
      {"1.", "a digit is missing at byte 2"},
      {"1.e5", "a digit is missing at byte 2"},
      {"1e", "a digit is missing at byte 2"},
      {"1e+", "a digit is missing at byte 3"},
      {"1e5.5", "there is more text at byte 3"},
      {"0x10", "there is more text at byte 1"},
      {"\"", "a string is not terminated at byte 1"},
      {"\"abc", "a string is not terminated at byte 4"},
      {"\"a\nb\"", "a control character in a string at byte 2"},
      {"\"" + nul + "\"", "a control character in a string at byte 1"},
      {"\"\x1f\"", "a control character in a string at byte 1"},
      {"\"\\", "an invalid escape"},
      {"\"\\x\"", "an invalid escape"},
      {"\"\\\n\"", "an invalid escape"},
      {"\"\\" + nul + "\"", "an invalid escape"},
      {"\"\\U0041\"", "an invalid escape"},
      {"\"\\u\"", "an invalid \\u escape"},
      {"\"\\u004", "an invalid \\u escape"},
      {"\"\\u004\"", "an invalid \\u escape"},
      {"\"\\u00g0\"", "an invalid \\u escape"},
      {"\"\\u-001\"", "an invalid \\u escape"},
      {"\"\\u 041\"", "an invalid \\u escape"},
      {"\"\\ud800\"", "a lone surrogate"},
      {"\"\\udbffx\"", "a lone surrogate"},
      {"\"\\ud800\\n\"", "a lone surrogate"},
      {"\"\\ud800\\u0041\"", "a lone surrogate"},
      {"\"\\ud800\\ud800\"", "a lone surrogate"},
      {"\"\\ud800\\ue000\"", "a lone surrogate"},
      {"\"\\ud800\\udbff\"", "a lone surrogate"},
      {"\"\\ud800\\u\"", "an invalid \\u escape"},
      {"\"\\udc00\"", "a lone surrogate"},
      {"\"\\udfff\\ud800\"", "a lone surrogate"},
      {"\"\\udc00\\ud800\"", "a lone surrogate"},
      {"\"\x80\"", "a string is not UTF-8 at byte 1"},
      {"\"ab\xc3\"", "a string is not UTF-8 at byte 3"},
      {"\"\xed\xa0\x80\"", "a string is not UTF-8 at byte 1"},
      {"{\"\xff\":1}", "a string is not UTF-8 at byte 2"},
      {"{1:2}", "a key must be a string, but is a number"},
      {"{null:2}", "a key must be a string, but is null"},
      {"{[]:2}", "a key must be a string, but is an array"},
  };
  for (const auto& [text, message] : examples)
    expect_error(ErrorCode::model_invalid, message, [&, &text = text] { read(text); });
}

void strings_are_unescaped() {
  const std::pair<std::string, std::string> examples[] = {
      {R"("")", ""},
      {R"("plain")", "plain"},
      {R"("\"\\\/\b\f\n\r\t")", "\"\\/\b\f\n\r\t"},
      {R"("a\nb\nc")", "a\nb\nc"},
      {R"("\\u0041")", "\\u0041"},
      {R"("\u0041\u00E9\u4e2D")", "A\xc3\xa9\xe4\xb8\xad"},
      {R"("\u0000")", std::string(1, '\0')},
      {R"("\ud83d\ude00!")", "\xf0\x9f\x98\x80!"},
      {R"("\ud800\udc00\udbff\udfff")", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
      {"\"\\n\xc3\xa9\\n\xf0\x9f\x98\x80\"", "\n\xc3\xa9\n\xf0\x9f\x98\x80"},
  };
  for (const auto& [text, wanted] : examples)
    expect(string_of(text) == wanted, text + " became " + hex(string_of(text)));
  // The memory of one string serves the next one.
  with_reader(R"(["\n1","2","\t3","4\r"])", [](JsonReader& json) {
    std::string all;
    json.array("it", [&] { all += json.string("a string"); });
    expect(all == "\n12\t34\r", "several strings became " + hex(all));
  });
}

// The definition of UTF-8: shortest forms of code points that are no surrogates.
bool is_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<uint8_t>(text[at]);
    const size_t length = lead < 0x80   ? 1
                          : lead < 0xC0 ? 0
                          : lead < 0xE0 ? 2
                          : lead < 0xF0 ? 3
                          : lead < 0xF8 ? 4
                                        : 0;
    if (length == 0) return false;
    if (at + length > text.size()) return false;
    uint32_t code = lead < 0x80 ? lead : lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; ++i) {
      const auto byte = static_cast<uint8_t>(text[at + i]);
      if ((byte & 0xC0) != 0x80) return false;
      code = code << 6 | (byte & 0x3Fu);
    }
    constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < kSmallest[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      return false;
    at += length;
  }
  return true;
}

void only_utf8_is_accepted() {
  const std::string_view bytes =
      "\x7f\x80\x8f\x90\x9f\xa0\xbf\xc1\xc2\xdf\xe0\xe1\xed\xef\xf0\xf1\xf4\xf5\xf8";
  size_t valid = 0;
  std::string text = "\"0123\"";
  for (const size_t length : {1, 2, 3, 4}) {
    text.resize(1 + length);
    text += '"';
    std::vector<size_t> digits(length);
    for (bool more = true; more;) {
      for (size_t i = 0; i < length; ++i) text[1 + i] = bytes[digits[i]];
      const bool wanted = is_utf8(std::string_view(text).substr(1, length));
      // A copy of each text would take most of the time.
      JsonReader json(text);
      bool accepted = true;
      try {
        accepted = json.string("it").size() == length;
      } catch (const Error&) {
        accepted = false;
      }
      expect(accepted == wanted, (wanted ? "refuses " : "accepts ") + hex(text));
      valid += wanted;
      size_t i = 0;
      while (i < length && ++digits[i] == bytes.size()) digits[i++] = 0;
      more = i < length;
    }
  }
  expect(valid > 500, "only " + std::to_string(valid) + " valid texts");
  // Cut at the end of the memory.
  for (const std::string_view cut : {"\"\xc3", "\"\xe4\xb8", "\"\xf0\x9f\x98", "\"\xf0"})
    expect(!is_json(cut), hex(cut));
}

void every_code_point_can_be_escaped() {
  for (uint32_t code = 0; code < 0x110000; code += code < 0x10000 ? 1 : 97) {
    if (code >= 0xD800 && code < 0xE000) continue;
    const std::string escape = code < 0x10000 ? escaped(code)
                                              : escaped(0xD800 + ((code - 0x10000) >> 10)) +
                                                    escaped(0xDC00 + (code & 0x3FF));
    const std::string utf8 = string_of('"' + escape + '"');
    // The shortest form of this code point: its bits without those that tell the length.
    uint32_t bits =
        static_cast<uint8_t>(utf8[0]) & (utf8.size() == 1 ? 0x7Fu : 0x7Fu >> utf8.size());
    for (size_t i = 1; i < utf8.size(); ++i) bits = bits << 6 | (utf8[i] & 0x3Fu);
    if (!is_utf8(utf8) || bits != code) throw Failure(escape + " became " + hex(utf8));
  }
}

void integers_are_exact() {
  const auto integer = [](std::string_view text) {
    return with_reader(text, [](JsonReader& json) {
      const uint32_t value = json.integer("the id");
      json.end();
      return value;
    });
  };
  expect(integer("0") == 0 && integer(" 7 ") == 7 && integer("4294967295") == UINT32_MAX,
         "integers");
  for (const char* text :
       {"-0", "-1", "1.0", "1.5", "1e3", "1E0", "0e0", "4294967296", "4294967300", "42949672950",
        "18446744073709551616", "18446744073709551617", "340282366920938463463374607431768211456"})
    expect_error(ErrorCode::model_invalid,
                 std::string("the id must be an integer from 0 to 4294967295, but is \"") + text,
                 [&] { integer(text); });
  const std::string many(100'000, '9');
  expect_error(ErrorCode::model_invalid, "999...\"", [&] { integer(many); });
  expect_error(ErrorCode::model_invalid, "the id must be a number, but is a string",
               [&] { integer("\"1\""); });
  expect_error(ErrorCode::model_invalid, "there is more text", [&] { integer("007"); });
}

void types_are_required() {
  const auto expect_type = [](const char* text, const std::string& message, const auto& take) {
    expect_error(ErrorCode::model_invalid, message, [&] { with_reader(text, take); });
  };
  expect_type("[]", "x must be null, but is an array", [](JsonReader& json) { json.null("x"); });
  expect_type("null", "x must be true or false, but is null",
              [](JsonReader& json) { json.boolean("x"); });
  expect_type("{}", "x must be a string, but is an object",
              [](JsonReader& json) { json.string("x"); });
  expect_type("true", "x must be an array, but is true or false",
              [](JsonReader& json) { json.array("x", [] {}); });
  expect_type("-1", "x must be an object, but is a number",
              [](JsonReader& json) { json.object("x", [](std::string_view) {}); });
}

void depth_is_limited() {
  const auto nested = [](size_t levels, const char* open, const char* close) {
    std::string text;
    for (size_t i = 0; i < levels; ++i) text += open;
    text += "1";
    for (size_t i = 0; i < levels; ++i) text += close;
    return text;
  };
  const auto refuse = [](const std::string& text) {
    expect_error(ErrorCode::model_invalid, "nested more than 64 levels deep", [&] { read(text); });
  };
  expect(is_json(nested(64, "[", "]")), "64 arrays");
  expect(is_json(nested(64, "{\"a\":", "}")), "64 objects");
  refuse(nested(65, "[", "]"));
  refuse(nested(65, "{\"a\":", "}"));
  refuse(nested(33, "[{\"a\":", "}]"));
  refuse(std::string(1'000'000, '['));
  // Values beside each other are not nested.
  std::string wide = "[";
  for (int i = 0; i < 100; ++i) wide += "[{}],";
  expect(is_json(wide + "0]"), "many values of depth 3");
}

}  // namespace

void add_json_tests(Tests& tests) {
  tests.insert(tests.end(),
               {{"json: valid texts are read", valid_texts_are_read},
                {"json: values are given in order", values_are_given_in_order},
                {"json: every cut is an error", every_cut_is_an_error},
                {"json: errors say what is wrong and where", errors_say_what_is_wrong_and_where},
                {"json: strings are unescaped", strings_are_unescaped},
                {"json: only UTF-8 is accepted", only_utf8_is_accepted},
                {"json: every code point can be escaped", every_code_point_can_be_escaped},
                {"json: integers are exact", integers_are_exact},
                {"json: types are required", types_are_required},
                {"json: depth is limited", depth_is_limited}});
}

}  // namespace qwen3::test
