// Options of the emulated device, read from the environment when the addon opens it as its CUDA
// library.
#include <cstdlib>
#include <string>

#include "emulator.h"

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// QWEN3_EMULATOR_FAIL_CALL=n: the n-th call into the runtime fails.
// QWEN3_EMULATOR_BYTES=n: the size of the device memory.
// QWEN3_EMULATOR_CAPABILITY=n: the compute capability, 90 for Hopper.
// QWEN3_EMULATOR_FAST=1: checks bounds only. The op tests already run the kernels with all checks.
const bool options_are_read = [] {
  if (!variable("QWEN3_EMULATOR_FAIL_CALL").empty())
    emulator::options.fail_call = std::stoi(variable("QWEN3_EMULATOR_FAIL_CALL"));
  if (!variable("QWEN3_EMULATOR_BYTES").empty())
    emulator::options.device_bytes = std::stoull(variable("QWEN3_EMULATOR_BYTES"));
  if (!variable("QWEN3_EMULATOR_CAPABILITY").empty())
    emulator::options.capability = std::stoi(variable("QWEN3_EMULATOR_CAPABILITY"));
  if (variable("QWEN3_EMULATOR_FAST") == "1")
    emulator::options.races = emulator::options.unwritten = false;
  return true;
}();

}  // namespace
