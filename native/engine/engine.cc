#include "engine/engine.h"

#include <algorithm>
#include <set>

namespace qwen3 {
namespace {

void fail(Request& request, const Error& error) {
  if (request.error || request.cancelled || request.finished == request.texts.size()) return;
  request.error = error;
  request.finish(request);
}

void sync_or_throw(LoadedModel& loaded) {
  const char* failure = loaded.model->backend->sync();
  if (!failure) return;
  loaded.failed = true;
  throw Error(ErrorCode::device_failed, failure);
}

}  // namespace

Engine::Engine() : thread_([this] { work(); }) {}

Engine::~Engine() {
  queue_.stop();
  thread_.join();
}

void Engine::submit(std::shared_ptr<Request> request) { queue_.push_back(std::move(request)); }

void Engine::work() {
  std::vector<Text> texts;
  // A batch takes what is queued and does not wait for more. Texts that arrive meanwhile form the
  // next batch.
  while (queue_.wait([&](auto& requests) { texts = next_batch(requests); })) {
    if (!texts.empty()) run(texts);
    texts.clear();
  }
  for (const auto& request : queue_.rest()) {
    fail(*request, Error(ErrorCode::closed, "the engine has stopped"));
  }
}

// Throws nothing: if a batch fails, its requests fail and the engine continues.
void Engine::run(const std::vector<Text>& texts) {
  LoadedModel& loaded = *texts[0].request->loaded;
  const Model& model = *loaded.model;
  const auto fail_all = [&](const Error& error) {
    for (const Text& text : texts) fail(*text.request, error);
  };
  size_t tokens = 0;
  try {
    std::vector<std::span<const uint32_t>> ids;
    bool invariant = false;
    for (const Text& text : texts) {
      ids.push_back(text.ids());
      tokens += text.ids().size();
      invariant |= text.request->batch_invariant;
    }
    model.backend->limit_threads(texts[0].request->threads);
    const Batch batch = loaded.workspace->prepare(ids, invariant);
    const auto wanted = [&] {
      return std::any_of(texts.begin(), texts.end(),
                         [](const Text& text) { return !text.request->cancelled; });
    };
    forward(*model.backend, model, batch, loaded.workspace->activations(), wanted);
    sync_or_throw(loaded);
    pool(loaded, batch, texts);
  } catch (const Error& error) {
    fail_all(error);
  } catch (const std::bad_alloc&) {
    fail_all(Error(ErrorCode::out_of_memory, "the host has no memory left for this batch"));
  } catch (const std::exception& error) {
    fail_all(Error(ErrorCode::device_failed, error.what()));
  }
  if (tokens > texts[0].request->max_batch_tokens) loaded.workspace->shrink();
}

// Writes the vectors, under the mutexes of all owners so that none frees its memory meanwhile. Then
// finishes the requests whose last text was in this batch.
void Engine::pool(LoadedModel& loaded, const Batch& batch, const std::vector<Text>& texts) {
  const Model& model = *loaded.model;
  std::vector<Pooled> outputs;
  std::vector<const Text*> pooled;
  std::vector<std::unique_lock<std::mutex>> locks;
  std::set<MemoryOwner*> owners;
  for (const Text& text : texts) owners.insert(text.request->owner.get());
  for (MemoryOwner* owner : owners) locks.emplace_back(owner->mutex);

  for (uint32_t row = 0; row < texts.size(); ++row) {
    Request& request = *texts[row].request;
    if (!request.owner->alive || request.cancelled) continue;
    outputs.push_back({row, request.dimensions, request.out[texts[row].index], false});
    pooled.push_back(&texts[row]);
  }
  if (outputs.empty()) return;
  model.backend->pool(batch.pooled_rows.x, model.final_norm, model.config.norm_eps, outputs.data(),
                      static_cast<uint32_t>(outputs.size()));
  sync_or_throw(loaded);
  last_pooled_ = outputs.back().out;
  locks.clear();

  for (size_t i = 0; i < pooled.size(); ++i) {
    Request& request = *pooled[i]->request;
    if (!outputs[i].finite) request.non_finite.push_back(static_cast<uint32_t>(pooled[i]->index));
    if (++request.finished == request.texts.size() && !request.cancelled) request.finish(request);
  }
}

}  // namespace qwen3
