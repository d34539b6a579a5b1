// Random vocabularies, and byte pair encoding as its definition says.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "random.h"
#include "tokenizer/words/bpe.h"

namespace qwen3::test {

using Ids = std::vector<uint32_t>;

std::string show(const Ids& ids);

// A vocabulary with all bytes, and what it takes to encode words slowly.
class RandomBpe {
 public:
  enum class Order {
    trained,  // from the most frequent pairs of a random text
    grown,    // of random tokens so far; some merges have the same result
    chained,  // so that the end of a word decides about ids far before it
    any,      // in random order, with pairs given twice and empty tokens
  };
  // `letters`: different bytes in the words.
  RandomBpe(Random& random, Order order, uint32_t letters, uint32_t merges);

  Bpe bpe() const;
  // A word of these letters that repeats itself here and there.
  std::string word(Random& random, size_t length) const;
  // Merges the most urgent pair, the leftmost of equal ones, until there is none.
  Ids encode(std::string_view word) const;

  // Whether no merge that counts comes before or is one that creates a part of it.
  bool is_ordered() const;
  // The tokens that their own bytes are encoded as, of the letters and longer.
  Ids whole_tokens() const;
  const std::string& bytes(uint32_t token) const { return tokens_[token]; }

 private:
  uint32_t find_or_add(const std::string& bytes);
  void merge(uint32_t left, uint32_t right);
  void train(Random& random, uint32_t merges);
  void grow(Random& random, uint32_t merges);
  void chain();
  void index();
  uint32_t& rank(uint32_t left, uint32_t right) { return ranks_[left * tokens_.size() + right]; }
  uint32_t rank(uint32_t left, uint32_t right) const {
    return ranks_[left * tokens_.size() + right];
  }

  std::string letters_;
  bool is_cycle_ = false;            // words have the letters in their order, mostly
  std::vector<std::string> tokens_;  // by id
  std::vector<Bpe::Merge> merges_;
  std::vector<uint32_t> ids_;    // of the bytes
  std::vector<uint32_t> ranks_;  // by pair
};

}  // namespace qwen3::test
