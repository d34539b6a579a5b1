// Added tokens in a text, as Hugging Face's AddedVocabulary finds them.
#include "tokenizer/added_tokens/token_finder.h"

#include <chrono>

#include "expect_error.h"
#include "tokenizer/tokenizer_tests.h"
#include "tokenizer/unicode/unicode.h"

namespace qwen3::test {
namespace {

using Words = std::vector<std::u16string>;

std::string show(const Words& words) {
  std::string shown;
  for (const std::u16string& word : words) {
    shown += '[';
    append_utf8(word, shown);
    shown += ']';
  }
  return shown;
}

enum Flags { none = 0, single = 1, left = 2, right = 4, normalized = 8, special = 16 };

AddedToken token(const std::string& content, int flags = none) {
  return {.content = content,
          .id = 0,
          .special = (flags & special) != 0,
          .normalized = (flags & normalized) != 0,
          .single_word = (flags & single) != 0,
          .left_strip = (flags & left) != 0,
          .right_strip = (flags & right) != 0};
}

std::vector<Section> sections_of(const TokenFinder& finder, std::u16string_view text) {
  std::vector<Section> all;
  Sections sections(finder, text);
  while (const std::optional<Section> section = sections.next()) all.push_back(*section);
  return all;
}

// `wanted`: the sections; those of tokens begin with a '*' that is not in the text.
void expect_sections(const std::vector<AddedToken>& tokens, std::u16string_view text,
                     const Words& wanted, bool in_normalized = false) {
  const TokenFinder finder(tokens, in_normalized, true);
  const std::vector<char16_t> memory(text.begin(), text.end());
  Words sections;
  for (const auto& [found, from, to] : sections_of(finder, {memory.data(), memory.size()})) {
    expect(from < to && to <= text.size(), "a section is empty or outside of the text");
    expect(!found || (found >= &tokens.front() && found <= &tokens.back()), "another token");
    std::u16string section(text.substr(from, to - from));
    sections.push_back(found ? u'*' + section : section);
  }
  if (sections != wanted) throw Failure(show(sections) + " are not " + show(wanted));
}

void tokens_split_the_text() {
  const std::vector<AddedToken> tokens = {token("<t>"), token("<t"), token("t>x"), token("<tt>")};
  expect_sections({}, u"text", {u"text"});
  expect_sections(tokens, u"", {});
  expect_sections(tokens, u"text", {u"text"});
  expect_sections(tokens, u"<t>", {u"*<t>"});
  expect_sections(tokens, u"a<t>b", {u"a", u"*<t>", u"b"});
  expect_sections(tokens, u"<t><t>", {u"*<t>", u"*<t>"});
  expect_sections(tokens, u"<t>x", {u"*<t>", u"x"});  // the leftmost, then the longest
  expect_sections(tokens, u"<tt>x", {u"*<tt>", u"x"});
  expect_sections(tokens, u"<tt<", {u"*<t", u"t<"});
  expect_sections(tokens, u"t>x", {u"*t>x"});
  expect_sections({token("\xf0\x9f\x98\x80"), token("\xc3\xa9")},
                  u"\U0001f600\u00e9\U0001f601e\u0301",
                  {u"*\U0001f600", u"*\u00e9", u"\U0001f601e\u0301"});
}

void a_single_word_has_no_word_beside_it() {
  const std::vector<AddedToken> tokens = {token("cat", single), token("<t>", single)};
  expect_sections(tokens, u"cat", {u"*cat"});
  expect_sections(tokens, u"a cat!", {u"a ", u"*cat", u"!"});
  expect_sections(tokens, u"cats", {u"cats"});
  expect_sections(tokens, u"acat", {u"acat"});
  expect_sections(tokens, u"cat_", {u"cat_"});
  expect_sections(tokens, u"1cat", {u"1cat"});
  expect_sections(tokens, u"catcat", {u"catcat"});
  expect_sections(tokens, u"cat-cat", {u"*cat", u"-", u"*cat"});
  expect_sections(tokens, u"cat\u0301", {u"cat\u0301"});  // marks are of words
  expect_sections(tokens, u"\u00b2cat", {u"\u00b2", u"*cat"});
  expect_sections(tokens, u"\u200dcat", {u"\u200dcat"});
  expect_sections(tokens, u"\U00020000cat", {u"\U00020000cat"});
  expect_sections(tokens, u"cat\U00020000", {u"cat\U00020000"});
  expect_sections(tokens, u"\U0001f600cat\U0001f600", {u"\U0001f600", u"*cat", u"\U0001f600"});
  expect_sections(tokens, u"x<t> <t>y", {u"x<t> <t>y"});
  // A token that is refused is not searched for shorter ones.
  expect_sections({token("cat", single), token("ca")}, u"cats", {u"cats"});
  // The token before counts as text.
  expect_sections({token("cat", single), token("x")}, u"xcat", {u"*x", u"cat"});
}

void strips_take_white_space() {
  expect_sections({token("<t>", left)}, u"a  <t>  b", {u"a", u"*  <t>", u"  b"});
  expect_sections({token("<t>", right)}, u"a  <t>  b", {u"a  ", u"*<t>  ", u"b"});
  const std::vector<AddedToken> both = {token("<t>", left | right)};
  expect_sections(both, u"a  <t>  b", {u"a", u"*  <t>  ", u"b"});
  expect_sections(both, u" <t> ", {u"* <t> "});
  expect_sections(both, u"\n\u3000\u0085<t>\t\u2028\u00a0b",
                  {u"*\n\u3000\u0085<t>\t\u2028\u00a0", u"b"});
  expect_sections(both, u"\u200b<t>\u200b", {u"\u200b", u"*<t>", u"\u200b"});  // no white space
  // The first of two neighbors takes the white space between them.
  expect_sections(both, u"<t>  <t>", {u"*<t>  ", u"*<t>"});
  expect_sections({token("<t>", left)}, u"<t>  <t>", {u"*<t>", u"*  <t>"});
  expect_sections({token("<t>", left), token("<u>", right)}, u"x <u> <t> y",
                  {u"x ", u"*<u> ", u"*<t>", u" y"});
  // A word is looked for beside the token, before white space is taken.
  expect_sections({token("<t>", single | left | right)}, u"a <t> b", {u"a", u"* <t> ", u"b"});
  expect_sections({token("<t>", single | left | right)}, u"a <t>b", {u"a <t>b"});
  // A refused token takes nothing.
  expect_sections({token("<t>", single | right), token("<u>", left)}, u"x<t> <u>",
                  {u"x<t>", u"* <u>"});
}

// A token that begins with white space may begin in what the token before it has taken.
void sections_may_overlap() {
  const auto starts = token("<t>", right);
  expect_sections({starts, token(" b")}, u"a<t> b", {u"a", u"*<t> ", u"* b"});
  expect_sections({starts, token(" b")}, u"a<t>   bc", {u"a", u"*<t>   ", u"* b", u"c"});
  expect_sections({starts, token(" b", left)}, u"<t>   bc", {u"*<t>   ", u"*b", u"c"});
  // After the token of white space, the text continues where that token ends.
  expect_sections({starts, token("  ")}, u"<t>   b", {u"*<t>   ", u"*  ", u" b"});
  expect_sections({starts, token(" ")}, u"<t>  b", {u"*<t>  ", u"* ", u"* ", u"b"});
  // Nothing is left of a token of white space that strips.
  expect_sections({starts, token(" ", left)}, u"<t> b", {u"*<t> ", u"b"});
  expect_sections({token(" ", left | right)}, u"a   b", {u"a", u"*   ", u"b"});
  expect_sections({token(" ", left)}, u"a   b", {u"a", u"* ", u"* ", u"* ", u"b"});
  expect_sections({token(" ", right)}, u"a  b", {u"a", u"*  ", u"* ", u"b"});
  expect_sections({token(" ", right)}, u"a   b  c",
                  {u"a", u"*   ", u"*  ", u"* ", u"b", u"*  ", u"* ", u"c"});
}

void time_is_linear() {
  const std::u16string spaces(200'000, u' ');
  const auto begin = std::chrono::steady_clock::now();
  for (const int flags : {int{left}, int{right}, left | right, left | right | single})
    for (const char* content : {" ", "x"}) {
      const std::vector<AddedToken> tokens = {token(content, flags)};
      sections_of(TokenFinder(tokens, false, true), spaces + u'x' + spaces);
    }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  // 0.1 s, ten times that under AddressSanitizer. Quadratic time would be minutes.
  expect(took.count() < 10, "took " + std::to_string(took.count()) + " s");
}

void normalized_tokens_are_compared_normalized() {
  const std::vector<AddedToken> tokens = {token("e\xcc\x81", normalized), token("e\xcc\x81")};
  expect_sections(tokens, u"e\u0301\u00e9", {u"*e\u0301", u"\u00e9"});
  expect_sections(tokens, u"e\u0301\u00e9", {u"e\u0301", u"*\u00e9"}, true);
  const std::vector<AddedToken> equal = {token("e\xcc\x81", normalized),
                                         token("\xc3\xa9", normalized)};
  expect_error(ErrorCode::model_invalid, "another added token is equal to \"\xc3\xa9\"",
               [&] { TokenFinder(equal, true, true); });
  TokenFinder(equal, false, true);  // this stage has neither
}

void control_tokens_are_special_or_in_brackets() {
  expect(is_control(token("x", special)), "a special token");
  expect(is_control(token("<x>")) && is_control(token("<>")), "in angle brackets");
  for (const char* content : {"<x", "x>", "x", "[x]", "<x> ", "a<x>", ">x<"})
    expect(!is_control(token(content)), content);
  const std::vector<AddedToken> tokens = {token("<x>"), token("s", special), token("[x]"),
                                          token("<x>y")};
  const auto sections = sections_of(TokenFinder(tokens, false, false), u"<x>s[x]<x>y");
  expect(sections.size() == 3 && !sections[0].token && sections[1].token == &tokens[2] &&
             sections[2].token == &tokens[3],
         "with_control = false finds others, or not the rest");
}

}  // namespace

void add_token_finder_tests(Tests& tests) {
  tests.insert(tests.end(), {{"added tokens: they split the text", tokens_split_the_text},
                             {"added tokens: a single word has no word beside it",
                              a_single_word_has_no_word_beside_it},
                             {"added tokens: strips take white space", strips_take_white_space},
                             {"added tokens: sections may overlap", sections_may_overlap},
                             {"added tokens: time is linear", time_is_linear},
                             {"added tokens: normalized ones are compared normalized",
                              normalized_tokens_are_compared_normalized},
                             {"added tokens: control tokens are special or in brackets",
                              control_tokens_are_special_or_in_brackets}});
}

}  // namespace qwen3::test
