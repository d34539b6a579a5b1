// What the environment may ask of the emulated device when the addon opens it as its CUDA library.
#include <cstdlib>
#include <string>

#include "emulator.h"

namespace {

std::string word(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// QWEN3_SIMT_FAIL_CALL=n: the n-th call into the runtime fails. QWEN3_SIMT_BYTES=n: the device's memory.
// QWEN3_SIMT_CAPABILITY=90: it is a Hopper GPU.
// QWEN3_SIMT_FAST=1: only bounds are checked, which suffices for kernels that the op tests have watched.
const bool options_are_read = [] {
  if (!word("QWEN3_SIMT_FAIL_CALL").empty())
    simt::options.fail_call = std::stoi(word("QWEN3_SIMT_FAIL_CALL"));
  if (!word("QWEN3_SIMT_BYTES").empty())
    simt::options.device_bytes = std::stoull(word("QWEN3_SIMT_BYTES"));
  if (!word("QWEN3_SIMT_CAPABILITY").empty())
    simt::options.capability = std::stoi(word("QWEN3_SIMT_CAPABILITY"));
  if (word("QWEN3_SIMT_FAST") == "1") simt::options.races = simt::options.unwritten = false;
  return true;
}();

}  // namespace
