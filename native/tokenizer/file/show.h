// Text from files in messages.
#pragma once
#include <string>
#include <string_view>

namespace qwen3 {

// The text in quotes, control characters escaped, UTF-8. Of a long one only the start.
inline std::string quoted(std::string_view text) {
  constexpr size_t kMax = 60;
  constexpr const char* kDigits = "0123456789abcdef";
  std::string shown = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    const bool begins_character = (code & 0xC0) != 0x80;
    if (shown.size() > kMax && begins_character) return shown + "...\"";
    if (code >= 0x20 && code != 0x7F)
      shown += c;
    else
      (shown += "\\u00") += {kDigits[code >> 4], kDigits[code & 15]};
  }
  return shown + '"';
}

}  // namespace qwen3
