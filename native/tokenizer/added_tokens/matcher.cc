#include "tokenizer/added_tokens/matcher.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace qwen3 {

Matcher::Matcher(const std::vector<std::u16string>& patterns)
    : nodes_(1),
      edges_(
          std::accumulate(patterns.begin(), patterns.end(), size_t{0},
                          [](size_t sum, const auto& pattern) { return sum + pattern.size(); })) {
  struct Edge {
    uint32_t from, to;
    char16_t unit;
  };
  std::vector<Edge> edges;
  for (uint32_t index = 0; index < patterns.size(); ++index) {
    const std::u16string& pattern = patterns[index];
    lengths_.push_back(pattern.size());
    last_units_.set(pattern.back());
    uint32_t node = 0;
    for (size_t at = pattern.size(); at-- > 0;) {
      uint32_t to = next(node, pattern[at]);
      if (to == IntegerMap::kNone) {
        to = static_cast<uint32_t>(nodes_.size());
        nodes_.emplace_back();
        edges_.set(uint64_t{node} << 16 | pattern[at], to);
        edges.push_back({node, to, pattern[at]});
      }
      node = to;
    }
    nodes_[node].pattern = index;
  }

  // Fallbacks in the order of depth, because those of a node lead through nodes above it.
  std::vector<uint32_t> depth(nodes_.size());
  for (const Edge& edge : edges) depth[edge.to] = depth[edge.from] + 1;
  std::stable_sort(edges.begin(), edges.end(),
                   [&](const Edge& a, const Edge& b) { return depth[a.to] < depth[b.to]; });
  for (const auto& [from, to, unit] : edges) {
    if (from != 0) {
      uint32_t node = nodes_[from].fallback;
      while (node != 0 && next(node, unit) == IntegerMap::kNone) node = nodes_[node].fallback;
      const uint32_t found = next(node, unit);
      if (found != IntegerMap::kNone) nodes_[to].fallback = found;
    }
    if (nodes_[to].pattern == IntegerMap::kNone)
      nodes_[to].pattern = nodes_[nodes_[to].fallback].pattern;
  }
}

std::vector<Matcher::Match> Matcher::find(std::u16string_view text) const {
  std::vector<Match> matches;  // for each place, the longest; from the end
  uint32_t node = 0;
  for (size_t at = text.size(); at-- > 0;) {
    if (node == 0 && !last_units_[text[at]]) continue;
    uint32_t to = next(node, text[at]);
    while (to == IntegerMap::kNone && node != 0) {
      node = nodes_[node].fallback;
      to = next(node, text[at]);
    }
    node = to == IntegerMap::kNone ? 0 : to;
    const uint32_t pattern = nodes_[node].pattern;
    if (pattern != IntegerMap::kNone) matches.push_back({static_cast<uint32_t>(at), pattern});
  }
  std::reverse(matches.begin(), matches.end());
  size_t end = 0;
  std::erase_if(matches, [&](const Match& match) {
    if (match.from < end) return true;
    end = match.from + lengths_[match.pattern];
    return false;
  });
  return matches;
}

}  // namespace qwen3
