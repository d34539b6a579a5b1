// Characters, UTF-8 and NFC. The reference tokenizer's libraries gave the expected values.
#include "tokenizer/unicode/unicode.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>

#include "tokenizer/tokenizer_tests.h"
#include "tokenizer/unicode/normalize.h"
#include "tokenizer/unicode/unicode_tables.h"

namespace qwen3::test {
namespace {

std::string hex(std::u16string_view text) {
  std::string list;
  for (const char16_t unit : text.substr(0, 50)) {
    char number[8];
    std::snprintf(number, sizeof number, "%04x ", unsigned{unit});
    list += number;
  }
  return list;
}

// A text between marks, which would change the result if they were read.
class Guarded {
 public:
  explicit Guarded(std::u16string_view text) : size_(text.size()) {
    memory_.append(text).append(u"\u0301\u0323");
  }
  std::u16string_view view() const { return std::u16string_view(memory_).substr(2, size_); }

 private:
  std::u16string memory_ = u"\u0301\u0323";
  size_t size_;
};

std::u16string nfc(std::u16string_view text) {
  std::u16string to = u"e";  // what is there must not change
  append_nfc(Guarded(text).view(), to);
  expect(to.front() == u'e', "the text before was changed by " + hex(text));
  return to.substr(1);
}

std::string utf8(std::u16string_view text) {
  std::string to = "before ";
  append_utf8(Guarded(text).view(), to);
  expect(to.starts_with("before "), "the bytes before were changed by " + hex(text));
  return to.substr(7);
}

std::u16string utf16(char32_t c) {
  std::u16string text;
  append_utf16(c, text);
  return text;
}

void characters_have_classes() {
  struct Example {
    char32_t c;
    CharClass wanted;
    bool word;
  };
  const auto other = CharClass::other, letter = CharClass::letter, number = CharClass::number,
             space = CharClass::space;
  const Example examples[] = {
      {U'\0', other, false},   {U'\t', space, false},
      {U' ', space, false},    {U'!', other, false},
      {U'_', other, true},     {U'0', number, true},
      {U'9', number, true},    {U'a', letter, true},
      {U'Z', letter, true},    {0x7f, other, false},
      {0x85, space, false},    {0xa0, space, false},
      {0xaa, letter, true},    {0xb2, number, false},  // superscript two is no decimal digit
      {0xe9, letter, true},    {0x301, other, true},
      {0x378, other, false},  // not assigned
      {0x88f, other, false},  // a letter since Unicode 17
      {0x180e, other, false},  {0x200b, other, false},
      {0x200c, other, true},  // the joiners
      {0x200d, other, true},   {0x2028, space, false},
      {0x203f, other, true},   // a connector
      {0x2167, number, true},  // a Roman number, alphabetic
      {0x24b6, other, true},   // a circled letter, alphabetic
      {0x3000, space, false},  {0x3007, number, true},
      {0x4e2d, letter, true},  {0xd7a3, letter, true},
      {0xe000, other, false},  {0xfeff, other, false},
      {0xfffd, other, false},  {0x105c0, letter, true},  // since Unicode 16
      {0x10d40, number, true},                           // since Unicode 16
      {0x1d7ce, number, true}, {0x1f600, other, false},
      {0x323b0, other, false},  // a letter since Unicode 17
      {0xe01ef, other, true},  {0x10ffff, other, false},
  };
  for (const auto& [c, wanted, word] : examples) {
    expect(class_of(c) == wanted, "the class of " + hex(utf16(c)));
    expect(is_word(c) == word, "whether this is of a word: " + hex(utf16(c)));
  }
}

void every_code_point_has_its_encoding() {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const std::u16string text = utf16(c) + u'x';
    size_t at = 0;
    if (decode(text, at) != c || at != text.size() - 1) throw Failure("decode " + hex(text));
  }
  const std::pair<char32_t, std::string> examples[] = {
      {0, {'\0'}},
      {0x7f, "\x7f"},
      {0x80, "\xc2\x80"},
      {0x7ff, "\xdf\xbf"},
      {0x800, "\xe0\xa0\x80"},
      {0xffff, "\xef\xbf\xbf"},
      {0x10000, "\xf0\x90\x80\x80"},
      {0x10ffff, "\xf4\x8f\xbf\xbf"},
  };
  for (const auto& [c, bytes] : examples) expect(utf8(utf16(c)) == bytes, hex(utf16(c)));
}

void utf8_of_long_texts() {
  expect(utf8(u"").empty(), "no text");
  // Characters of every length begin and end at every position.
  for (size_t before = 0; before < 200; ++before) {
    const std::string ascii(before, 'a');
    const std::u16string text = std::u16string(before, u'a') + u"\U0001f600\u4e2d\u00e9";
    expect(utf8(text) == ascii + "\xf0\x9f\x98\x80\xe4\xb8\xad\xc3\xa9",
           "after " + std::to_string(before));
    const std::u16string chinese = std::u16string(before, u'\u4e2d') + u"\U0001f600";
    expect(utf8(chinese).size() == 3 * before + 4, std::to_string(before) + " long characters");
  }
}

void lone_surrogates_are_replaced() {
  const std::u16string_view r = u"\ufffd", high = u"\xd800", low = u"\xdfff";
  const auto text = [](std::initializer_list<std::u16string_view> parts) {
    std::u16string whole;
    for (const std::u16string_view part : parts) whole += part;
    return whole;
  };
  const std::pair<std::u16string, std::u16string> examples[] = {
      {u"", u""},
      {u"a\u00e9\u4e2d\ue000\ud7ff", u"a\u00e9\u4e2d\ue000\ud7ff"},
      {text({high, low}), text({high, low})},
      {text({high}), text({r})},
      {text({low}), text({r})},
      {text({low, high}), text({r, r})},
      {text({high, high, low, low}), text({r, high, low, r})},
      {text({high, u"a", low}), text({r, u"a", r})},
      {text({high, low, high}), text({high, low, r})},
  };
  for (size_t before = 0; before < 200; ++before) {
    const std::u16string ascii(before, u'a');
    for (const auto& [broken, wanted] : examples) {
      std::u16string repaired = ascii + broken;
      replace_lone_surrogates(repaired);
      expect(repaired == ascii + wanted, std::to_string(before) + " before " + hex(broken));
      repaired = broken + ascii;
      replace_lone_surrogates(repaired);
      expect(repaired == wanted + ascii, std::to_string(before) + " after " + hex(broken));
    }
  }
}

void texts_are_normalized() {
  const std::pair<std::u16string, std::u16string> examples[] = {
      {u"", u""},
      {u"plain", u"plain"},
      {u"caf\u00e9", u"caf\u00e9"},
      {u"cafe\u0301s", u"caf\u00e9s"},
      {u"\u0301e", u"\u0301e"},  // no starter before it
      {u">\u0338", u"\u226f"},
      // Two steps, and their reverse.
      {u"e\u0302\u0301", u"\u1ebf"},
      {u"\u03b1\u0313\u0300\u0345", u"\u1f82"},
      {u"\u1f82", u"\u1f82"},
      // Marks are sorted by their class. Those of one class keep their order and block each other.
      {u"e\u0301\u0323", u"\u1eb9\u0301"},
      {u"e\u0323\u0301", u"\u1eb9\u0301"},
      {u"q\u0307\u0323", u"q\u0323\u0307"},
      {u"q\u0301\u0300", u"q\u0301\u0300"},
      {u"a\u0304\u0304", u"\u0101\u0304"},
      {u"a\u033d\u0301", u"a\u033d\u0301"},  // the first composes with nothing, and blocks
      {u"a\u0334\u0301", u"\u00e1\u0334"},   // of another class: it does not block
      {u"\u00e1\u0323", u"\u1ea1\u0301"},
      {u"\u0345\u0334", u"\u0334\u0345"},
      // A starter in between blocks; one that composes does not compose over a mark.
      {u"e-\u0301", u"e-\u0301"},
      {u"e\u034f\u0301", u"e\u034f\u0301"},
      {u"\u09c7\u09be", u"\u09cb"},
      {u"\u09c7\u09cd\u09be", u"\u09c7\u09cd\u09be"},
      {u"\U00011099\U000110ba", u"\U0001109a"},
      // Characters that are not their own NFC.
      {u"\u212b\u2126", u"\u00c5\u03a9"},
      {u"\u0958", u"\u0915\u093c"},
      {u"\u0344", u"\u0308\u0301"},
      {u"\u0f73", u"\u0f71\u0f72"},
      {u"\ufb2c", u"\u05e9\u05bc\u05c1"},
      {u"\ufb2c\u05b7", u"\u05e9\u05b7\u05bc\u05c1"},
      {u"\u2adc", u"\u2add\u0338"},
      {u"\uf900\U0002f800", u"\u8c48\u4e3d"},
      {u"\U0001d15e", u"\U0001d157\U0001d165"},
      {u"a\U0001d15e\u0301", u"a\U0001d157\U0001d165\u0301"},
      // Hangul.
      {u"\u1100\u1161", u"\uac00"},
      {u"\u1100\u1161\u11a8", u"\uac01"},
      {u"\uac00\u11a8", u"\uac01"},
      {u"\uac00\u11c2", u"\uac1b"},
      {u"\u1112\u1175\u11c2", u"\ud7a3"},
      {u"\uac01\u11a8", u"\uac01\u11a8"},  // has a trailing consonant
      {u"\uac00\u11a7", u"\uac00\u11a7"},  // one before the first of them
      {u"\uac00\u11c3", u"\uac00\u11c3"},
      {u"\u1100\u1160\u1113\u1161", u"\u1100\u1160\u1113\u1161"},
      {u"\u1100\u1176", u"\u1100\u1176"},
      {u"\uac00\u0301\u11a8", u"\uac00\u0301\u11a8"},
      {u"\uac01\u0323\u0301\u0334", u"\uac01\u0334\u0323\u0301"},
      // Characters of later versions have no class and no decomposition: a mark of Unicode 14, a
      // composite and a Hangul-like vowel of Unicode 16.
      {u"\u0c3c\u0338", u"\u0c3c\u0338"},
      {u"e\u0c3c\u0301", u"e\u0c3c\u0301"},
      {u"\U00016121\U0001611f", u"\U00016121\U0001611f"},
      {u"\U00011935\U00011930", u"\U00011935\U00011930"},
      {u"\U00011938", u"\U00011938"},
  };
  for (const auto& [text, wanted] : examples) {
    for (const std::u16string context : {u"", u"plain text ", u"\u4e2d", u"e\u0301 "}) {
      const std::u16string before = nfc(context);
      expect(nfc(context + text) == before + wanted,
             hex(context + text) + "became " + hex(nfc(text)));
      expect(nfc(context + text + context) == before + wanted + before, hex(text) + "in a text");
    }
    expect(nfc(wanted) == wanted, hex(wanted) + "did not stay");
    expect(!is_normalized(Guarded(text).view()) || text == wanted, hex(text) + "is not normalized");
  }
}

void the_quick_check_accepts_most_normalized_texts() {
  for (const std::u16string_view text :
       {u"", u"plain text", u"caf\u00e9 \u1ebf", u"\u4e2d\u6587 \u304c", u"\uac01\ud7a3 \u1100",
        u"\U0001f600 \U0001109a", u"q\u0334\u0317\u0316x", u"\u0c3c\u0c3c"})
    expect(is_normalized(Guarded(text).view()), hex(text));
  for (const std::u16string_view text : {u"\u0301", u"q\u0301", u"\u1161", u"q\u0317\u0334"})
    expect(!is_normalized(Guarded(text).view()), hex(text));
}

void a_million_marks_take_no_time() {
  constexpr size_t count = 1'000'000;
  const auto repeated = [](std::u16string_view part) {
    std::u16string text;
    while (text.size() < count) text += part;
    return text;
  };
  const auto begin = std::chrono::steady_clock::now();
  // Marks of two classes, of which one has two that must keep their order.
  expect(nfc(u'q' + repeated(u"\u0301\u0300\u0323\u0324")) ==
             u'q' + repeated(u"\u0323\u0324").substr(0, count / 2) +
                 repeated(u"\u0301\u0300").substr(0, count / 2),
         "the marks are not sorted");
  expect(nfc(repeated(u"\u1100\u1161\u11a8")) == std::u16string((count + 2) / 3, u'\uac01'),
         "syllables");
  expect(nfc(repeated(u"\uf900")) == std::u16string(count, u'\u8c48'), "characters that change");
  expect(nfc(repeated(u"e\u0301")) == std::u16string(count / 2, u'\u00e9'), "composed letters");
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  // 0.1 s, twenty times that under AddressSanitizer. Quadratic time would be minutes.
  expect(took.count() < 10, "took " + std::to_string(took.count()) + " s");
}

// Characters that change, compose, reorder or do none of these, and any others.
char32_t random_character(std::mt19937& random) {
  static constexpr char32_t kChosen[] = {
      U'a',   U'e',   U'q',   U' ',    0x3b1,   0x300,   0x301,   0x302,   0x307,   0x308,  0x311,
      0x323,  0x327,  0x334,  0x338,   0x345,   0x344,   0x34f,   0x5bc,   0x5c1,   0x5e9,  0x93c,
      0x915,  0x958,  0x9c7,  0x9be,   0x9cd,   0xc3c,   0xe9,    0x1ea1,  0x1eb9,  0x1f82, 0x212b,
      0x4e2d, 0xf71,  0xf72,  0xf73,   0xf900,  0xfb2c,  0x1100,  0x1161,  0x11a7,  0x11a8, 0xac00,
      0xac01, 0x3099, 0x304b, 0x11099, 0x110ba, 0x1d157, 0x1d15e, 0x1d165, 0x1d16e, 0x1f600};
  if (random() % 4 != 0) return kChosen[random() % std::size(kChosen)];
  const char32_t c = random() % (random() % 2 ? 0x3200 : 0x110000);
  return c >= 0xd800 && c < 0xe000 ? U'x' : c;
}

void texts_can_be_cut_at_boundaries() {
  std::mt19937 random(7);
  size_t cuts = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::u16string text;
    for (size_t left = random() % 12; left > 0; --left)
      append_utf16(random_character(random), text);
    const std::u16string whole = nfc(text);
    expect(!is_normalized(text) || whole == text, hex(text) + "is not normalized");
    for (size_t from = 0; from <= text.size(); ++from) {
      const size_t at = boundary_after(Guarded(text).view(), from);
      expect(at >= from && at <= text.size(), "the boundary of " + hex(text));
      expect(at == text.size() || !is_low_surrogate(text[at]), "a pair is cut: " + hex(text));
      expect(nfc(text.substr(0, at)) + nfc(text.substr(at)) == whole,
             hex(text) + "was cut at " + std::to_string(at));
      cuts += at < text.size();
    }
  }
  expect(cuts > 10'000, "only " + std::to_string(cuts) + " cuts");
}

void every_code_point_is_a_boundary_or_not() {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const std::u16string text = utf16(c);
    const bool wanted = (normalization_of(c) & (kRankMask | kNotQuick)) == 0;
    if (boundary_after(text, 0) != (wanted ? 0 : text.size())) throw Failure(hex(text));
    if (is_normalized(text) != !(normalization_of(c) & kNotQuick)) throw Failure(hex(text));
  }
}

void boundaries_are_the_first_possible() {
  struct Example {
    std::u16string text;
    size_t from, wanted;
  };
  const Example examples[] = {
      {u"", 0, 0},
      {u"abc", 0, 0},
      {u"abc", 2, 2},
      {u"abc", 3, 3},
      {u"e\u0301\u0323x", 0, 0},
      {u"e\u0301\u0323x", 1, 3},
      {u"e\u0301\u0323", 1, 3},  // none
      {u"\u1100\u1161\u11a8\u1100", 1, 3},
      {u"a\uac01\u00e9", 1, 1},  // they decompose, and are their own NFC
      {u"a\uac01\u00e9", 2, 2},
      {u"a\uf900b", 1, 2},              // not its own NFC
      {u"\U0001f600\U0001f600", 1, 2},  // inside of a pair
      {u"\U0001f600", 1, 2},
      {u"\U00011099\U000110bax", 1, 4},
      {u"a\u0c3c", 1, 1},  // a mark of Unicode 14
  };
  for (const auto& [text, from, wanted] : examples) {
    const size_t at = boundary_after(Guarded(text).view(), from);
    expect(at == wanted, hex(text) + "from " + std::to_string(from) + ": " + std::to_string(at) +
                             ", not " + std::to_string(wanted));
  }
}

}  // namespace

void add_unicode_tests(Tests& tests) {
  tests.insert(
      tests.end(),
      {{"unicode: characters have classes", characters_have_classes},
       {"unicode: every code point has its encoding", every_code_point_has_its_encoding},
       {"unicode: UTF-8 of long texts", utf8_of_long_texts},
       {"unicode: lone surrogates are replaced", lone_surrogates_are_replaced},
       {"nfc: texts are normalized", texts_are_normalized},
       {"nfc: the quick check accepts most normalized texts",
        the_quick_check_accepts_most_normalized_texts},
       {"nfc: a million marks take no time", a_million_marks_take_no_time},
       {"nfc: texts can be cut at boundaries", texts_can_be_cut_at_boundaries},
       {"nfc: every code point is a boundary or not", every_code_point_is_a_boundary_or_not},
       {"nfc: boundaries are the first possible", boundaries_are_the_first_possible}});
}

}  // namespace qwen3::test
