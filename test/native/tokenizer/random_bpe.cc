#include "tokenizer/random_bpe.h"

#include <algorithm>
#include <map>

#include "harness.h"

namespace qwen3::test {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

}  // namespace

std::string show(const Ids& ids) {
  std::string list;
  for (size_t i = 0; i < ids.size() && i < 50; ++i) list += std::to_string(ids[i]) + ' ';
  return list;
}

RandomBpe::RandomBpe(Random& random, Order order, uint32_t letters, uint32_t merges) {
  // The ids of the bytes are in random order.
  ids_ = random.permutation(256);
  tokens_.resize(256);
  for (uint32_t byte = 0; byte < 256; ++byte)
    tokens_[ids_[byte]] = std::string(1, static_cast<char>(byte));
  while (letters_.size() < letters) {
    const char letter = static_cast<char>(random.below(256));
    if (letters_.find(letter) == std::string::npos) letters_ += letter;
  }
  if (order == Order::chained) chain();
  if (order == Order::trained)
    train(random, merges);
  else
    grow(random, merges);
  if (order == Order::any) {
    for (uint32_t i = 0; i < merges / 4; ++i) {
      const Bpe::Merge again = merges_[random.below(static_cast<uint32_t>(merges_.size()))];
      merges_.push_back(again);
    }
    if (random.below(2) == 0) {
      const auto of = [&] { return random.below(static_cast<uint32_t>(tokens_.size())); };
      const uint32_t empty = find_or_add("");
      merge(empty, of());
      merge(of(), empty);
      merge(empty, empty);
    }
    std::vector<Bpe::Merge> shuffled;
    for (const uint32_t i : random.permutation(static_cast<uint32_t>(merges_.size())))
      shuffled.push_back(merges_[i]);
    merges_ = shuffled;
  }
  index();
}

uint32_t RandomBpe::find_or_add(const std::string& bytes) {
  const auto found = std::find(tokens_.begin(), tokens_.end(), bytes);
  if (found == tokens_.end()) tokens_.push_back(bytes);
  return static_cast<uint32_t>(std::find(tokens_.begin(), tokens_.end(), bytes) - tokens_.begin());
}

void RandomBpe::merge(uint32_t left, uint32_t right) {
  merges_.push_back({left, right, find_or_add(tokens_[left] + tokens_[right])});
}

void RandomBpe::train(Random& random, uint32_t merges) {
  Ids text;
  for (const char c : word(random, 400)) text.push_back(ids_[static_cast<uint8_t>(c)]);
  for (uint32_t i = 0; i < merges; ++i) {
    std::map<std::pair<uint32_t, uint32_t>, size_t> counts;
    for (size_t at = 0; at + 1 < text.size(); ++at) ++counts[{text[at], text[at + 1]}];
    if (counts.empty()) return;
    const auto most = std::max_element(counts.begin(), counts.end(),
                                       [](auto& a, auto& b) { return a.second < b.second; });
    const auto [left, right] = most->first;
    merge(left, right);
    Ids merged;
    for (size_t at = 0; at < text.size(); ++at) {
      const bool here = at + 1 < text.size() && text[at] == left && text[at + 1] == right;
      merged.push_back(here ? merges_.back().result : text[at]);
      at += here;
    }
    text = merged;
  }
}

void RandomBpe::grow(Random& random, uint32_t merges) {
  Ids parts, used;
  for (const char c : letters_) parts.push_back(ids_[static_cast<uint8_t>(c)]);
  for (const auto& [left, right, result] : merges_) {
    parts.push_back(result);
    used.insert(used.end(), {left, right});
  }
  for (uint32_t i = 0; i < merges; ++i) {
    const auto one = [&] { return parts[random.below(static_cast<uint32_t>(parts.size()))]; };
    const uint32_t left = one(), right = one();
    const size_t before = tokens_.size();
    merge(left, right);
    const uint32_t result = merges_.back().result;
    // A token that another merge uses must not be created once more.
    if (std::find(used.begin(), used.end(), result) != used.end() || result < 256 ||
        tokens_[result].size() > 40) {
      merges_.pop_back();
      tokens_.resize(before);
      continue;
    }
    used.insert(used.end(), {left, right});
    if (tokens_.size() > before) parts.push_back(result);
  }
}

// Each letter merges with the next one, the last pair first: whether two letters merge depends on
// the next pair, which depends on the one after it, and so on.
void RandomBpe::chain() {
  is_cycle_ = true;
  for (size_t i = letters_.size() - 1; i > 0; --i)
    merge(ids_[static_cast<uint8_t>(letters_[i - 1])], ids_[static_cast<uint8_t>(letters_[i])]);
}

// Of equal pairs the last merge counts.
void RandomBpe::index() {
  ranks_.assign(tokens_.size() * tokens_.size(), kNone);
  for (uint32_t i = 0; i < merges_.size(); ++i) rank(merges_[i].left, merges_[i].right) = i;
}

Bpe RandomBpe::bpe() const {
  TokenTable table(tokens_.size(), static_cast<uint32_t>(tokens_.size()));
  for (uint32_t id = 0; id < tokens_.size(); ++id)
    expect(table.add(tokens_[id], id), "a token is there twice");
  return Bpe(std::move(table), merges_);
}

std::string RandomBpe::word(Random& random, size_t length) const {
  std::string word;
  while (word.size() < length) {
    const uint32_t period = 1 + random.below(4);
    if (!is_cycle_ && random.below(3) == 0 && word.size() >= period) {
      for (uint32_t more = random.below(40); more > 0; --more) word += word[word.size() - period];
    } else if (is_cycle_ && random.below(8) != 0 && !word.empty()) {
      word += letters_[(letters_.find(word.back()) + 1) % letters_.size()];
    } else {
      word += letters_[random.below(static_cast<uint32_t>(letters_.size()))];
    }
  }
  word.resize(length);
  return word;
}

Ids RandomBpe::encode(std::string_view word) const {
  Ids ids;
  for (const char c : word) ids.push_back(ids_[static_cast<uint8_t>(c)]);
  for (;;) {
    uint32_t best = kNone;
    size_t where = 0;
    for (size_t at = 0; at + 1 < ids.size(); ++at) {
      const uint32_t found = rank(ids[at], ids[at + 1]);
      if (found < best) best = found, where = at;
    }
    if (best == kNone) return ids;
    ids[where] = merges_[best].result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
}

bool RandomBpe::is_ordered() const {
  for (uint32_t i = 0; i < merges_.size(); ++i) {
    if (rank(merges_[i].left, merges_[i].right) != i) continue;
    const uint32_t result = merges_[i].result;
    if (tokens_[result].size() < 2) return false;
    for (uint32_t user = 0; user <= i; ++user) {
      if (rank(merges_[user].left, merges_[user].right) == user &&
          (merges_[user].left == result || merges_[user].right == result))
        return false;
    }
  }
  return true;
}

Ids RandomBpe::whole_tokens() const {
  Ids whole;
  for (const char c : letters_) whole.push_back(ids_[static_cast<uint8_t>(c)]);
  for (uint32_t id = 256; id < tokens_.size(); ++id) {
    if (!tokens_[id].empty() && encode(tokens_[id]) == Ids{id}) whole.push_back(id);
  }
  return whole;
}

}  // namespace qwen3::test
