// Byte pair encoding compared with a loop that does what its definition says.
#include "tokenizer/words/bpe.h"

#include <chrono>

#include "tokenizer/random_bpe.h"
#include "tokenizer/tokenizer_tests.h"

namespace qwen3::test {
namespace {

using Order = RandomBpe::Order;

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string list;
  for (const char c : bytes.substr(0, 100)) {
    const auto byte = static_cast<uint8_t>(c);
    list += {kDigits[byte >> 4], kDigits[byte & 15], ' '};
  }
  return list;
}

void expect_encoding(const RandomBpe& slow, const Bpe& bpe, std::string_view word,
                     const std::string& where) {
  const Ids wanted = slow.encode(word);
  Ids ids = {7};  // what is there must not change
  bpe.encode(word, ids);
  expect(!ids.empty() && ids.front() == 7, where + ": the ids before are changed");
  ids.erase(ids.begin());
  if (ids != wanted)
    throw Failure(where + ": " + hex(word) + "became " + show(ids) + "not " + show(wanted));
}

// Compares words of every length; with an order that is not `any` the borders too.
void compare(Order order, uint64_t seeds) {
  size_t ordered = 0;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    Random random(seed);
    const uint32_t letters = 1 + random.below(order == Order::chained ? 20 : 4);
    const RandomBpe slow(random, order, letters, random.below(40));
    const Bpe bpe = slow.bpe();
    const std::string where = "seed " + std::to_string(seed);
    expect(bpe.is_ordered() == slow.is_ordered(), where + ": the order");
    ordered += bpe.is_ordered();
    for (int i = 0; i < 12; ++i) {
      const uint32_t longest = i < 8 ? 20 : i < 11 ? 100 : 300;
      expect_encoding(slow, bpe, slow.word(random, 1 + random.below(longest)), where);
    }
    for (const size_t length : {63, 64, 65})
      expect_encoding(slow, bpe, slow.word(random, length), where);
    const Ids whole = slow.whole_tokens();
    for (const uint32_t token : whole) {
      expect(bpe.length(token) == slow.bytes(token).size(), where + ": the length");
      expect_encoding(slow, bpe, slow.bytes(token), where);
      expect_encoding(slow, bpe, slow.bytes(token) + slow.bytes(whole[0]), where);
    }
    if (!bpe.is_ordered()) continue;
    size_t longest = 1;
    for (const uint32_t token : whole) longest = std::max(longest, slow.bytes(token).size());
    expect(bpe.longest() == longest, where + ": the longest token");
  }
  if (order == Order::any)
    expect(ordered > 0 && ordered < seeds, std::to_string(ordered) + " are ordered");
  else
    expect(ordered == seeds, "not all are ordered");
}

void as_trained() { compare(Order::trained, 300); }
void with_equal_results() { compare(Order::grown, 300); }
void in_chains() { compare(Order::chained, 300); }
void in_any_order() { compare(Order::any, 300); }

void borders() {
  size_t open = 0, closed = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    const Order order = Order{static_cast<Order>(random.below(3))};
    const uint32_t letters = 1 + random.below(order == Order::chained ? 10 : 3);
    const RandomBpe slow(random, order, letters, random.below(30));
    const Bpe bpe = slow.bpe();
    const Ids whole = slow.whole_tokens();
    for (const uint32_t left : whole) {
      for (const uint32_t right : whole) {
        const bool wanted = slow.encode(slow.bytes(left) + slow.bytes(right)) == Ids{left, right};
        if (bpe.is_border(left, right) != wanted)
          throw Failure("seed " + std::to_string(seed) + ": " + show({left, right}) +
                        (wanted ? "is a border" : "is no border"));
        ++(wanted ? open : closed);
      }
    }
  }
  expect(open > 5'000 && closed > 5'000, "too few borders of one kind");
}

// Merges that are not as a trainer makes them, each with the smallest example.
void orders_that_no_trainer_makes() {
  struct Example {
    std::string what;
    std::vector<std::array<std::string, 2>> merges;
    bool ordered;
    std::string word;
    std::vector<std::string> wanted;
  };
  const std::string many(70, 'a');  // too long for a scan
  const Example examples[] = {
      {"no merges", {}, true, "ab", {"a", "b"}},
      {"a part is created later", {{"ab", "c"}, {"a", "b"}}, false, "abc", {"abc"}},
      {"a token that its bytes do not become",
       {{"b", "c"}, {"a", "b"}, {"ab", "c"}},
       true,
       "abc",
       {"a", "bc"}},
      {"two merges with one result",
       {{"b", "c"}, {"a", "b"}, {"ab", "c"}, {"a", "bc"}},
       true,
       "abc",
       {"abc"}},
      {"the second merge of a token that is used already",
       {{"a", "b"}, {"b", "c"}, {"ab", "c"}, {"abc", "d"}, {"a", "bc"}},
       false,
       "abcd",
       {"abcd"}},
      {"a pair given twice: the last one counts",
       {{"a", "b"}, {"b", "c"}, {"a", "b"}},
       true,
       "abc",
       {"a", "bc"}},
      {"a pair given again after its result is used",
       {{"a", "b"}, {"ab", "c"}, {"a", "b"}},
       false,
       "abc",
       {"abc"}},
      {"an empty token on the left", {{"", "a"}, {"a", "b"}}, false, "ab", {"ab"}},
      {"an empty token on the right", {{"ab", ""}, {"a", "b"}}, false, "ab", {"ab"}},
      {"runs", {{"a", "a"}, {"aa", "aa"}}, true, "aaaaaaa", {"aaaa", "aa", "a"}},
      {"runs of three", {{"a", "a"}, {"aa", "a"}}, true, "aaaaaaaa", {"aa", "aa", "aa", "aa"}},
      {"a merge of equal tokens inside of a longer one",
       {{"a", "b"}, {"b", "a"}, {"ab", "ab"}},
       true,
       "babab",
       {"b", "abab"}},
      {"a long run", {{"a", "a"}}, true, many, std::vector<std::string>(35, "aa")},
  };
  for (const auto& [what, merges, ordered, word, wanted] : examples) {
    TokenTable table(300, 300);
    uint32_t next = 0;
    for (; next < 256; ++next) {
      const char byte = static_cast<char>(next);
      table.add({&byte, 1}, next);
    }
    const auto id = [&](const std::string& token) {
      if (table.find(token) == TokenTable::kNone) table.add(token, next++);
      return table.find(token);
    };
    std::vector<Bpe::Merge> list;
    for (const auto& [left, right] : merges)
      list.push_back({id(left), id(right), id(left + right)});
    Ids ids_wanted, ids;
    for (const std::string& token : wanted) ids_wanted.push_back(id(token));
    const Bpe bpe(std::move(table), list);
    expect(bpe.is_ordered() == ordered, what + ": the order");
    bpe.encode(word, ids);
    expect(ids == ids_wanted, what + ": " + show(ids));
  }
}

// Tokens of blocks of 16 bytes. In a hash that only multiplies and shifts, the bits that differ in
// the first word of a block change the hash in the same way whatever the key, and the second word
// can undo that.
void tokens_do_not_collide() {
  constexpr uint32_t kBlocks = 15;
  TokenTable table(size_t{1} << kBlocks, 1 << kBlocks);
  const auto begin = std::chrono::steady_clock::now();
  for (uint32_t id = 0; id < 1 << kBlocks; ++id) {
    std::string token(16 * kBlocks, 'a');
    for (uint32_t block = 0; block < kBlocks; ++block) {
      if ((id >> block & 1) == 0) continue;
      for (const uint32_t byte : {7u, 11u, 15u}) token[16 * block + byte] ^= '\x80';
    }
    expect(table.add(token, id) && table.find(token) == id, "a token");
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  // 0.02 s, some ten times that under AddressSanitizer. It was 3 s.
  expect(took.count() < 1, "took " + std::to_string(took.count()) + " s");
}

}  // namespace

void add_bpe_tests(Tests& tests) {
  tests.insert(tests.end(), {{"bpe: merges as trained", as_trained},
                             {"bpe: merges with equal results", with_equal_results},
                             {"bpe: merges in chains", in_chains},
                             {"bpe: merges in any order", in_any_order},
                             {"bpe: borders", borders},
                             {"bpe: tokens do not collide", tokens_do_not_collide},
                             {"bpe: orders that no trainer makes", orders_that_no_trainer_makes}});
}

}  // namespace qwen3::test
