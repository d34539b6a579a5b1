// Expects the core's errors.
#pragma once
#include <string>

#include "error.h"
#include "harness.h"

namespace qwen3::test {

// Expects that `action` throws an Error with the code and with `part` in its message.
template <typename Action>
void expect_error(ErrorCode code, const std::string& part, const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    expect(error.code == code, std::string("another code: ") + to_string(error.code));
    expect(std::string(error.what()).find(part) != std::string::npos,
           part + " is not in: " + error.what());
    return;
  }
  throw Failure("no error: " + part);
}

}  // namespace qwen3::test
