#include "tokenizer/words/token_table.h"

#include <bit>
#include <cstring>

namespace qwen3 {

TokenTable::TokenTable(size_t count, uint32_t ids)
    : lengths_(ids, kNone), bits_(table_bits(count)), slots_(size_t{1} << bits_) {}

uint64_t TokenTable::hash(std::string_view bytes) const {
  uint64_t sum = bytes.size();
  const auto mix = [&](size_t count) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), count);
    sum = folded_product(sum ^ word, hash_key_);
    bytes.remove_prefix(count);
  };
  while (bytes.size() > 8) mix(8);
  mix(bytes.size());
  return folded_product(sum, hash_key_);
}

bool TokenTable::add(std::string_view bytes, uint32_t id) {
  if (has(id)) return false;
  const uint64_t hashed = hash(bytes);
  const auto tag = static_cast<uint32_t>(hashed);
  size_t at = hashed >> (64 - bits_);
  for (; slots_[at].id != kNone; at = (at + 1) & (slots_.size() - 1)) {
    if (holds(slots_[at], tag, bytes)) return false;
  }
  lengths_[id] = static_cast<uint32_t>(bytes.size());
  slots_[at] = {tag, id, static_cast<uint32_t>(pool_.size()), lengths_[id]};
  pool_ += bytes;
  return true;
}

uint32_t TokenTable::find(std::string_view bytes) const {
  const uint64_t hashed = hash(bytes);
  const auto tag = static_cast<uint32_t>(hashed);
  for (size_t at = hashed >> (64 - bits_);; at = (at + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[at];
    if (slot.id == kNone || holds(slot, tag, bytes)) return slot.id;
  }
}

}  // namespace qwen3
