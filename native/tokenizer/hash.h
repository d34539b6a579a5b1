// Hash tables with open addressing. The hash has a secret key, so that no file can be written whose
// keys collide.
#pragma once
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace qwen3 {

// The upper and the lower half of a product, combined: every bit of the result depends on every bit
// of both factors.
inline uint64_t folded_product(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// The key of this process, from what the author of a file cannot know: the time of its first use,
// and an address, which the system randomizes.
inline uint64_t hash_key() {
  static const uint64_t key = [] {
    const int local = 0;
    const auto time =
        static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    const auto address = reinterpret_cast<uintptr_t>(&local);
    return folded_product(time ^ 0x9e3779b97f4a7c15, address ^ 0xd1b54a32d192ed03) | 1;
  }();
  return key;
}

// A table for `count` keys has 2^bits slots, at least a third of them free.
inline unsigned table_bits(size_t count) {
  return static_cast<unsigned>(std::bit_width(count * 3 / 2 + 1));
}

// A map from 64-bit keys to 32-bit values. UINT32_MAX is no value.
class IntegerMap {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // Room for `count` keys.
  explicit IntegerMap(size_t count) : bits_(table_bits(count)), slots_(size_t{1} << bits_) {}

  // Inserts a value or replaces it.
  void set(uint64_t key, uint32_t value) {
    for (size_t at = slot_of(key);; at = (at + 1) & (slots_.size() - 1)) {
      Slot& slot = slots_[at];
      if (slot.value != kNone && slot.key() != key) continue;
      slot = {static_cast<uint32_t>(key >> 32), static_cast<uint32_t>(key), value};
      return;
    }
  }

  uint32_t find(uint64_t key) const {
    for (size_t at = slot_of(key);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.value == kNone || slot.key() == key) return slot.value;
    }
  }

 private:
  struct Slot {
    uint32_t high = 0, low = 0, value = kNone;
    uint64_t key() const { return uint64_t{high} << 32 | low; }
  };
  size_t slot_of(uint64_t key) const {
    return folded_product(key ^ 0x9e3779b97f4a7c15, hash_key_) >> (64 - bits_);
  }
  uint64_t hash_key_ = hash_key();
  unsigned bits_;
  std::vector<Slot> slots_;
};

}  // namespace qwen3
