// The tokens of a vocabulary as bytes, found by their bytes.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/hash.h"

namespace qwen3 {

class TokenTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // Room for `count` tokens with ids below `ids`.
  TokenTable(size_t count, uint32_t ids);
  // Returns false if the bytes or the id are there already.
  bool add(std::string_view bytes, uint32_t id);
  // kNone if there is no such token.
  uint32_t find(std::string_view bytes) const;
  bool has(uint32_t id) const { return lengths_[id] != kNone; }
  uint32_t length(uint32_t id) const { return lengths_[id]; }
  uint32_t ids() const { return static_cast<uint32_t>(lengths_.size()); }

 private:
  struct Slot {
    uint32_t hash = 0, id = kNone;
    uint32_t from = 0, length = 0;  // of the token's bytes in pool_
  };
  bool holds(const Slot& slot, uint32_t hash, std::string_view bytes) const {
    return slot.hash == hash && slot.length == bytes.size() &&
           bytes == std::string_view(pool_.data() + slot.from, bytes.size());
  }
  uint64_t hash(std::string_view bytes) const;

  std::string pool_;
  std::vector<uint32_t> lengths_;  // by id; kNone: there is no token
  unsigned bits_;
  std::vector<Slot> slots_;
  uint64_t hash_key_ = hash_key();
};

}  // namespace qwen3
