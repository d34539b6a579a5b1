// The loader: the order in which it runs requests, and that every load calls its callback once.
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

// A load that fails because its file does not exist, and then calls `finish`.
std::shared_ptr<LoadJob> failing_load(
    std::function<void(const std::shared_ptr<LoadedModel>&, const std::exception_ptr&)> finish) {
  auto job = std::make_shared<LoadJob>();
  job->source.files = {{"no such file", ""}};
  job->source.embeddings.dtype = DType::f32;
  job->device.device = "reference";
  job->finish = std::move(finish);
  return job;
}

// The memory of a released model, which may be gigabytes, is free before the next load allocates.
void a_released_model_is_freed_before_the_next_load() {
  std::shared_ptr<LoadedModel> model = load_tiny_model(open_reference_backend());
  const std::weak_ptr<LoadedModel> released = model;
  std::atomic<bool> all_is_queued = false, was_alive = true;
  {
    std::atomic<bool> finished = false;
    Loader loader;
    loader.submit(failing_load([&](const auto&, const auto&) {
      while (!all_is_queued) std::this_thread::yield();
    }));
    loader.submit(failing_load([&](const auto&, const auto&) {
      was_alive = !released.expired();
      finished = true;
    }));
    loader.release(std::move(model));
    all_is_queued = true;
    while (!finished) std::this_thread::yield();
  }
  expect(!was_alive, "a load that was queued before the release ran before it");
}

// It is chance whether a load has begun when the loader stops. In both cases its callback runs
// once, and never with a model.
void every_load_finishes_when_the_loader_stops() {
  std::array<std::atomic<int>, 4> finished{};
  std::atomic<bool> returned_a_model = false;
  {
    Loader loader;
    for (std::atomic<int>& each : finished) {
      loader.submit(failing_load([&](const std::shared_ptr<LoadedModel>& model, const auto&) {
        // So that some loads are still queued when the loader stops.
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        if (model) returned_a_model = true;
        ++each;
      }));
    }
    loader.release(load_tiny_model(open_reference_backend()));
  }
  for (const std::atomic<int>& each : finished) expect(each == 1, "a load did not finish once");
  expect(!returned_a_model, "a load that failed returned a model");
}

}  // namespace

void add_loader_tests(Tests& tests) {
  tests.insert(tests.end(), {{"engine: a released model is freed before the next load",
                              a_released_model_is_freed_before_the_next_load},
                             {"engine: every load finishes when the loader stops",
                              every_load_finishes_when_the_loader_stops}});
}

}  // namespace qwen3::test
