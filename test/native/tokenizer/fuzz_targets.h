// Functions that any bytes can be given to. They throw Failure if something is wrong.
#pragma once
#include <string>
#include <string_view>

namespace qwen3::test {

// The bytes are a tokenizer.json: it is refused with a short message, or works.
void fuzz_tokenizer_file(std::string_view json);

// The first bytes choose options, the others are UTF-16 of a text: limits and options agree with
// each other, and the bytes of the ids are those of the text.
void fuzz_text(std::string_view bytes);

}  // namespace qwen3::test
