// An environment (main thread or worker): its models, tokenizers and pending work, by number, and
// its link, through which other threads run tasks on it. Tasks posted to a link whose environment
// has ended are dropped.
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
#include "engine/text_worker.h"

namespace qwen3::addon {

struct Environment;

// Connects other threads to an environment. `owner->mutex` guards all members.
struct Link {
  std::shared_ptr<MemoryOwner> owner = std::make_shared<MemoryOwner>();
  napi_threadsafe_function wake = nullptr;
  std::vector<std::function<void(Environment&)>> tasks;  // posted, not yet run

  // Runs `task` on the environment's thread, or drops it if the environment has ended. Any thread.
  void post(std::function<void(Environment&)> task);
  // Drops all tasks, now and later. Marks the owner dead.
  void end();
};

// Work that has not settled.
struct Pending {
  Napi::Promise::Deferred promise;
  // embed
  std::shared_ptr<Request> request = nullptr;
  size_t text_count = 0;   // texts that must be added before it is submitted
  bool submitted = false;  // the engine uses the request
  std::vector<Napi::ObjectReference> vectors = {};  // lists of the Float32Arrays to write to
  // load
  std::shared_ptr<LoadJob> job = nullptr;
  Napi::FunctionReference progress = {};
  // openTokenizer, tokenize
  std::shared_ptr<TextTask> text_task = nullptr;
};

// State of one environment. Accessed by its thread only.
struct Environment {
  explicit Environment(Napi::Env env);

  Napi::Env env;
  std::shared_ptr<Link> link = std::make_shared<Link>();
  std::unordered_map<uint32_t, Pending> pending;
  std::unordered_map<uint32_t, std::shared_ptr<LoadedModel>> models;
  std::unordered_map<uint32_t, std::shared_ptr<const Tokenizer>> tokenizers;
  uint32_t next_ticket = 1, next_model = 1, next_tokenizer = 1;

  // Returns the ticket.
  uint32_t add(Pending work);
  // Removes and returns the work of a ticket; none if it was cancelled.
  std::optional<Pending> take(uint32_t ticket);
  // Settles the promise of a ticket with result(work), or rejects it with what that throws. Does
  // nothing if the work was cancelled.
  void settle(uint32_t ticket, const std::function<Napi::Value(Pending&)>& result);
  void end();
};

Environment& environment_of(const Napi::CallbackInfo& info);

// The return value of an export that started work: {ticket, promise}.
Napi::Object pending_object(Environment& here, uint32_t ticket);

}  // namespace qwen3::addon
