// Texts to ids: the stages, limits, steps.
#include <algorithm>

#include "random.h"
#include "tokenizer/small_file.h"
#include "tokenizer/tokenizer_tests.h"

namespace qwen3::test {
namespace {

using Ids = std::vector<uint32_t>;
using F = SmallFile;

std::string show(const Ids& ids) {
  std::string list;
  for (size_t i = 0; i < ids.size() && i < 50; ++i) list += std::to_string(ids[i]) + ' ';
  return list;
}

void expect_ids(const Ids& ids, const Ids& wanted, const std::string& what) {
  if (ids != wanted) throw Failure(what + ": " + show(ids) + "not " + show(wanted));
}

// The ids of bytes that no merge joins.
Ids bytes(std::string_view text) {
  Ids ids;
  for (const char c : text) ids.push_back(static_cast<uint8_t>(c));
  return ids;
}

Ids joined(std::initializer_list<Ids> parts) {
  Ids whole;
  for (const Ids& part : parts) whole.insert(whole.end(), part.begin(), part.end());
  return whole;
}

std::u16string repeated(std::u16string_view part, size_t times) {
  std::u16string text;
  for (; times > 0; --times) text += part;
  return text;
}

void stages_follow_each_other() {
  const auto tokenizer = open(SmallFile());
  const auto check = [&](std::u16string_view text, const Ids& wanted, const std::string& what) {
    expect_ids(encode(tokenizer, text), wanted, what);
  };
  check(u"", {}, "no text");
  check(u"ab abc xxxxx", {F::ab, ' ', F::abc, ' ', F::xxxx, 'x'}, "words");
  check(u"a1b", {'a', '1', 'b'}, "merges join no words");
  check(u"\u00e9", {F::e_acute}, "bytes");
  check(u"e\u0301", {F::e_acute}, "NFC");
  check(u"<think>[plain]<|end|>", {F::think, F::plain, F::end}, "added tokens");
  check(u"ab<think>ab", {F::ab, F::think, F::ab}, "a token between words");
  // One stage in the original text, one in the normalized text.
  check(u"[e\u0301][\u00e9]", {F::accent, F::accent}, "a token after NFC");
  check(u"[e<think>\u0301]", joined({{'[', 'e', F::think}, bytes("\xcc\x81]")}),
        "NFC does not look across tokens");
  check(u"e\u0301<think>e\u0301", {F::e_acute, F::think, F::e_acute}, "NFC again");
  check(u"e<think>[\u00e9]e\u0301", {'e', F::think, F::accent, F::e_acute}, "both stages");
  check(u"  <think>  ab  [\u00e9]",
        {F::two_spaces, F::think, ' ', F::space_ab, F::two_spaces, F::accent},
        "words end at tokens");
  check(u"\u4e2d", bytes("\xe4\xb8\xad"), "no token outside of the alphabet");
}

void added_tokens_that_strip_and_stand_alone() {
  SmallFile file;
  file.added.push_back({.content = "cat", .id = F::next, .single_word = true});
  file.added.push_back(
      {.content = "<s>", .id = F::next + 1, .left_strip = true, .right_strip = true});
  file.added.push_back({.content = " \xc3\xa9", .id = F::next + 2, .normalized = true});
  const auto tokenizer = open(file);
  const auto check = [&](std::u16string_view text, const Ids& wanted) {
    expect_ids(encode(tokenizer, text), wanted, "with flags");
  };
  check(u"cat cats", joined({{F::next}, bytes(" cats")}));
  check(u"x  <s> \n<s> x", {'x', F::next + 1, F::next + 1, 'x'});
  check(u"x e\u0301<s> e\u0301", {'x', F::next + 2, F::next + 1, F::e_acute});
}

void lone_surrogates_are_replaced() {
  const auto tokenizer = open(SmallFile());
  const auto check = [&](const std::u16string& text, const std::string& utf8) {
    expect_ids(encode(tokenizer, text), bytes(utf8), "a lone surrogate");
  };
  check({0xd800}, "\xef\xbf\xbd");
  check({u'-', 0xdc00, u'-'}, "-\xef\xbf\xbd-");
  check({0xdc00, 0xd800}, "\xef\xbf\xbd\xef\xbf\xbd");
  check({0xd83d, 0xde00, 0xd83d}, "\xf0\x9f\x98\x80\xef\xbf\xbd");
  // A text that ends where its memory may end.
  check(std::u16string(100, u'-') + char16_t{0xd800}, std::string(100, '-') + "\xef\xbf\xbd");
}

Encoding::Refused refused_in(const std::shared_ptr<const Tokenizer>& tokenizer,
                             std::u16string_view text, const EncodeOptions& options,
                             const Ids& before) {
  Encoding encoding(tokenizer, std::u16string(text), options);
  while (encoding.step()) {
  }
  expect(encoding.refused().has_value(), "nothing is refused");
  expect_ids(encoding.ids(), before, "the ids before");
  expect(encoding.count() == before.size(), "the count before");
  expect(!encoding.step(), "it goes on");
  return *encoding.refused();
}

void control_tokens_have_three_readings() {
  SmallFile file;
  file.added.push_back({.content = "stop", .id = F::next, .special = true});
  file.added.push_back({.content = "<n>", .id = F::next + 1, .normalized = true});
  const auto tokenizer = open(file);
  const std::u16string_view text = u"<think>[plain]ab<|end|><n>stop";
  expect_ids(encode(tokenizer, text), {F::think, F::plain, F::ab, F::end, F::next + 1, F::next},
             "parsed");
  const EncodeOptions as_text{.control_tokens = ControlTokens::as_text};
  expect_ids(encode(tokenizer, text, as_text),
             joined({bytes("<think>"), {F::plain, F::ab}, bytes("<|end|><n>stop")}), "as text");
  const EncodeOptions refuse{.control_tokens = ControlTokens::refuse};
  const auto check = [&](std::u16string_view with, const Ids& before, uint32_t id,
                         const std::string& content) {
    const Encoding::Refused refused = refused_in(tokenizer, with, refuse, before);
    expect(refused.id == id && refused.content == content, "refused: " + refused.content);
  };
  check(text, {}, F::think, "<think>");
  check(u"ab[plain]stop<think>", {F::ab, F::plain}, F::next, "stop");
  check(u"ab<n>", {F::ab}, F::next + 1, "<n>");
  expect_ids(encode(tokenizer, u"ab[plain]", refuse), {F::ab, F::plain}, "nothing to refuse");
}

void ids_that_the_model_does_not_have_are_refused() {
  const auto tokenizer = std::make_shared<Tokenizer>(SmallFile().json(), F::think, "");
  expect_ids(encode(tokenizer, u"ab<|end|>"), {F::ab, F::end}, "the largest id");
  for (const auto control_tokens : {ControlTokens::parse, ControlTokens::refuse}) {
    const auto refused =
        refused_in(tokenizer, u"ab<think>x", {.control_tokens = control_tokens}, {F::ab});
    expect(refused.id == F::think && refused.content == "<think>", "another token");
  }
  expect(
      refused_in(tokenizer, u"ab[plain]", {.control_tokens = ControlTokens::as_text}, {F::ab}).id ==
          F::plain,
      "as text");
  // It is not met if the limit comes before it.
  expect_ids(encode(tokenizer, u"ab<think>", {.max_ids = 1}), {F::ab}, "with a limit");
}

void limits_give_the_first_ids() {
  const std::u16string_view parts[] = {u"ab",      u"xxxx",   u" ",          u"  ", u"<think>",
                                       u"[plain]", u"1",      u"e\u0301",    u"\n", u"[\u00e9]",
                                       u"<|end|>", u"\u4e2d", u"\U0001f600", u"'s"};
  const auto tokenizer = open(SmallFile());
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    std::u16string text;
    for (uint32_t left = random.below(12); left > 0; --left)
      text += parts[random.below(std::size(parts))];
    if (seed % 50 == 0) text += repeated(u"xab", 900);  // longer than a window
    const auto control_tokens = static_cast<ControlTokens>(random.below(3));
    Encoding whole(tokenizer, text, {.control_tokens = control_tokens});
    while (whole.step()) {
    }
    const Ids& all = whole.ids();
    expect(whole.count() == all.size(), "the count");
    const size_t step = all.size() > 100 ? 37 : 1;
    for (size_t max_ids = 0; max_ids <= all.size() + 1; max_ids += step) {
      for (const bool keep_ids : {true, false}) {
        Encoding some(tokenizer, text,
                      {.control_tokens = control_tokens, .max_ids = max_ids, .keep_ids = keep_ids});
        while (some.step()) {
        }
        const size_t count = std::min(max_ids, all.size());
        const std::string what =
            "seed " + std::to_string(seed) + " up to " + std::to_string(max_ids);
        expect(some.count() == count, what + ": the count");
        expect_ids(
            some.ids(),
            keep_ids ? Ids(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)) : Ids(),
            what);
        expect(some.refused().has_value() == (whole.refused() && max_ids > all.size()),
               what + ": whether it is refused");
      }
    }
  }
}

struct Steps {
  size_t count = 0;
  size_t most_ids = 0;  // of a step
};

Steps steps_of(const std::shared_ptr<const Tokenizer>& tokenizer, const std::u16string& text,
               const EncodeOptions& options = {}) {
  Encoding encoding(tokenizer, text, options);
  Steps steps;
  for (bool more = true; more; ++steps.count) {
    const size_t before = encoding.count();
    more = encoding.step();
    steps.most_ids = std::max(steps.most_ids, encoding.count() - before);
  }
  return steps;
}

void a_step_is_bounded() {
  const auto tokenizer = open(SmallFile());
  constexpr size_t units = 1 << 20;
  for (const std::u16string_view part : {u"some words, 123 \n", u"<think>", u"[e\u0301]",
                                         u"[plain] ", u"1", u" a", u"\n-", u"\u4e2d\u6587. "}) {
    const std::u16string text = repeated(part, units / part.size());
    const Steps steps = steps_of(tokenizer, text);
    // 2048 bytes of words or sections, and the word that is more.
    expect(steps.most_ids <= 2'100, std::to_string(steps.most_ids) + " ids in a step");
    expect(steps.count < 3 * units / 1'000, std::to_string(steps.count) + " steps");
    expect(steps_of(tokenizer, text, {.max_ids = 100}).count <= 2, "the steps of a few ids");
  }
  // One word, window by window. Its ids come at once.
  const Steps word = steps_of(tokenizer, repeated(u"x", units));
  expect(word.count > units / 1'024 && word.count < units / 700,
         std::to_string(word.count) + " steps for one word");
  expect(steps_of(tokenizer, repeated(u"x", units), {.max_ids = 10}).count < 5,
         "the steps of the start of a word");
}

void a_long_word_is_read_up_to_its_last_id() {
  const auto tokenizer = open(SmallFile());
  const std::u16string text = repeated(u"1", 10'000) + repeated(u"x", 1 << 20);
  const Steps steps = steps_of(tokenizer, text, {.max_ids = 10'005});
  expect(steps.count <= 10, std::to_string(steps.count) + " steps");
}

void long_words_have_the_same_ids() {
  const SmallFile file;
  SmallFile unordered = file;  // one more merge, so that no windows are used
  unordered.vocabulary += ",\"\":265";
  unordered.merges += ",[\"\",\"a\"]";
  for (AddedToken& token : unordered.added) ++token.id;
  for (const size_t length : {2'000, 2'047, 2'048, 2'049, 5'000, 100'001}) {
    for (const std::u16string_view part : {u"x", u"xab", u"abca", u"xxab"}) {
      const std::u16string word = repeated(part, length).substr(0, length);
      expect_ids(encode(open(file), word), encode(open(unordered), word),
                 std::to_string(length) + " letters");
      // Without an order nothing is known about borders.
      expect(steps_of(open(unordered), word).count <= 2, "it is encoded in windows");
    }
  }
  expect_ids(encode(open(file), repeated(u"x", 4'003)), joined({Ids(1'000, F::xxxx), {F::xx, 'x'}}),
             "a run");
}

void an_encoding_keeps_its_tokenizer() {
  auto tokenizer = open(SmallFile());
  Encoding first(tokenizer, u"ab<think>", {});
  tokenizer.reset();
  Encoding encoding = std::move(first);
  while (encoding.step()) {
  }
  expect_ids(encoding.ids(), {F::ab, F::think}, "after the tokenizer is gone");
}

}  // namespace

void add_encoding_tests(Tests& tests) {
  tests.insert(
      tests.end(),
      {{"encoding: stages follow each other", stages_follow_each_other},
       {"encoding: added tokens that strip and stand alone",
        added_tokens_that_strip_and_stand_alone},
       {"encoding: lone surrogates are replaced", lone_surrogates_are_replaced},
       {"encoding: control tokens have three readings", control_tokens_have_three_readings},
       {"encoding: ids that the model does not have are refused",
        ids_that_the_model_does_not_have_are_refused},
       {"encoding: limits give the first ids", limits_give_the_first_ids},
       {"encoding: a step is bounded", a_step_is_bounded},
       {"encoding: a long word is read up to its last id", a_long_word_is_read_up_to_its_last_id},
       {"encoding: long words have the same ids", long_words_have_the_same_ids},
       {"encoding: an encoding keeps its tokenizer", an_encoding_keeps_its_tokenizer}});
}

}  // namespace qwen3::test
