// The loader: in which order it does what it is asked for, and that every load is answered.
#include "engine/loader.h"

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "models/model_tests.h"
#include "models/tiny_model.h"
#include "reference/reference_backend.h"

namespace qwen3::test {
namespace {

// A load that fails, for there is no such file, and then calls `answered` with what it was told.
std::shared_ptr<LoadJob> failing_load(
    std::function<void(const std::shared_ptr<LoadedModel>&, const std::exception_ptr&)> answered) {
  auto job = std::make_shared<LoadJob>();
  job->source.files = {"no such file"};
  job->source.embeddings.dtype = DType::f32;
  job->device.device = "reference";
  job->finish = std::move(answered);
  return job;
}

// Memory of gigabytes is free before the next load asks for some.
void a_released_model_goes_before_the_next_load() {
  std::shared_ptr<LoadedModel> model = load_tiny_model(open_reference_backend());
  const std::weak_ptr<LoadedModel> held = model;
  std::atomic<bool> all_is_queued = false, was_held = true;
  {
    std::atomic<bool> answered = false;
    Loader loader;
    loader.submit(failing_load([&](const auto&, const auto&) {
      while (!all_is_queued) std::this_thread::yield();
    }));
    loader.submit(failing_load([&](const auto&, const auto&) {
      was_held = !held.expired();
      answered = true;
    }));
    loader.release(std::move(model));
    all_is_queued = true;
    while (!answered) std::this_thread::yield();
  }
  expect(!was_held, "the load that was queued before it ran first");
}

// Whether a load has begun when the loader ends is chance: it is answered once either way, and never with a model.
void every_load_is_answered_at_the_end() {
  std::array<std::atomic<int>, 4> answers{};
  std::atomic<bool> gives_a_model = false;
  {
    Loader loader;
    for (std::atomic<int>& each : answers) {
      loader.submit(failing_load([&](const std::shared_ptr<LoadedModel>& model, const auto&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));  // so that some are left
        if (model) gives_a_model = true;
        ++each;
      }));
    }
    loader.release(load_tiny_model(open_reference_backend()));
  }
  for (const std::atomic<int>& each : answers) expect(each == 1, "a load was not answered once");
  expect(!gives_a_model, "a load that failed gave a model");
}

}  // namespace

void add_loader_tests(Tests& tests) {
  tests.insert(tests.end(),
               {{"engine: a released model goes before the next load",
                 a_released_model_goes_before_the_next_load},
                {"engine: every load is answered at the end", every_load_is_answered_at_the_end}});
}

}  // namespace qwen3::test
