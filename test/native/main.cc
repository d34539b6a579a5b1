// All op and forward tests on the reference and CPU backends, and the tests of the code between the
// ops and Node.
#include "models/model_tests.h"
#include "ops/op_tests.h"
#include "platform/platform_tests.h"
#include "tokenizer/tokenizer_tests.h"

int main(int argc, char** argv) {
  using namespace qwen3::test;
  Tests tests;
  add_file_tests(tests);
  add_limit_tests(tests);
  add_unicode_tests(tests);
  add_json_tests(tests);
  add_bpe_tests(tests);
  add_long_word_tests(tests);
  add_matcher_tests(tests);
  add_split_tests(tests);
  add_token_finder_tests(tests);
  add_tokenizer_file_tests(tests);
  add_encoding_tests(tests);
  add_fuzz_tests(tests);
  add_batch_tests(tests);
  add_thread_pool_tests(tests);
  add_cpu_backend_tests(tests);
  add_instruction_set_tests(tests, qwen3::available_isas());
  add_engine_tests(tests);
  add_loader_tests(tests);
  add_device_tests(tests);
  add_text_worker_tests(tests);
  for (const BackendEntry& entry : all_backends()) {
    add_op_tests(tests, entry);
    add_forward_tests(tests, entry);
  }
  return run_tests(tests, argc, argv);
}
