// Words that are encoded window by window, compared with the whole word at once.
#include "tokenizer/words/long_word.h"

#include <algorithm>

#include "tokenizer/random_bpe.h"
#include "tokenizer/tokenizer_tests.h"

namespace qwen3::test {
namespace {

using Order = RandomBpe::Order;

struct Result {
  Ids ids;
  size_t steps;
};

Result encode(const Bpe& bpe, const std::string& word, size_t max_ids,
              size_t window = LongWord::kWindow) {
  LongWord long_word(bpe, word, max_ids, window);
  size_t steps = 1;
  while (long_word.step()) expect(++steps < 10 * word.size() + 10, "it does not end");
  return {long_word.ids(), steps};
}

void expect_first_ids(const Bpe& bpe, const std::string& word, const Ids& all, size_t max_ids,
                      size_t window, const std::string& where) {
  const Ids ids = encode(bpe, word, max_ids, window).ids;
  const size_t count = std::min(max_ids, all.size());
  const bool right = ids.size() >= count && ids.size() <= all.size() &&
                     std::equal(ids.begin(), ids.end(), all.begin());
  if (!right)
    throw Failure(where + ": with the window " + std::to_string(window) + " and at most " +
                  std::to_string(max_ids) + " ids: " + show(ids) + "not " + show(all));
}

void any_window_and_number_of_ids() {
  for (uint64_t seed = 0; seed < 250; ++seed) {
    Random random(seed);
    const Order order = static_cast<Order>(random.below(3));
    const uint32_t letters = 1 + random.below(order == Order::chained ? 20 : 4);
    // Some chains have only tokens of two bytes.
    const uint32_t merges = order == Order::chained && random.below(2) ? 0 : random.below(40);
    const RandomBpe slow(random, order, letters, merges);
    const Bpe bpe = slow.bpe();
    const std::string where = "seed " + std::to_string(seed);
    for (int i = 0; i < 4; ++i) {
      const std::string word = slow.word(random, 1 + random.below(i < 3 ? 60 : 300));
      const Ids all = slow.encode(word);
      for (size_t max_ids = 1; max_ids <= all.size() + 1; ++max_ids)
        expect_first_ids(bpe, word, all, max_ids, 2 + random.below(63), where);
      for (const size_t window : {2, 3, 8, 64})
        expect_first_ids(bpe, word, all, 1 + random.below(10), window, where);
      expect_first_ids(bpe, word, all, SIZE_MAX, 2 + random.below(63), where);
    }
  }
}

// A trained vocabulary of short tokens.
RandomBpe ordinary() {
  Random random(3);
  return RandomBpe(random, Order::trained, 4, 60);
}

void stops_when_the_ids_are_known() {
  const RandomBpe slow = ordinary();
  const Bpe bpe = slow.bpe();
  Random random(4);
  const std::string word = slow.word(random, 1 << 20);
  const auto [all, steps] = encode(bpe, word, SIZE_MAX);
  expect(steps > 1000 && steps < 1300, std::to_string(steps) + " steps for the whole word");
  for (const size_t max_ids : {1, 10, 100, 1000, 10'000}) {
    const Result some = encode(bpe, word, max_ids);
    expect(some.ids == Ids(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(max_ids)),
           "not the first " + std::to_string(max_ids) + " ids");
    // Twice as many as are needed, because the ids may not be final when they are there.
    const double bytes = static_cast<double>(word.size()) / static_cast<double>(all.size());
    const auto enough = static_cast<size_t>(2.5 * bytes * static_cast<double>(max_ids) / 900) + 3;
    expect(some.steps <= enough,
           std::to_string(some.steps) + " steps for " + std::to_string(max_ids) + " ids");
  }
  // Those at the end of a window are final some windows later.
  for (size_t max_ids = 100; max_ids < 800; ++max_ids) {
    const Result some = encode(bpe, word.substr(0, 50'000), max_ids);
    expect(some.ids.size() == max_ids && some.steps < 10,
           std::to_string(some.steps) + " steps for " + std::to_string(max_ids) + " ids");
  }
}

// A word of equal letters has no border that is known early: its end decides.
void runs_of_a_letter() {
  TokenTable table(300, 300);
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    table.add({&c, 1}, byte);
  }
  std::vector<Bpe::Merge> merges;
  std::string token = "a";
  uint32_t id = 'a';
  for (uint32_t next = 256; next < 262; ++next) {
    token += token;
    table.add(token, next);
    merges.push_back({id, id, next});
    id = next;
  }
  const Bpe bpe(std::move(table), merges);
  for (const size_t length : {1'000, 10'000, 100'000, 100'001, 100'063}) {
    const std::string word(length, 'a');
    Ids wanted;
    bpe.encode(word, wanted);
    const auto [ids, steps] = encode(bpe, word, SIZE_MAX);
    expect(ids == wanted, std::to_string(length) + " letters");
    expect(steps < length / 800 + 5, std::to_string(steps) + " steps");
    expect(encode(bpe, word, 3).steps < 5, "many steps for 3 of " + std::to_string(length));
  }
}

}  // namespace

void add_long_word_tests(Tests& tests) {
  tests.insert(tests.end(),
               {{"long word: any window and number of ids", any_window_and_number_of_ids},
                {"long word: stops when the ids are known", stops_when_the_ids_are_known},
                {"long word: runs of a letter", runs_of_a_letter}});
}

}  // namespace qwen3::test
