#include "tokenizer/file/byte_level.h"

#include <array>
#include <cstdint>

namespace qwen3 {
namespace {

constexpr uint32_t kCharacters = 0x144;
constexpr int16_t kNotInAlphabet = -1;

// The byte of each character.
constexpr std::array<int16_t, kCharacters> kBytes = [] {
  std::array<int16_t, kCharacters> bytes{};
  bytes.fill(kNotInAlphabet);
  uint32_t next = 0x100;
  for (int16_t byte = 0; byte < 256; ++byte) {
    const bool is_printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    bytes[is_printable ? static_cast<uint32_t>(byte) : next++] = byte;
  }
  return bytes;
}();

}  // namespace

std::optional<std::string> bytes_of(std::string_view token) {
  std::string bytes;
  bytes.reserve(token.size());
  for (size_t at = 0; at < token.size(); ++at) {
    uint32_t c = static_cast<uint8_t>(token[at]);
    if (c >= 0xE0) return std::nullopt;
    if (c >= 0x80) c = (c & 0x1F) << 6 | (static_cast<uint8_t>(token[++at]) & 0x3Fu);
    if (c >= kCharacters || kBytes[c] == kNotInAlphabet) return std::nullopt;
    bytes.push_back(static_cast<char>(kBytes[c]));
  }
  return bytes;
}

}  // namespace qwen3
