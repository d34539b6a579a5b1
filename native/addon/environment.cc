#include "addon/environment.h"

#include <cstdlib>
#include <exception>
#include <mutex>
#include <set>
#include <utility>

#include "addon/js_errors.h"

namespace qwen3::addon {
namespace {

// The links of all environments. process.exit() and uncaught errors run atexit handlers but no
// cleanup hooks; the handler registered here ends all links, so that no thread accesses an
// environment afterwards.
class LiveLinks {
 public:
  static LiveLinks& all() {
    static auto* const instance = new LiveLinks;
    return *instance;
  }
  void add(const std::shared_ptr<Link>& link) {
    const std::lock_guard lock(mutex_);
#ifndef _WIN32  // there the handler runs after all other threads were ended, one maybe with a mutex
    if (links_.empty() && !registered_) registered_ = std::atexit([] { all().end(); }) == 0;
#endif
    links_.insert(link);
  }
  void remove(const std::shared_ptr<Link>& link) {
    const std::lock_guard lock(mutex_);
    links_.erase(link);
  }

 private:
  void end() {
    const std::lock_guard lock(mutex_);
    for (const auto& link : links_) link->end();
  }
  std::mutex mutex_;
  std::set<std::shared_ptr<Link>> links_;
  bool registered_ = false;
};

// Runs the tasks that other threads have posted. Node calls it with a null env during teardown.
void drain(napi_env raw, napi_value, void* context, void*) noexcept {
  if (!raw) return;
  const Napi::Env env(raw);
  auto& link = *static_cast<std::shared_ptr<Link>*>(context);
  std::vector<std::function<void(Environment&)>> tasks;
  {
    const std::lock_guard lock(link->owner->mutex);
    tasks.swap(link->tasks);
  }
  for (const auto& task : tasks) {
    // While a worker is being terminated every call fails. An exception that escaped would end the
    // process.
    try {
      const Napi::HandleScope scope(env);
      task(*env.GetInstanceData<Environment>());
    } catch (const Napi::Error&) {
    }
  }
}

}  // namespace

void Link::post(std::function<void(Environment&)> task) {
  const std::lock_guard lock(owner->mutex);
  if (!owner->alive) return;
  tasks.push_back(std::move(task));
  if (tasks.size() == 1) napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking);
}

void Link::end() {
  const std::lock_guard lock(owner->mutex);
  owner->alive = false;
  tasks.clear();
}

Environment::Environment(Napi::Env env) : env(env) {
  auto* context = new std::shared_ptr<Link>(link);
  const auto forget = [](napi_env, void* data, void*) {
    delete static_cast<std::shared_ptr<Link>*>(data);
  };
  const napi_status status =
      napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "qwen3-embed"),
                                      0, 1, context, forget, context, drain, &link->wake);
  if (status != napi_ok)
    throw Napi::Error::New(env, "qwen3-embed: Node-API cannot create a thread-safe function");
  napi_unref_threadsafe_function(env, link->wake);
  LiveLinks::all().add(link);
}

uint32_t Environment::add(Pending work) {
  // The process must not end before the work settles.
  if (pending.empty()) napi_ref_threadsafe_function(env, link->wake);
  const uint32_t ticket = next_ticket++;
  pending.emplace(ticket, std::move(work));
  return ticket;
}

std::optional<Pending> Environment::take(uint32_t ticket) {
  auto node = pending.extract(ticket);
  if (!node) return std::nullopt;
  if (pending.empty()) napi_unref_threadsafe_function(env, link->wake);
  return std::move(node.mapped());
}

void Environment::settle(uint32_t ticket, const std::function<Napi::Value(Pending&)>& result) {
  std::optional<Pending> work = take(ticket);
  if (!work) return;
  try {
    work->promise.Resolve(result(*work));
  } catch (const Napi::Error& error) {
    work->promise.Reject(error.Value());
  } catch (...) {
    work->promise.Reject(to_js(env, std::current_exception()));
  }
}

// After this no other thread accesses the environment or the memory of its arrays.
void Environment::end() {
  link->end();
  LiveLinks::all().remove(link);
  for (auto& [ticket, work] : pending) {
    if (work.request) work.request->cancelled = true;
    if (work.job) work.job->cancelled = true;
    if (work.text_task) work.text_task->cancelled = true;
  }
  pending.clear();
  models.clear();
  tokenizers.clear();
}

Environment& environment_of(const Napi::CallbackInfo& info) {
  return *info.Env().GetInstanceData<Environment>();
}

Napi::Object pending_object(Environment& here, uint32_t ticket) {
  Napi::Object result = Napi::Object::New(here.env);
  result.Set("ticket", ticket);
  result.Set("promise", here.pending.at(ticket).promise.Promise());
  return result;
}

}  // namespace qwen3::addon
