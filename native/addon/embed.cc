// The export embed, and the addresses that the test for copies compares.
#include <memory>
#include <optional>
#include <stdexcept>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "addon/exports.h"
#include "addon/js_errors.h"
#include "addon/process.h"
#include "error.h"
#include "platform/memory.h"

namespace qwen3::addon {
namespace {

void finish_embed(Environment& here, uint32_t ticket) {
  const std::optional<Pending> work = here.take(ticket);
  if (!work) return;
  const Request& request = *work->request;
  if (request.error) {
    return work->promise.Reject(to_js(here.env, request.error->code, request.error->what()));
  }
  Napi::Array non_finite = Napi::Array::New(here.env);
  for (const uint32_t index : request.non_finite) non_finite.Set(non_finite.Length(), index);
  Napi::Object result = Napi::Object::New(here.env);
  result.Set("vectors", work->vectors.Value());
  result.Set("nonFinite", non_finite);
  work->promise.Resolve(result);
}

// Calls the JavaScript constructor, which throws when memory is short; Node-API's function would
// end the process.
Napi::Float32Array new_vectors(Napi::Env env, const Request& request) {
  const size_t values = request.texts() * request.dimensions;
  const size_t available = available_memory();
  const auto refuse = [&] {
    const std::string need = std::to_string(values * sizeof(float) >> 20) + " MiB";
    const std::string free = std::to_string(available >> 20) + " MiB are free";
    throw Error(ErrorCode::out_of_memory,
                "the vectors of this call need " + need + ", " + free + ": embed fewer texts");
  };
  if (values > available / sizeof(float)) refuse();
  try {
    const auto constructor = env.Global().Get("Float32Array").As<Napi::Function>();
    return constructor.New({Napi::Number::New(env, static_cast<double>(values))})
        .As<Napi::Float32Array>();
  } catch (const Napi::Error&) {
    refuse();
    throw;
  }
}

}  // namespace

Napi::Value Embed(const Napi::CallbackInfo& info) {
  Environment& here = environment_of(info);
  const auto found =
      here.models.find(static_cast<uint32_t>(integer(info[0], "model", 0, UINT32_MAX)));
  if (found == here.models.end()) throw Error(ErrorCode::closed, "the model is closed");

  // Copied before the checks, because JavaScript can change the original.
  const Napi::Uint32Array all = ids(info[1], "ids"), lengths = ids(info[2], "lengths");
  auto request = std::make_shared<Request>();
  request->loaded = found->second;
  const ModelConfig& config = request->loaded->model->config;
  request->ids.assign(all.Data(), all.Data() + all.ElementLength());
  size_t end = 0;
  for (size_t i = 0; i < lengths.ElementLength(); ++i) {
    const uint32_t length = lengths[i];
    if (length == 0 || length > config.max_positions)
      throw std::invalid_argument("a text's length is out of range");
    request->ends.push_back(end += length);
  }
  if (end == 0 || end != request->ids.size())
    throw std::invalid_argument("ids are empty or do not match lengths");
  for (const uint32_t id : request->ids) {
    if (id >= config.vocabulary)
      throw std::invalid_argument("a token id is outside of the embedding table");
  }
  request->dimensions = static_cast<uint32_t>(integer(info[3], "dimensions", 1, config.hidden));
  request->max_batch_tokens =
      static_cast<uint32_t>(integer(info[4], "maxBatchTokens", 1, kMaxWidth));
  request->batch_invariant = info[5].ToBoolean();

  // V8 owns this memory. JavaScript cannot reach it before the promise settles, so it cannot be
  // detached or resized.
  Napi::Float32Array vectors = new_vectors(here.env, *request);
  request->out = vectors.Data();
  request->owner = here.link->owner;
  Engine& to = engine();
  const uint32_t ticket = here.add(
      {Napi::Promise::Deferred::New(here.env), request, Napi::Persistent(vectors), nullptr, {}});
  request->finish = [link = here.link, ticket](Request&) {
    link->post([ticket](Environment& there) { finish_embed(there, ticket); });
  };
  to.submit(request);
  return pending_object(here, ticket);
}

Napi::Value AddressOf(const Napi::CallbackInfo& info) {
  const auto address = reinterpret_cast<uintptr_t>(info[0].As<Napi::Float32Array>().Data());
  return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(address));
}

Napi::Value LastPooledAddress(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(
      info.Env(), static_cast<uint64_t>(reinterpret_cast<uintptr_t>(engine().last_pooled())));
}

}  // namespace qwen3::addon
