// NFC, Unicode's canonical composition, of well-formed UTF-16 (unicode.h), as Unicode 9.0 defines
// it: characters of later versions are left as they are, like unassigned ones.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace qwen3 {

// Whether a quick check finds that the text is its own NFC. It may be even if this is false.
bool is_normalized(std::u16string_view text);

// Takes time O(n log n), and memory in proportion to the text.
void append_nfc(std::u16string_view text, std::u16string& to);

// The first position from `from` on, which may be inside a surrogate pair, at which the text can be
// cut: the NFC of the text is that of the part before and that of the part after. It is before a
// starter that is its own NFC and composes with nothing before it, or the text's end.
size_t boundary_after(std::u16string_view text, size_t from);

}  // namespace qwen3
