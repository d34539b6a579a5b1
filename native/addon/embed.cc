// The exports of a call: embed, addTexts and submit. And the addresses that the test for copies
// compares.
#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "addon/exports.h"
#include "addon/process.h"
#include "error.h"
#include "platform/memory.h"

namespace qwen3::addon {
namespace {

void finish_embed(Environment& here, uint32_t ticket) {
  here.settle(ticket, [&](const Pending& work) {
    const Request& request = *work.request;
    if (request.error) throw Error(*request.error);
    return array_of(here.env, request.non_finite);
  });
}

// Asking the system for its free memory takes 0.2 ms, so only calls with large results do.
constexpr size_t kLargeBytes = size_t{1} << 20;

// What V8 takes beside the vectors to collect garbage, at most: it grows with them.
constexpr size_t kCollectorBytes = size_t{256} << 20;

// Bytes of a vector: its values, V8's objects around them, and what allocators round up.
size_t vector_bytes(const Request& request) {
  return request.dimensions * sizeof(float) * 9 / 8 + 512;
}

// Throws if the vectors of a call would not fit into the free memory, beside those that other calls
// have yet to allocate. Without memory V8 ends the process.
void refuse_too_large(const Environment& here, const Request& request, size_t texts) {
  const size_t bytes = texts * vector_bytes(request);
  if (bytes < kLargeBytes) return;
  size_t others = 0;
  for (const auto& [ticket, work] : here.pending) {
    if (work.request)
      others += (work.text_count - work.request->texts.size()) * vector_bytes(*work.request);
  }
  const size_t needed = bytes + std::min(bytes + others, kCollectorBytes);
  const size_t available = available_memory();
  const size_t free = available > others ? available - others : 0;
  if (needed <= free) return;
  throw Error(ErrorCode::out_of_memory,
              "the vectors of this call need " + std::to_string(needed >> 20) + " MiB, " +
                  std::to_string(free >> 20) + " MiB are free: embed fewer texts");
}

// A call that has not been submitted.
Pending& unsubmitted(Environment& here, const Napi::Value& ticket) {
  const auto found =
      here.pending.find(static_cast<uint32_t>(integer(ticket, "ticket", 0, UINT32_MAX)));
  if (found == here.pending.end() || !found->second.request || found->second.submitted)
    throw std::invalid_argument("there is no such call");
  return found->second;
}

}  // namespace

Napi::Value Embed(const Napi::CallbackInfo& info) {
  Environment& here = environment_of(info);
  const auto found =
      here.models.find(static_cast<uint32_t>(integer(info[0], "model", 0, UINT32_MAX)));
  if (found == here.models.end()) throw Error(ErrorCode::closed, "the model is closed");

  auto request = std::make_shared<Request>();
  request->loaded = found->second;
  const ModelConfig& config = request->loaded->model->config;
  const size_t texts = integer(info[1], "texts", 1, UINT32_MAX);
  request->dimensions = static_cast<uint32_t>(integer(info[2], "dimensions", 1, config.hidden));
  request->max_batch_tokens =
      static_cast<uint32_t>(integer(info[3], "maxBatchTokens", 1, kMaxWidth));
  request->batch_invariant = info[4].ToBoolean();
  request->threads = static_cast<uint32_t>(integer(info[5], "threads", 1, kMaxThreads));

  refuse_too_large(here, *request, texts);
  request->texts.reserve(texts);
  request->out.reserve(texts);
  request->owner = here.link->owner;
  const uint32_t ticket = here.add(
      {.promise = Napi::Promise::Deferred::New(here.env), .request = request, .text_count = texts});
  request->finish = [link = here.link, ticket](Request&) {
    link->post([ticket](Environment& there) { finish_embed(there, ticket); });
  };
  return pending_object(here, ticket);
}

void AddTexts(const Napi::CallbackInfo& info) {
  Pending& call = unsubmitted(environment_of(info), info[0]);
  const ModelConfig& config = call.request->loaded->model->config;
  // Copied before the checks, because JavaScript can change the originals.
  std::vector<uint32_t> ids = integers(info[1], "ids");
  const std::vector<uint32_t> lengths = integers(info[2], "lengths");
  uint64_t total = 0;
  for (const uint32_t length : lengths) {
    if (length == 0 || length > config.max_positions)
      throw std::invalid_argument("a text's length is out of range");
    total += length;
  }
  if (total != ids.size()) throw std::invalid_argument("ids do not match lengths");
  if (lengths.size() > call.text_count - call.request->texts.size())
    throw std::invalid_argument("there are too many texts");
  for (const uint32_t id : ids) {
    if (id >= config.vocabulary)
      throw std::invalid_argument("a token id is outside of the embedding table");
  }
  const Napi::Object vectors = object(info[3], "vectors");
  std::vector<float*> out;
  for (uint32_t i = 0; i < lengths.size(); ++i)
    out.push_back(floats(vectors.Get(i), "a vector", call.request->dimensions).Data());
  // V8 owns the memory. lib/ neither detaches it nor changes the list before the promise settles.
  call.vectors.push_back(Napi::Persistent(vectors));
  call.request->add(std::move(ids), lengths, out);
}

void Submit(const Napi::CallbackInfo& info) {
  Pending& call = unsubmitted(environment_of(info), info[0]);
  if (call.request->texts.size() != call.text_count)
    throw std::invalid_argument("texts are missing");
  engine().submit(call.request);
  call.submitted = true;
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
