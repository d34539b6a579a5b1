// What the environment may run_unless_failed of the emulated device when the addon opens it as its CUDA library.
#include <cstdlib>
#include <string>

#include "emulator.h"

namespace {

std::string word(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// QWEN3_EMULATOR_FAIL_CALL=n: the n-th call into the runtime fails. QWEN3_EMULATOR_BYTES=n: the device's memory.
// QWEN3_EMULATOR_CAPABILITY=90: it is a Hopper GPU.
// QWEN3_EMULATOR_FAST=1: only bounds are checked, which suffices for kernels that the op tests have watched.
const bool options_are_read = [] {
  if (!word("QWEN3_EMULATOR_FAIL_CALL").empty())
    emulator::options.fail_call = std::stoi(word("QWEN3_EMULATOR_FAIL_CALL"));
  if (!word("QWEN3_EMULATOR_BYTES").empty())
    emulator::options.device_bytes = std::stoull(word("QWEN3_EMULATOR_BYTES"));
  if (!word("QWEN3_EMULATOR_CAPABILITY").empty())
    emulator::options.capability = std::stoi(word("QWEN3_EMULATOR_CAPABILITY"));
  if (word("QWEN3_EMULATOR_FAST") == "1")
    emulator::options.races = emulator::options.unwritten = false;
  return true;
}();

}  // namespace
