// Entry point of the addon: registers the exports and the cleanup of the environment.
#include <napi.h>

#include <exception>
#include <mutex>
#include <optional>
#include <type_traits>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "addon/exports.h"
#include "addon/js_errors.h"
#include "platform/shared_library.h"

namespace qwen3::addon {
namespace {

// Drops work.
void Cancel(const Napi::CallbackInfo& info) {
  Environment& here = environment_of(info);
  const std::optional<Pending> work =
      here.take(static_cast<uint32_t>(integer(info[0], "ticket", 0, UINT32_MAX)));
  if (!work) return;
  if (work->job) work->job->cancelled = true;
  if (work->text_task) work->text_task->cancelled = true;
  if (work->request) {
    // Under the mutex, no vector is being written; afterwards none will be.
    const std::lock_guard lock(here.link->owner->mutex);
    work->request->cancelled = true;
  }
  work->promise.Resolve(here.env.Undefined());
}

// Wraps an export: converts C++ exceptions to JavaScript errors.
template <auto function>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    if constexpr (std::is_void_v<decltype(function(info))>) {
      function(info);
      return info.Env().Undefined();
    } else {
      return function(info);
    }
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    const Napi::Value error = to_js(info.Env(), std::current_exception());
    napi_throw(info.Env(), error);
    return info.Env().Undefined();
  }
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  keep_loaded();
  auto* here = new Environment(env);
  env.SetInstanceData<Environment>(here);
  // Hooks run in reverse order, so this one runs before Node closes the thread-safe function.
  env.AddCleanupHook([](Environment* ended) { ended->end(); }, here);

  exports.Set("load", Napi::Function::New<guarded<Load>>(env));
  exports.Set("unload", Napi::Function::New<guarded<Unload>>(env));
  exports.Set("embed", Napi::Function::New<guarded<Embed>>(env));
  exports.Set("addTexts", Napi::Function::New<guarded<AddTexts>>(env));
  exports.Set("submit", Napi::Function::New<guarded<Submit>>(env));
  exports.Set("openTokenizer", Napi::Function::New<guarded<OpenTokenizer>>(env));
  exports.Set("closeTokenizer", Napi::Function::New<guarded<CloseTokenizer>>(env));
  exports.Set("tokenize", Napi::Function::New<guarded<TokenizeTexts>>(env));
  exports.Set("cancel", Napi::Function::New<guarded<Cancel>>(env));
  exports.Set("addressOf", Napi::Function::New<guarded<AddressOf>>(env));
  exports.Set("lastPooledAddress", Napi::Function::New<guarded<LastPooledAddress>>(env));
  return exports;
}

}  // namespace
}  // namespace qwen3::addon

using qwen3::addon::init;
NODE_API_MODULE(qwen3_embed, init)
