// One environment (main thread, workers): the models and the calls that it knows by numbers, and how the threads of the
// process reach it. A Link dies with its environment, and everything that reaches for the environment goes through it.
#pragma once
#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "engine/loader.h"
#include "engine/request.h"

namespace qwen3::addon {

struct Environment;

// How other threads reach an environment. `owner->mutex` guards all of it.
struct Link {
  std::shared_ptr<MemoryOwner> owner = std::make_shared<MemoryOwner>();
  napi_threadsafe_function wake = nullptr;
  std::vector<std::function<void(Environment&)>> done;

  // Runs `task` on the environment's thread, or never if it has ended.
  void post(std::function<void(Environment&)> task);
  void end();
};

// Work that has not settled.
struct Pending {
  Napi::Promise::Deferred promise;
  std::shared_ptr<Request> request;  // embed
  Napi::Reference<Napi::Float32Array> vectors;
  std::shared_ptr<LoadJob> job;  // load
  Napi::FunctionReference progress;
};

// State of one environment; its thread's alone.
struct Environment {
  explicit Environment(Napi::Env env);

  Napi::Env env;
  std::shared_ptr<Link> link = std::make_shared<Link>();
  std::unordered_map<uint32_t, Pending> pending;
  std::unordered_map<uint32_t, std::shared_ptr<LoadedModel>> models;
  uint32_t next_ticket = 1, next_model = 1;

  uint32_t add(Pending work);
  // Nothing where the ticket was cancelled.
  std::optional<Pending> take(uint32_t ticket);
  void end();
};

Environment& of(const Napi::CallbackInfo& info);

// What an export gives back for work that it has begun: {ticket, promise}.
Napi::Object pending_object(Environment& here, uint32_t ticket);

}  // namespace qwen3::addon
