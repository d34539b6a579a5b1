// Tests of the conversion of texts to token ids.
#pragma once
#include "harness.h"

namespace qwen3::test {

void add_unicode_tests(Tests& tests);
void add_json_tests(Tests& tests);
void add_bpe_tests(Tests& tests);
void add_long_word_tests(Tests& tests);
void add_matcher_tests(Tests& tests);
void add_split_tests(Tests& tests);
void add_token_finder_tests(Tests& tests);
void add_tokenizer_file_tests(Tests& tests);
void add_encoding_tests(Tests& tests);
void add_fuzz_tests(Tests& tests);

}  // namespace qwen3::test
