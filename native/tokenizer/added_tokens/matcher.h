// Finds fixed strings in a text, in linear time: leftmost first, of those that begin at the same
// place the longest, without overlaps.
//
// An Aho-Corasick automaton reads the text backwards. At each place its state knows the longest
// string that begins there.
#pragma once
#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/hash.h"

namespace qwen3 {

class Matcher {
 public:
  // Distinct patterns of at least one unit.
  explicit Matcher(const std::vector<std::u16string>& patterns);

  struct Match {
    uint32_t from;
    uint32_t pattern;  // index
  };
  // `text` has less than 2^32 units.
  std::vector<Match> find(std::u16string_view text) const;
  size_t length(uint32_t pattern) const { return lengths_[pattern]; }

 private:
  struct Node {
    uint32_t fallback = 0;                 // the longest other prefix of a pattern that ends here
    uint32_t pattern = IntegerMap::kNone;  // the longest one that is read completely
  };
  uint32_t next(uint32_t node, char16_t unit) const {
    return edges_.find(uint64_t{node} << 16 | unit);
  }

  std::vector<size_t> lengths_;  // of the patterns
  std::vector<Node> nodes_;
  IntegerMap edges_;
  std::bitset<65536> last_units_;  // units that a pattern ends with
};

}  // namespace qwen3
