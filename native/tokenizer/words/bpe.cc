#include "tokenizer/words/bpe.h"

#include <algorithm>
#include <queue>

namespace qwen3 {
namespace {

// Bytes of a word whose pairs are scanned for each merge, which is faster than a heap.
constexpr size_t kMaxScanned = 64;

}  // namespace

Bpe::Bpe(TokenTable tokens, const std::vector<Merge>& merges)
    : tokens_(std::move(tokens)),
      ranks_(merges.size()),
      byte_ranks_(size_t{1} << 16),
      origins_(tokens_.ids()) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    bytes_[static_cast<size_t>(byte)] = tokens_.find({&c, 1});
  }
  for (const Merge& merge : merges) {
    ranks_.set(uint64_t{merge.left} << 32 | merge.right, static_cast<uint32_t>(results_.size()));
    results_.push_back(merge.result);
  }

  for (size_t pair = 0; pair < byte_ranks_.size(); ++pair)
    byte_ranks_[pair] = rank(bytes_[pair >> 8], bytes_[pair & 0xFF]);

  for (const Token byte : bytes_) origins_[byte].age = 0;
  find_whole_tokens(merges);
}

void Bpe::find_whole_tokens(const std::vector<Merge>& merges) {
  const auto each = [&](const auto& visit) {
    for (uint32_t i = 0; i < merges.size(); ++i) {
      if (rank(merges[i].left, merges[i].right) == i) visit(i, merges[i]);
    }
  };
  std::vector<uint32_t> newest(tokens_.ids());  // the last rank that creates a token, plus one
  each([&](uint32_t i, const Merge& merge) { newest[merge.result] = i + 1; });
  each([&](uint32_t i, const Merge& merge) {
    if (newest[merge.left] > i || newest[merge.right] > i) is_ordered_ = false;
  });
  for (const Token byte : bytes_) {
    if (newest[byte] > 0) is_ordered_ = false;  // from an empty token
  }
  if (!is_ordered_) return;

  each([&](uint32_t i, const Merge& merge) {
    const Origin &left = origins_[merge.left], &right = origins_[merge.right];
    if (left.age == kNone || right.age == kNone) return;
    // The bytes become these two parts unless a merge crosses their border before they are there.
    const bool crossed = left.age > right.age
                             ? merges_across(left.right, merge.right, left.age - 1)
                             : right.age > 0 && merges_across(merge.left, right.left, right.age);
    if (crossed) return;
    origins_[merge.result] = {i + 1, merge.left, merge.right};
    longest_ = std::max(longest_, size_t{length(merge.result)});
  });
}

// Whether a merge with a rank below `limit` crosses the border between two whole tokens. Goes back
// in time: undoes the younger token at the border, and looks at the pair that was there before. Of
// equal merges the leftmost is first: one inside `left`, then one across the border, then one
// inside `right`.
bool Bpe::merges_across(Token left, Token right, uint32_t limit) const {
  for (;;) {
    if (rank(left, right) < limit) return true;
    const Origin &l = origins_[left], &r = origins_[right];
    if (l.age == 0 && r.age == 0) return false;
    if (l.age > r.age) {
      limit = l.age - 1;
      left = l.right;
    } else {
      limit = r.age;
      right = r.left;
    }
  }
}

void Bpe::encode(std::string_view word, std::vector<Token>& ids) const {
  const Token whole = tokens_.find(word);
  if (whole != kNone && origins_[whole].age != kNone)
    ids.push_back(whole);
  else if (word.size() <= kMaxScanned)
    scan(word, ids);
  else
    merge_with_heap(word, ids);
}

void Bpe::scan(std::string_view word, std::vector<Token>& ids) const {
  Token tokens[kMaxScanned];
  uint32_t ranks[kMaxScanned];  // of each token and the next one
  size_t count = word.size();
  for (size_t i = 0; i < count; ++i) tokens[i] = bytes_[static_cast<uint8_t>(word[i])];
  for (size_t i = 0; i + 1 < count; ++i)
    ranks[i] = byte_ranks_[static_cast<uint8_t>(word[i]) << 8 | static_cast<uint8_t>(word[i + 1])];
  while (count > 1) {
    const size_t at = static_cast<size_t>(std::min_element(ranks, ranks + count - 1) - ranks);
    if (ranks[at] == IntegerMap::kNone) break;
    tokens[at] = results_[ranks[at]];
    --count;
    std::copy(tokens + at + 2, tokens + count + 1, tokens + at + 1);
    std::copy(ranks + at + 1, ranks + count, ranks + at);
    if (at + 1 < count) ranks[at] = rank(tokens[at], tokens[at + 1]);
    if (at > 0) ranks[at - 1] = rank(tokens[at - 1], tokens[at]);
  }
  ids.insert(ids.end(), tokens, tokens + count);
}

void Bpe::merge_with_heap(std::string_view word, std::vector<Token>& ids) const {
  constexpr uint32_t kEnd = UINT32_MAX;
  struct Symbol {
    Token token;
    uint32_t previous, next;  // kNone as token: merged into the one before
  };
  struct Candidate {
    uint32_t rank, at;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  const auto count = static_cast<uint32_t>(word.size());
  std::vector<Symbol> symbols(count);
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  for (uint32_t i = 0; i < count; ++i)
    symbols[i] = {bytes_[static_cast<uint8_t>(word[i])], i - 1, i + 1 < count ? i + 1 : kEnd};
  const auto push = [&](uint32_t at) {
    if (at == kEnd || symbols[at].next == kEnd) return;
    const uint32_t found = rank(symbols[at].token, symbols[symbols[at].next].token);
    if (found != IntegerMap::kNone) queue.push({found, at});
  };
  for (uint32_t i = 0; i < count; ++i) push(i);
  while (!queue.empty()) {
    const auto [found, at] = queue.top();
    queue.pop();
    Symbol& left = symbols[at];
    if (left.token == kNone || left.next == kEnd) continue;
    Symbol& right = symbols[left.next];
    if (rank(left.token, right.token) != found) continue;  // one of the two has been merged since
    left.token = results_[found];
    right.token = kNone;
    left.next = right.next;
    if (left.next != kEnd) symbols[left.next].previous = at;
    push(at);
    push(left.previous);
  }
  for (const Symbol& symbol : symbols) {
    if (symbol.token != kNone) ids.push_back(symbol.token);
  }
}

}  // namespace qwen3
