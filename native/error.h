// Error codes, with the names that TypeScript shows. lib/errors.ts has the same codes.
#pragma once
#include <stdexcept>
#include <string>

namespace qwen3 {

enum class ErrorCode {
  model_not_found,
  model_invalid,
  model_unsupported,
  input_too_long,
  device_unavailable,
  out_of_memory,
  device_failed,
  non_finite,
  precision_unsupported,
  closed,
};

constexpr const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::model_not_found: return "MODEL_NOT_FOUND";
    case ErrorCode::model_invalid: return "MODEL_INVALID";
    case ErrorCode::model_unsupported: return "MODEL_UNSUPPORTED";
    case ErrorCode::input_too_long: return "INPUT_TOO_LONG";
    case ErrorCode::device_unavailable: return "DEVICE_UNAVAILABLE";
    case ErrorCode::out_of_memory: return "OUT_OF_MEMORY";
    case ErrorCode::device_failed: return "DEVICE_FAILED";
    case ErrorCode::non_finite: return "NON_FINITE";
    case ErrorCode::precision_unsupported: return "PRECISION_UNSUPPORTED";
    case ErrorCode::closed: return "CLOSED";
  }
  return "DEVICE_FAILED";
}

struct Error : std::runtime_error {
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code(code) {}
  ErrorCode code;
};

}  // namespace qwen3
