// The exports load and unload.
#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "addon/exports.h"
#include "addon/process.h"
#include "backend/backend.h"
#include "devices/open_device.h"

namespace qwen3::addon {
namespace {

void finish_load(Environment& here, uint32_t ticket, const std::shared_ptr<LoadedModel>& loaded,
                 const std::exception_ptr& failure) {
  here.settle(ticket, [&](const Pending& work) {
    if (failure) std::rethrow_exception(failure);
    const LoadJob& job = *work.job;
    const Backend::Traits traits = loaded->model->backend->traits();
    Napi::Object device = Napi::Object::New(here.env), result = Napi::Object::New(here.env);
    device.Set("name", traits.name);
    device.Set("instructionSet", traits.instruction_set);
    device.Set("threads", job.threads);
    result.Set("precision", to_string(job.precision));
    result.Set("batchTokens", traits.batch_rows);
    result.Set("maxTokens", std::min(loaded->model->config.max_positions, loaded->limits.tokens));
    result.Set("note", job.note);
    result.Set("model", here.next_model);
    result.Set("device", device);
    here.models.emplace(here.next_model++, loaded);
    return result;
  });
}

}  // namespace

Napi::Value Load(const Napi::CallbackInfo& info) {
  Environment& here = environment_of(info);
  auto job = std::make_shared<LoadJob>();
  const Napi::Object options = object(info[1], "options");
  const std::string precision = text(options.Get("precision"), "precision");
  job->device.precision = parse_precision(precision);
  if (!job->device.precision && precision != "auto")
    throw std::invalid_argument("unknown precision");
  job->source = model_source(object(info[0], "source"));
  job->device.device = text(options.Get("device"), "device");
  job->device.threads =
      static_cast<uint32_t>(integer(options.Get("threads"), "threads", 0, kMaxThreads));
  job->device.instruction_set = text(options.Get("instructionSet"), "instructionSet");
  job->device.cuda_library = text(options.Get("cudaLibrary"), "cudaLibrary");

  Loader& to = loader();
  Pending work{.promise = Napi::Promise::Deferred::New(here.env), .job = job};
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
  job->finish = [link = here.link, ticket](std::shared_ptr<LoadedModel> loaded,
                                           std::exception_ptr failure) {
    link->post([=](Environment& there) { finish_load(there, ticket, loaded, failure); });
  };
  to.submit(job);
  return pending_object(here, ticket);
}

void Unload(const Napi::CallbackInfo& info) {
  auto node = environment_of(info).models.extract(
      static_cast<uint32_t>(integer(info[0], "model", 0, UINT32_MAX)));
  if (node) loader().release(std::move(node.mapped()));
}

}  // namespace qwen3::addon
