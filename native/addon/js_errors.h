// Converts native errors to JavaScript errors: std::invalid_argument to a RangeError, other
// exceptions to an Error whose `code` is an ErrorCode.
#pragma once
#include <napi.h>

#include <exception>
#include <string>

#include "error.h"

namespace qwen3::addon {

Napi::Value to_js(Napi::Env env, ErrorCode code, const std::string& message);
Napi::Value to_js(Napi::Env env, const std::exception_ptr& failure);

}  // namespace qwen3::addon
