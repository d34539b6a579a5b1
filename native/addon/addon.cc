// The Node-API wall: arguments in, promises out, clean ends. The only file that knows JavaScript.
//
// Threads: the engine and the loader belong to the process. Each environment (main thread, workers) has a Link to them;
// it dies with the environment, and everything that reaches for an environment goes through it.
#include <napi.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <unordered_map>

#include "devices/open_device.h"
#include "engine/engine.h"
#include "engine/loader.h"
#include "error.h"
#include "platform/memory.h"
#include "platform/shared_library.h"

namespace qwen3 {
namespace {

// Never destroyed: their threads may be at work when the process exits.
Engine& engine() {
  static auto* const instance = new Engine;
  return *instance;
}
Loader& loader() {
  static auto* const instance = new Loader;
  return *instance;
}

struct Environment;

// How other threads reach an environment. `owner->mutex` guards all of it.
struct Link {
  std::shared_ptr<MemoryOwner> owner = std::make_shared<MemoryOwner>();
  napi_threadsafe_function wake = nullptr;
  std::vector<std::function<void(Environment&)>> done;

  // Runs `task` on the environment's thread, or never if it has ended.
  void post(std::function<void(Environment&)> task) {
    const std::lock_guard lock(owner->mutex);
    if (!owner->alive) return;
    done.push_back(std::move(task));
    if (done.size() == 1) napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking);
  }

  void end() {
    const std::lock_guard lock(owner->mutex);
    owner->alive = false;
    done.clear();
  }
};

// process.exit() and uncaught errors run no cleanup hooks, only atexit: nothing may reach for any environment then.
class LiveLinks {
 public:
  static LiveLinks& all() {
    static auto* const instance = new LiveLinks;
    return *instance;
  }
  void add(const std::shared_ptr<Link>& link) {
    const std::lock_guard lock(mutex_);
#ifndef _WIN32  // where this would run after Windows has ended all other threads, perhaps while one held a mutex
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

Environment& of(const Napi::CallbackInfo& info) { return *info.Env().GetInstanceData<Environment>(); }

Napi::Value coded(Napi::Env env, ErrorCode code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", to_string(code));
  return error.Value();
}

Napi::Value to_js(Napi::Env env, const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return coded(env, error.code, error.what());
  } catch (const std::invalid_argument& error) {
    return Napi::RangeError::New(env, error.what()).Value();
  } catch (const std::bad_alloc&) {
    return coded(env, ErrorCode::out_of_memory, "the host has no memory left");
  } catch (const std::exception& error) {
    return coded(env, ErrorCode::device_failed, error.what());
  }
}

// Runs what the other threads have left. Called by Node with env null while it tears down.
void drain(napi_env raw, napi_value, void* context, void*) noexcept {
  if (!raw) return;
  const Napi::Env env(raw);
  auto& link = *static_cast<std::shared_ptr<Link>*>(context);
  std::vector<std::function<void(Environment&)>> done;
  {
    const std::lock_guard lock(link->owner->mutex);
    done.swap(link->done);
  }
  for (const auto& task : done) {
    // While a worker is being terminated every call fails, and an exception that left here would end the process.
    try {
      const Napi::HandleScope scope(env);
      task(*env.GetInstanceData<Environment>());
    } catch (const Napi::Error&) {
    }
  }
}

Environment::Environment(Napi::Env env) : env(env) {
  auto* context = new std::shared_ptr<Link>(link);
  const auto forget = [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Link>*>(data); };
  const napi_status status =
      napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "qwen3-embed"), 0, 1,
                                      context, forget, context, drain, &link->wake);
  if (status != napi_ok) throw Napi::Error::New(env, "qwen3-embed: no thread-safe function");
  napi_unref_threadsafe_function(env, link->wake);
  LiveLinks::all().add(link);
}

uint32_t Environment::add(Pending work) {
  if (pending.empty()) napi_ref_threadsafe_function(env, link->wake);  // the process stays until it settles
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

// After this no thread touches the environment or memory of its arrays.
void Environment::end() {
  link->end();
  LiveLinks::all().remove(link);
  for (auto& [ticket, work] : pending) {
    if (work.request) work.request->cancelled = true;
    if (work.job) work.job->cancelled = true;
  }
  pending.clear();
  models.clear();
}

// Arguments. lib/ has checked them; what follows keeps a mistake there from becoming a fault here.

double number(const Napi::Value& value, const char* name, double least, double most) {
  const double n = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(n >= least && n <= most)) throw std::invalid_argument(std::string(name) + " is out of range");
  return n;
}

uint64_t whole(const Napi::Value& value, const char* name, double least, double most) {
  const double n = number(value, name, least, most);
  if (n != std::floor(n)) throw std::invalid_argument(std::string(name) + " is not a whole number");
  return static_cast<uint64_t>(n);
}

Napi::Object object(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) throw std::invalid_argument(std::string(name) + " is not an object");
  return value.As<Napi::Object>();
}

std::string text(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw std::invalid_argument(std::string(name) + " is not a string");
  return value.As<Napi::String>().Utf8Value();
}

Napi::Uint32Array ids(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
    throw std::invalid_argument(std::string(name) + " is not a Uint32Array");
  }
  return value.As<Napi::Uint32Array>();
}

constexpr double kMaxWhole = 9007199254740991;  // Number.MAX_SAFE_INTEGER
constexpr double kMaxWidth = 1 << 20;
constexpr double kMaxRows = 1 << 24;

TensorSource tensor(const Napi::Value& value, const char* name) {
  const Napi::Object from = object(value, name);
  const std::string dtype = text(from.Get("dtype"), "dtype");
  if (dtype != "f32" && dtype != "bf16" && dtype != "f16") throw std::invalid_argument("unknown dtype");
  return {static_cast<uint32_t>(whole(from.Get("file"), "file", 0, 1e5)),
          whole(from.Get("offset"), "offset", 0, kMaxWhole),
          whole(from.Get("bytes"), "bytes", 0, kMaxWhole),
          dtype == "f32"    ? DType::f32
          : dtype == "bf16" ? DType::bf16
                            : DType::f16,
          static_cast<uint32_t>(whole(from.Get("rows"), "rows", 1, kMaxRows)),
          static_cast<uint32_t>(whole(from.Get("cols"), "cols", 1, kMaxWidth))};
}

ModelConfig model_config(const Napi::Object& from) {
  const auto get = [&](const char* name, double most) {
    return static_cast<uint32_t>(whole(from.Get(name), name, 1, most));
  };
  const ModelConfig config{get("hidden", 65536),
                           get("intermediate", kMaxWidth),
                           get("layers", 1024),
                           get("queryHeads", 1024),
                           get("keyValueHeads", 1024),
                           get("headDim", 128),
                           get("vocabulary", kMaxRows),
                           get("maxPositions", kMaxWidth),
                           static_cast<float>(number(from.Get("normEps"), "normEps", 0, 1)),
                           number(from.Get("ropeTheta"), "ropeTheta", 1, 1e12)};
  if (config.head_dim != 128) throw std::invalid_argument("headDim is not 128");
  if (config.query_heads % config.key_value_heads != 0) throw std::invalid_argument("heads do not divide");
  return config;
}

ModelSource model_source(const Napi::Object& from) {
  ModelSource source{model_config(object(from.Get("config"), "config")), {}, {}, {}, {}};
  const Napi::Object files = object(from.Get("files"), "files");
  for (uint32_t i = 0; files.Has(i); ++i) source.files.push_back(text(files.Get(i), "file"));
  source.embeddings = tensor(from.Get("embeddings"), "embeddings");
  source.final_norm = tensor(from.Get("finalNorm"), "finalNorm");
  const Napi::Object layers = object(from.Get("layers"), "layers");
  for (uint32_t i = 0; i < source.config.layers; ++i) {
    const Napi::Object layer = object(layers.Get(i), "layer");
    const auto get = [&](const char* name) { return tensor(layer.Get(name), name); };
    source.layers.push_back({get("attentionNorm"), get("query"), get("key"), get("value"), get("queryNorm"),
                             get("keyNorm"), get("attentionOut"), get("mlpNorm"), get("gate"), get("up"),
                             get("down")});
  }
  return source;
}

Napi::Object pending_object(Environment& here, uint32_t ticket) {
  Napi::Object result = Napi::Object::New(here.env);
  result.Set("ticket", ticket);
  result.Set("promise", here.pending.at(ticket).promise.Promise());
  return result;
}

// The exports, as typed and described in lib/addon.ts.

void finish_load(Environment& here, uint32_t ticket, const std::shared_ptr<LoadedModel>& loaded,
                 Precision precision, const std::string& note, const std::exception_ptr& failure) {
  const std::optional<Pending> work = here.take(ticket);
  if (!work) return;
  if (failure) return work->promise.Reject(to_js(here.env, failure));
  const uint32_t number = here.next_model++;
  here.models.emplace(number, loaded);
  const Backend::Traits traits = loaded->model->backend->traits();
  Napi::Object device = Napi::Object::New(here.env), result = Napi::Object::New(here.env);
  device.Set("name", traits.name);
  device.Set("instructionSet", traits.instruction_set);
  device.Set("threads", traits.threads);
  result.Set("precision", to_string(precision));
  result.Set("batchTokens", traits.batch_rows);
  result.Set("maxTokens", std::min(loaded->model->config.max_positions, loaded->limits.tokens));
  result.Set("note", note);
  result.Set("model", number);
  result.Set("device", device);
  work->promise.Resolve(result);
}

Napi::Value Load(const Napi::CallbackInfo& info) {
  Environment& here = of(info);
  auto job = std::make_shared<LoadJob>();
  const Napi::Object options = object(info[1], "options");
  const std::string precision = text(options.Get("precision"), "precision");
  job->device.precision = parse_precision(precision);
  if (!job->device.precision && precision != "auto") throw std::invalid_argument("unknown precision");
  job->source = model_source(object(info[0], "source"));
  job->device.device = text(options.Get("device"), "device");
  job->device.threads = static_cast<uint32_t>(whole(options.Get("threads"), "threads", 0, 1024));
  job->device.instruction_set = text(options.Get("instructionSet"), "instructionSet");
  job->device.cuda_library = text(options.Get("cudaLibrary"), "cudaLibrary");

  Loader& to = loader();
  Pending work{Napi::Promise::Deferred::New(here.env), nullptr, {}, job, {}};
  if (info[2].IsFunction()) work.progress = Napi::Persistent(info[2].As<Napi::Function>());
  const uint32_t ticket = here.add(std::move(work));
  job->progress = [link = here.link, ticket](uint64_t loaded, uint64_t total) {
    link->post([=](Environment& there) {
      const auto found = there.pending.find(ticket);
      if (found == there.pending.end() || found->second.progress.IsEmpty()) return;
      found->second.progress.Call({Napi::Number::New(there.env, static_cast<double>(loaded)),
                                   Napi::Number::New(there.env, static_cast<double>(total))});
    });
  };
  job->finish = [link = here.link, ticket, &job = *job](std::shared_ptr<LoadedModel> loaded,
                                                        std::exception_ptr failure) {
    link->post([=, precision = job.precision, note = job.note](Environment& there) {
      finish_load(there, ticket, loaded, precision, note, failure);
    });
  };
  to.submit(job);
  return pending_object(here, ticket);
}

void Unload(const Napi::CallbackInfo& info) {
  auto node = of(info).models.extract(static_cast<uint32_t>(whole(info[0], "model", 0, UINT32_MAX)));
  if (node) loader().release(std::move(node.mapped()));
}

void finish_embed(Environment& here, uint32_t ticket) {
  const std::optional<Pending> work = here.take(ticket);
  if (!work) return;
  const Request& request = *work->request;
  if (request.error) {
    return work->promise.Reject(coded(here.env, request.error->code, request.error->what()));
  }
  Napi::Array non_finite = Napi::Array::New(here.env);
  for (const uint32_t index : request.non_finite) non_finite.Set(non_finite.Length(), index);
  Napi::Object result = Napi::Object::New(here.env);
  result.Set("vectors", work->vectors.Value());
  result.Set("nonFinite", non_finite);
  work->promise.Resolve(result);
}

// Made by the constructor that JavaScript uses, which throws where Node-API's own way would end the process.
Napi::Float32Array new_vectors(Napi::Env env, const Request& request) {
  const size_t values = request.texts() * request.dimensions;
  const size_t available = available_memory();
  const auto refuse = [&] {
    throw Error(ErrorCode::out_of_memory,
                "the vectors of this call need " + std::to_string(values * sizeof(float) >> 20) + " MiB, " +
                    std::to_string(available >> 20) + " MiB are free: embed fewer texts");
  };
  if (values > available / sizeof(float)) refuse();
  try {
    const auto constructor = env.Global().Get("Float32Array").As<Napi::Function>();
    return constructor.New({Napi::Number::New(env, static_cast<double>(values))}).As<Napi::Float32Array>();
  } catch (const Napi::Error&) {
    refuse();
    throw;
  }
}

Napi::Value Embed(const Napi::CallbackInfo& info) {
  Environment& here = of(info);
  const auto found = here.models.find(static_cast<uint32_t>(whole(info[0], "model", 0, UINT32_MAX)));
  if (found == here.models.end()) throw Error(ErrorCode::closed, "the model is closed");

  // Copied before they are checked: their memory is the caller's.
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
  if (end == 0 || end != request->ids.size()) throw std::invalid_argument("ids and lengths disagree");
  for (const uint32_t id : request->ids) {
    if (id >= config.vocabulary) throw std::invalid_argument("a token id is past the embedding table");
  }
  request->dimensions = static_cast<uint32_t>(whole(info[3], "dimensions", 1, config.hidden));
  request->max_batch_tokens = static_cast<uint32_t>(whole(info[4], "maxBatchTokens", 1, kMaxWidth));
  request->batch_invariant = info[5].ToBoolean();

  // Memory that V8 owns and no JavaScript can reach before the promise settles: it cannot be detached or resized.
  Napi::Float32Array vectors = new_vectors(here.env, *request);
  request->out = vectors.Data();
  request->owner = here.link->owner;
  Engine& to = engine();
  const uint32_t ticket =
      here.add({Napi::Promise::Deferred::New(here.env), request, Napi::Persistent(vectors), nullptr, {}});
  request->finish = [link = here.link, ticket](Request&) {
    link->post([ticket](Environment& there) { finish_embed(there, ticket); });
  };
  to.submit(request);
  return pending_object(here, ticket);
}

void Cancel(const Napi::CallbackInfo& info) {
  Environment& here = of(info);
  const std::optional<Pending> work =
      here.take(static_cast<uint32_t>(whole(info[0], "ticket", 0, UINT32_MAX)));
  if (!work) return;
  if (work->job) work->job->cancelled = true;
  if (work->request) {
    // Under the mutex no vector is being written, and none will be: the array may go.
    const std::lock_guard lock(here.link->owner->mutex);
    work->request->cancelled = true;
  }
  work->promise.Resolve(here.env.Undefined());
}

Napi::Value AddressOf(const Napi::CallbackInfo& info) {
  const auto address = reinterpret_cast<uintptr_t>(info[0].As<Napi::Float32Array>().Data());
  return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(address));
}

Napi::Value LastPooledAddress(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(),
                           static_cast<uint64_t>(reinterpret_cast<uintptr_t>(engine().last_pooled())));
}

// Every export catches what native throws and throws what JavaScript knows.
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
  // Hooks run in reverse order: this one before Node ends the thread-safe function.
  env.AddCleanupHook([](Environment* ended) { ended->end(); }, here);

  exports.Set("load", Napi::Function::New<guarded<Load>>(env));
  exports.Set("unload", Napi::Function::New<guarded<Unload>>(env));
  exports.Set("embed", Napi::Function::New<guarded<Embed>>(env));
  exports.Set("cancel", Napi::Function::New<guarded<Cancel>>(env));
  exports.Set("addressOf", Napi::Function::New<guarded<AddressOf>>(env));
  exports.Set("lastPooledAddress", Napi::Function::New<guarded<LastPooledAddress>>(env));
  return exports;
}

}  // namespace

}  // namespace qwen3

using qwen3::init;
NODE_API_MODULE(qwen3_embed, init)
