// Fixed strings in a text, compared with a search for each of them at each place.
#include "tokenizer/added_tokens/matcher.h"

#include <chrono>

#include "random.h"
#include "tokenizer/tokenizer_tests.h"

namespace qwen3::test {
namespace {

using Patterns = std::vector<std::u16string>;

std::vector<Matcher::Match> slow_find(const Patterns& patterns, std::u16string_view text) {
  std::vector<Matcher::Match> matches;
  for (size_t at = 0; at < text.size();) {
    size_t longest = 0;
    uint32_t which = 0;
    for (uint32_t i = 0; i < patterns.size(); ++i) {
      if (patterns[i].size() > longest && text.substr(at).starts_with(patterns[i]))
        longest = patterns[i].size(), which = i;
    }
    if (longest > 0) matches.push_back({static_cast<uint32_t>(at), which});
    at += std::max(longest, size_t{1});
  }
  return matches;
}

std::string show(std::u16string_view text) {
  std::string shown;
  for (const char16_t unit : text.substr(0, 60)) shown += static_cast<char>('!' + unit % 90);
  return shown;
}

std::string show(const std::vector<Matcher::Match>& matches) {
  std::string shown;
  for (const auto& [from, pattern] : matches)
    shown += std::to_string(from) + '=' + std::to_string(pattern) + ' ';
  return shown;
}

void expect_matches(const Matcher& matcher, const Patterns& patterns, std::u16string_view text) {
  const std::string found = show(matcher.find(text)), wanted = show(slow_find(patterns, text));
  if (found == wanted) return;
  std::string all;
  for (const std::u16string& pattern : patterns) all += show(pattern) + ' ';
  throw Failure(all + "in " + show(text) + ": " + found + "not " + wanted);
}

std::u16string random_text(Random& random, uint32_t letters, size_t length) {
  // Units that differ in the low byte, in the high byte, and a surrogate pair.
  constexpr char16_t kUnits[] = {u'a', u'b', u'\u0161', 0xd83d, 0xde00};
  std::u16string text;
  while (text.size() < length) text += kUnits[random.below(letters)];
  return text;
}

void the_leftmost_longest_are_found() {
  size_t found = 0;
  for (uint64_t seed = 0; seed < 3'000; ++seed) {
    Random random(seed);
    const uint32_t letters = 1 + random.below(5);
    Patterns patterns;
    for (uint32_t left = 1 + random.below(12); left > 0; --left) {
      const std::u16string pattern = random_text(random, letters, 1 + random.below(7));
      if (std::find(patterns.begin(), patterns.end(), pattern) == patterns.end())
        patterns.push_back(pattern);
    }
    const Matcher matcher(patterns);
    for (int i = 0; i < 6; ++i) {
      const std::u16string text = random_text(random, letters, random.below(i < 5 ? 20 : 200));
      expect_matches(matcher, patterns, text);
      found += matcher.find(text).size();
    }
  }
  expect(found > 10'000, "only " + std::to_string(found) + " matches");
}

void chosen_patterns() {
  const std::pair<Patterns, std::u16string> examples[] = {
      {{}, u"abc"},
      {{u"a"}, u""},
      {{u"abc"}, u"ab"},
      {{u"abc", u"b"}, u"abcabdb"},       // inside of another one
      {{u"abcd", u"bc", u"c"}, u"abcx"},  // the longer one is not complete
      {{u"ab", u"abab", u"ababab"}, u"abababab"},
      {{u"aab", u"ab", u"b"}, u"aaabb"},
      {{u"abcde", u"cdefg", u"efg"}, u"abcdefg"},  // it would overlap
      {{u"abc", u"bcd", u"cde", u"d"}, u"abcde"},
      {{u"<|a|>", u"<|a", u"|>"}, u"<|a|><|a<|a|>|>"},
      {{u"\u0100", u"\u0001"}, u"\u0101\u0001\u0100"},
  };
  for (const auto& [patterns, text] : examples) expect_matches(Matcher(patterns), patterns, text);
}

void time_is_linear() {
  const std::u16string text(100'000, u'a');
  Patterns patterns = {std::u16string(1'000, u'a') + u'b', u'b' + std::u16string(1'000, u'a')};
  for (size_t length = 3; length < 1'500; length += 7)
    patterns.push_back(std::u16string(length, u'a') + u"c");
  const auto begin = std::chrono::steady_clock::now();
  const Matcher matcher(patterns);
  expect(matcher.find(text).empty(), "a match without its last letter");
  expect(matcher.find(text + u'b').size() == 1, "a match at the end");
  expect(matcher.find(u'b' + text).size() == 1, "a match at the start");
  const Matcher runs({u"a", u"aa", std::u16string(999, u'a')});
  expect(runs.find(text).size() == 100 + 50, "runs");
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  // 0.05 s, thirty times that under AddressSanitizer. Quadratic time would be minutes.
  expect(took.count() < 10, "took " + std::to_string(took.count()) + " s");
}

}  // namespace

void add_matcher_tests(Tests& tests) {
  tests.insert(tests.end(),
               {{"matcher: the leftmost longest are found", the_leftmost_longest_are_found},
                {"matcher: chosen patterns", chosen_patterns},
                {"matcher: time is linear", time_is_linear}});
}

}  // namespace qwen3::test
