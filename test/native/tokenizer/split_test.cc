// Words, compared with a table and with a slow reading of the pattern.
#include "tokenizer/words/split.h"

#include "random.h"
#include "tokenizer/tokenizer_tests.h"
#include "tokenizer/unicode/unicode.h"

namespace qwen3::test {
namespace {

using Words = std::vector<std::u16string>;

std::string show(std::u16string_view text) {
  std::string utf8;
  append_utf8(text, utf8);
  return utf8;
}

std::string show(const Words& words) {
  std::string shown;
  for (const std::u16string& word : words) shown += '[' + show(word) + ']';
  return shown;
}

// The text's memory ends where the text ends.
Words split(std::u16string_view whole) {
  const std::vector<char16_t> memory(whole.begin(), whole.end());
  std::u16string_view text(memory.data(), memory.size());
  Words words;
  while (!text.empty()) {
    const size_t end = word_end(text, 0);
    expect(end > 0 && end <= text.size(), "the end of a word of " + show(whole));
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

void expect_words(std::u16string_view text, const Words& wanted) {
  const Words words = split(text);
  if (words != wanted) throw Failure(show(words) + " are not " + show(wanted));
}

void as_the_pattern_says() {
  expect_words(u"", {});
  expect_words(u"Hello world", {u"Hello", u" world"});
  expect_words(u"x", {u"x"});
  // Contractions, in any case; U+017F is a small s.
  expect_words(u"it's", {u"it", u"'s"});
  expect_words(u"'s't're've'm'll'd", {u"'s", u"'t", u"'re", u"'ve", u"'m", u"'ll", u"'d"});
  expect_words(u"'S'T'RE'VE'M'LL'D", {u"'S", u"'T", u"'RE", u"'VE", u"'M", u"'LL", u"'D"});
  expect_words(u"'rE'Re'vE'Ve'lL'Ll", {u"'rE", u"'Re", u"'vE", u"'Ve", u"'lL", u"'Ll"});
  expect_words(u"'\u017f'\u017fx", {u"'\u017f", u"'\u017f", u"x"});
  expect_words(u"'st", {u"'s", u"t"});
  expect_words(u"'St'Ts'Dx'Mx", {u"'S", u"t", u"'T", u"s", u"'D", u"x", u"'M", u"x"});
  expect_words(u"'REx'vEx'Llx", {u"'RE", u"x", u"'vE", u"x", u"'Ll", u"x"});
  expect_words(u"'real", {u"'re", u"al"});
  expect_words(u"'rx'vx'lx", {u"'rx", u"'vx", u"'lx"});
  expect_words(u"'r'v'l", {u"'r", u"'v", u"'l"});
  expect_words(u"'r", {u"'r"});
  expect_words(u"'\u212a'\u0130", {u"'\u212a", u"'\u0130"});  // letters that fold to others
  expect_words(u"'3", {u"'", u"3"});
  expect_words(u"'S3", {u"'S", u"3"});
  expect_words(u"'\x13", {u"'\x13"});      // 's' without a bit
  expect_words(u"''s", {u"''", u"s"});     // a run of punctuation
  expect_words(u" 's", {u" '", u"s"});     // the space takes the apostrophe
  expect_words(u"\u2019s", {u"\u2019s"});  // another apostrophe
  expect_words(u"'", {u"'"});
  // One character may stand before letters, if it is no letter, number or line end.
  expect_words(u"-abc", {u"-abc"});
  expect_words(u"--abc", {u"--", u"abc"});
  expect_words(u"\tabc", {u"\tabc"});
  expect_words(u"\u3000\u4e2d\u6587", {u"\u3000\u4e2d\u6587"});
  expect_words(u"\U0001f600a", {u"\U0001f600a"});
  expect_words(u"\nabc", {u"\n", u"abc"});
  expect_words(u"\rabc", {u"\r", u"abc"});
  expect_words(u"1abc", {u"1", u"abc"});
  expect_words(u"\u2028abc", {u"\u2028abc"});  // white space, but no line end
  expect_words(u"\u0301abc", {u"\u0301abc"});  // a mark
  expect_words(u"a\u0301bc", {u"a", u"\u0301bc"});
  expect_words(u"a\u0301", {u"a", u"\u0301"});
  expect_words(u"e \u0301 \u0301\u0301", {u"e", u" \u0301", u" \u0301\u0301"});
  // Numbers one by one, without the space before them.
  expect_words(u"123", {u"1", u"2", u"3"});
  expect_words(u" 12", {u" ", u"1", u"2"});
  expect_words(u"  1", {u" ", u" ", u"1"});
  expect_words(u"-1", {u"-", u"1"});
  expect_words(u"\u00b2\u2167\U0001d7ce", {u"\u00b2", u"\u2167", u"\U0001d7ce"});
  // Runs of other characters take one space before and the line ends behind.
  expect_words(u"a, b", {u"a", u",", u" b"});
  expect_words(u"a ?! b", {u"a", u" ?!", u" b"});
  expect_words(u"a  ?!", {u"a", u" ", u" ?!"});
  expect_words(u"\t?!", {u"\t", u"?!"});
  expect_words(u"?!\r\n\r\n x", {u"?!\r\n\r\n", u" x"});
  expect_words(u"?!\n\t\n", {u"?!\n", u"\t\n"});
  expect_words(u"?\n?", {u"?\n", u"?"});
  expect_words(u" \U0001f600\U0001f601\n", {u" \U0001f600\U0001f601\n"});
  expect_words(u"\U0001f600\u0301", {u"\U0001f600\u0301"});
  expect_words(u"\ufffd\ufffd", {u"\ufffd\ufffd"});
  // White space up to the last line end; else all but the last one, if something follows.
  expect_words(u"\n", {u"\n"});
  expect_words(u" \n", {u" \n"});
  expect_words(u"a \n \n  b", {u"a", u" \n \n", u" ", u" b"});
  expect_words(u"a\n\nb", {u"a", u"\n\n", u"b"});
  expect_words(u"a\n\n b", {u"a", u"\n\n", u" b"});
  expect_words(u"\n\t ", {u"\n", u"\t "});
  expect_words(u"   ", {u"   "});
  expect_words(u"a   ", {u"a", u"   "});
  expect_words(u"a   b", {u"a", u"  ", u" b"});
  expect_words(u"a \u00a0\u2003b", {u"a", u" \u00a0", u"\u2003b"});
  expect_words(u" \u0085\u2028 ", {u" \u0085\u2028 "});
  expect_words(u"\t1", {u"\t", u"1"});
}

// The alternatives of the pattern in their order, with backtracking.
size_t slow_word_end(std::u16string_view text) {
  const auto has = [&](size_t at) { return at < text.size(); };
  const auto class_at = [&](size_t at) {
    size_t next = at;
    return class_of(decode(text, next));
  };
  const auto is = [&](size_t at, CharClass of) { return has(at) && class_at(at) == of; };
  const auto is_space = [&](size_t at) { return is(at, CharClass::space); };
  const auto is_line_end = [&](size_t at) {
    return has(at) && (text[at] == u'\r' || text[at] == u'\n');
  };
  const auto after = [&](size_t at) {
    decode(text, at);
    return at;
  };
  // (?i:'s|'t|'re|'ve|'m|'ll|'d)
  for (const std::u16string_view ending : {u"s", u"t", u"re", u"ve", u"m", u"ll", u"d"}) {
    bool matches = text[0] == u'\'' && text.size() > ending.size();
    for (size_t i = 0; matches && i < ending.size(); ++i) {
      const char16_t unit = text[1 + i], small = ending[i];
      matches = unit == small || unit == small - 32 || (small == u's' && unit == u'\u017f');
    }
    if (matches) return 1 + ending.size();
  }
  // [^\r\n\p{L}\p{N}]?\p{L}+
  size_t at =
      !is(0, CharClass::letter) && !is(0, CharClass::number) && !is_line_end(0) ? after(0) : 0;
  if (is(at, CharClass::letter)) {
    while (is(at, CharClass::letter)) at = after(at);
    return at;
  }
  // \p{N}
  if (is(0, CharClass::number)) return after(0);
  //  ?[^\s\p{L}\p{N}]+[\r\n]*
  at = text[0] == u' ' ? 1 : 0;
  if (is(at, CharClass::other)) {
    while (is(at, CharClass::other)) at = after(at);
    while (is_line_end(at)) ++at;
    return at;
  }
  // \s*[\r\n]+
  size_t spaces = 0;
  while (is_space(spaces)) ++spaces;
  for (size_t taken = spaces + 1; taken-- > 0;) {
    at = taken;
    while (is_line_end(at)) ++at;
    if (at > taken) return at;
  }
  // \s+(?!\S)
  for (size_t taken = spaces; taken > 0; --taken) {
    if (!has(taken) || is_space(taken)) return taken;
  }
  // \s+
  return spaces;
}

void random_texts() {
  const std::u16string_view characters[] = {
      u"'",      u"s",      u"S",      u"\u017f",     u"r",          u"e",         u"E",
      u"l",      u"v",      u"x",      u" ",          u" ",          u"\t",        u"\n",
      u"\r",     u"1",      u"\u00b2", u"!",          u"-",          u"_",         u"\u0301",
      u"\u4e2d", u"\u3000", u"\u2028", u"\U0001f600", u"\U0001d7ce", u"\U00020000"};
  for (uint64_t seed = 0; seed < 50'000; ++seed) {
    Random random(seed);
    // Few different characters, so that runs occur.
    std::u16string_view some[5];
    for (std::u16string_view& one : some) one = characters[random.below(std::size(characters))];
    std::u16string text;
    for (uint32_t left = random.below(14); left > 0; --left) text += some[random.below(5)];
    Words wanted;
    for (std::u16string_view rest = text; !rest.empty();) {
      const size_t end = slow_word_end(rest);
      wanted.emplace_back(rest.substr(0, end));
      rest.remove_prefix(end);
    }
    expect_words(text, wanted);
  }
}

void words_begin_anywhere() {
  const std::u16string_view text = u"It's  12 \n--\U0001f600 x\u0301";
  for (size_t from = 0; from < text.size(); ++from) {
    if (is_low_surrogate(text[from])) continue;
    expect(word_end(text, from) == from + word_end(text.substr(from), 0),
           "the word at " + std::to_string(from));
  }
}

}  // namespace

void add_split_tests(Tests& tests) {
  tests.insert(tests.end(), {{"split: as the pattern says", as_the_pattern_says},
                             {"split: random texts", random_texts},
                             {"split: words begin anywhere", words_begin_anywhere}});
}

}  // namespace qwen3::test
