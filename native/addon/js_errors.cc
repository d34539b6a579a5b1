#include "addon/js_errors.h"

#include <new>
#include <stdexcept>

namespace qwen3::addon {

Napi::Value to_js(Napi::Env env, ErrorCode code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", to_string(code));
  return error.Value();
}

Napi::Value to_js(Napi::Env env, const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return to_js(env, error.code, error.what());
  } catch (const std::invalid_argument& error) {
    return Napi::RangeError::New(env, error.what()).Value();
  } catch (const std::bad_alloc&) {
    return to_js(env, ErrorCode::out_of_memory, "the host has no memory left");
  } catch (const std::exception& error) {
    return to_js(env, ErrorCode::device_failed, error.what());
  }
}

}  // namespace qwen3::addon
