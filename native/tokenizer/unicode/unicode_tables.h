// The tables behind unicode.h and normalize.h. scripts/generate-unicode.mjs writes them.
#pragma once
#include <cstdint>
#include <span>

namespace qwen3 {

// A table has two stages, because most blocks of code points have the same values as another.
// Block 0 is ASCII's.
inline constexpr char32_t kUnicodeBlockSize = 128;
inline constexpr char32_t kUnicodeBlocks = 0x110000 / kUnicodeBlockSize;

inline uint8_t value_of(const uint8_t* blocks, const uint8_t* values, char32_t c) {
  return values[blocks[c / kUnicodeBlockSize] * kUnicodeBlockSize + c % kUnicodeBlockSize];
}

extern const uint8_t kClassBlocks[kUnicodeBlocks];
extern const uint8_t kClassValues[];
inline constexpr uint8_t kClassMask = 3;  // the CharClass
inline constexpr uint8_t kWord = 4;

extern const uint8_t kNormalizationBlocks[kUnicodeBlocks];
extern const uint8_t kNormalizationValues[];
// The combining class as a rank among all classes; 0: a starter. Not of characters that decompose.
inline constexpr uint8_t kRankMask = 0x3f;
// NFC may change the character: it is not its own NFC, or it composes with one before it.
inline constexpr uint8_t kNotQuick = 0x40;
inline constexpr uint8_t kDecomposes = 0x80;

inline uint8_t normalization_of(char32_t c) {
  return value_of(kNormalizationBlocks, kNormalizationValues, c);
}

// `whole` decomposes into `first`, which may decompose further, and `second`, which does not; 0:
// there is no second. Hangul syllables are not listed.
struct Decomposition {
  char32_t whole, first, second;
};
extern const std::span<const Decomposition> kDecompositions;  // in the order of `whole`
// Indices of the decompositions that NFC reverses, in the order of `first`, then `second`.
extern const std::span<const uint16_t> kCompositions;

}  // namespace qwen3
