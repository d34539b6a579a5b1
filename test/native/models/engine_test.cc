// The engine: a call receives the vectors that the forward pass computes, whatever other calls do:
// submit, cancel, fail, or lose their memory's owner.
#include "engine/engine.h"

#include <array>
#include <chrono>
#include <ctime>
#include <thread>

#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"
#include "models/faulty_backend.h"
#include "models/model_tests.h"
#include "models/tiny_model.h"
#include "ops/number.h"
#include "random.h"

namespace qwen3::test {
namespace {

constexpr uint32_t kDimensions = 40;
constexpr uint32_t kBad = 9;  // a token whose embedding is not finite

// A call as the addon makes one: result memory that the caller owns, and a callback at the end.
struct Call {
  Call(std::shared_ptr<LoadedModel> model, const std::vector<Ids>& texts,
       uint32_t max_batch_tokens = 200)
      : memory(texts.size() * kDimensions, -7), request(std::make_shared<Request>()) {
    request->loaded = std::move(model);
    for (size_t i = 0; i < texts.size(); ++i) {
      request->add(texts[i], std::array{static_cast<uint32_t>(texts[i].size())},
                   std::array{memory.data() + i * kDimensions});
    }
    request->dimensions = kDimensions;
    request->max_batch_tokens = max_batch_tokens;
    request->owner = std::make_shared<MemoryOwner>();
    request->finish = [finished = finished](Request&) { ++*finished; };
  }

  void wait() const {
    while (*finished == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  // After this the engine writes nothing, so the memory may be freed.
  void cancel() {
    const std::lock_guard lock(request->owner->mutex);
    request->cancelled = true;
    memory = {};
  }
  std::vector<float> vector(size_t text) const {
    return {memory.begin() + text * kDimensions, memory.begin() + (text + 1) * kDimensions};
  }

  std::vector<float> memory;
  std::shared_ptr<Request> request;
  std::shared_ptr<std::atomic<int>> finished = std::make_shared<std::atomic<int>>(0);
};

std::unique_ptr<Backend> open_backend() {
  return open_cpu_backend(best_isa(), DType::f32, {std::make_shared<ThreadPool>(), 1});
}

std::shared_ptr<LoadedModel> open_model(const TinyModel& tiny = {}) {
  return load_tiny_model(open_backend(), tiny);
}

// The engine must be idle, because it limits the backend's threads.
void expect_vectors(const Call& call, const std::vector<Ids>& texts, const std::string& what) {
  const Model& model = *call.request->loaded->model;
  Workspace workspace(model);
  for (size_t i = 0; i < texts.size(); ++i) {
    expect_same_bits(call.vector(i), embed(model, workspace, {texts[i]}, kDimensions)[0].values,
                     kDimensions, what + ", text " + std::to_string(i));
  }
}

void answers_in_any_batch() {
  const auto model = open_model();
  const std::vector<Ids> texts{random_ids(1, 30, 64), random_ids(2, 1, 64), random_ids(3, 90, 64),
                               random_ids(4, 7, 64)};
  for (const uint32_t budget : {1u, 50u, 1000u}) {
    Engine engine;
    std::vector<Call> calls;
    for (int i = 0; i < 3; ++i) calls.emplace_back(model, texts, budget);
    for (const Call& call : calls) engine.submit(call.request);
    for (const Call& call : calls) call.wait();
    for (const Call& call : calls) {
      expect(*call.finished == 1 && !call.request->error && call.request->non_finite.empty(),
             "a call did not finish successfully once");
      expect_vectors(call, texts, "budget " + std::to_string(budget));
    }
  }
}

void non_finite_texts_are_reported() {
  const auto model = open_model({.nan_row = kBad});
  const std::vector<Ids> bad{{1, 2}, {kBad}, {3}, {4, kBad, 5}}, well{{6, 7}, {8}};
  Engine engine;
  const Call first(model, bad), second(model, well);
  engine.submit(first.request);
  engine.submit(second.request);
  first.wait();
  second.wait();
  expect(first.request->non_finite == std::vector<uint32_t>{1, 3}, "wrong texts are reported");
  expect(second.request->non_finite.empty(), "a call reports the texts of another");
  expect_vectors(first, bad, "the call with bad texts");
  expect_vectors(second, well, "the other call");
}

void failures_affect_their_own_calls_only() {
  const auto faults = std::make_shared<FaultyBackend::Faults>();
  const auto faulty = load_tiny_model(std::make_unique<FaultyBackend>(open_backend(), faults));
  const auto sound = open_model({.seed = 2});
  const std::vector<Ids> texts{{1, 2, 3}, random_ids(5, 120, 64)};
  const auto code_of = [&](Engine& engine, const std::vector<Ids>& what) {
    const Call call(faulty, what);
    const Call beside(sound, texts);
    engine.submit(call.request);
    engine.submit(beside.request);
    call.wait();
    beside.wait();
    expect(*call.finished == 1, "finished more than once");
    expect_vectors(beside, texts, "the other model's call");
    return call.request->error ? to_string(call.request->error->code) : "";
  };
  Engine engine;
  faults->no_memory = true;
  expect(code_of(engine, texts) == std::string("OUT_OF_MEMORY"), "no memory");
  faults->no_memory = false;
  expect(code_of(engine, texts) == std::string(), "memory again");
  faults->broken = true;
  expect(code_of(engine, texts) == std::string("DEVICE_FAILED"), "a broken device");
}

void stops_with_work_queued() {
  const auto model = open_model();
  std::vector<Call> calls;
  for (int i = 0; i < 20; ++i)
    calls.emplace_back(model, std::vector<Ids>{random_ids(6, 60, 64)}, 60);
  {
    Engine engine;
    for (const Call& call : calls) engine.submit(call.request);
  }
  for (const Call& call : calls) {
    expect(*call.finished == 1, "a call did not finish once");
    expect(!call.request->error || call.request->error->code == ErrorCode::closed,
           "an error other than CLOSED");
    if (!call.request->error)
      expect_vectors(call, {random_ids(6, 60, 64)}, "finished before the engine stopped");
  }
}

void cancelled_calls_are_dropped() {
  const auto model = open_model();
  const std::vector<Ids> texts{random_ids(7, 60, 64), random_ids(8, 60, 64)};
  Engine engine;
  std::vector<Call> calls;
  for (int i = 0; i < 12; ++i) calls.emplace_back(model, texts, 60);
  for (const Call& call : calls) engine.submit(call.request);
  for (size_t i = 0; i < calls.size(); i += 2) calls[i].cancel();
  for (size_t i = 1; i < calls.size(); i += 2) calls[i].wait();
  for (size_t i = 1; i < calls.size(); i += 2)
    expect_vectors(calls[i], texts, "a call between cancelled ones");
  // The engine does not write the results of a call that is not cancelled but whose owner is gone.
  Call orphan(model, texts), after(model, texts);
  orphan.request->owner->alive = false;
  engine.submit(orphan.request);
  engine.submit(after.request);
  after.wait();
  expect(orphan.memory == std::vector<float>(orphan.memory.size(), -7),
         "wrote into memory whose owner is gone");
}

// Moments that rarely occur by chance: a cancellation in the middle of a batch, and an owner that
// would go away while vectors are written.
void cancelling_is_safe_at_any_moment() {
  const auto faults = std::make_shared<FaultyBackend::Faults>();
  const auto model = load_tiny_model(std::make_unique<FaultyBackend>(open_backend(), faults));
  const std::vector<Ids> texts{{1, 2, 3}, {4, 5}};
  Call call(model, texts), beside(model, texts);
  bool locked = false;
  faults->at_attention = [&] {
    if (!call.request->cancelled) call.cancel();
  };
  faults->at_pool = [&] {
    std::thread([&] {
      std::mutex& mutex = beside.request->owner->mutex;
      locked = !mutex.try_lock();
      if (!locked) mutex.unlock();
    }).join();
  };
  Engine engine;
  engine.submit(call.request);
  engine.submit(beside.request);
  beside.wait();
  expect(*call.finished == 0, "a cancelled call was finished");
  expect(locked, "the owner could free its memory while vectors were written to it");
  faults->at_attention = faults->at_pool = [] {};
  expect_vectors(beside, texts, "the call beside the cancelled one");
}

void a_call_limits_the_threads() {
  const auto faults = std::make_shared<FaultyBackend::Faults>();
  const auto pool = std::make_shared<ThreadPool>();
  const auto model = load_tiny_model(
      std::make_unique<FaultyBackend>(open_cpu_backend(best_isa(), DType::f32, {pool, 3}), faults));
  std::vector<uint32_t> limits;
  faults->at_limit_threads = [&](uint32_t threads) { limits.push_back(threads); };
  const std::vector<Ids> texts{random_ids(9, 70, 64), random_ids(10, 3, 64)};
  const std::vector<uint32_t> wanted{3, 1, 7, 2};
  Engine engine;
  for (const uint32_t threads : wanted) {
    Call call(model, texts);
    call.request->threads = threads;
    engine.submit(call.request);
    call.wait();
    expect_vectors(call, texts, std::to_string(threads) + " threads");
  }
  expect(limits == wanted, "a batch ran with another number of threads");
}

#ifndef _WIN32  // where clock() is the time that passes
// The time of all threads of the process is no more than the time that passes, but for the 50 us that
// an idle worker spins. With three threads it would be, on a machine that has them.
void one_thread_computes_alone() {
  const auto model = load_tiny_model(
      open_cpu_backend(best_isa(), DType::f32, {std::make_shared<ThreadPool>(), 3}));
  Call call(model, std::vector<Ids>(60, random_ids(11, 300, 64)));
  Engine engine;
  const auto begin = std::chrono::steady_clock::now();
  const std::clock_t busy = std::clock();
  engine.submit(call.request);
  call.wait();
  const double cpu = static_cast<double>(std::clock() - busy) / CLOCKS_PER_SEC;
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  expect(cpu < 1.3 * passed.count(),
         std::to_string(cpu) + " s of CPU time in " + std::to_string(passed.count()) + " s");
}
#endif

// Many callers with two models. They wait for results, cancel, or mark their memory's owner as gone
// at random moments.
void works_under_stress() {
  const auto pool = std::make_shared<ThreadPool>();
  const std::array models{
      load_tiny_model(open_cpu_backend(best_isa(), DType::f32, {pool, 2}),
                      {.seed = 1, .nan_row = kBad}),
      load_tiny_model(open_cpu_backend(best_isa(), DType::bf16, {pool, 2}), {.seed = 2})};
  constexpr size_t kTexts = 12;
  std::vector<Ids> texts;
  std::array<std::vector<Vector>, 2> wanted;
  for (size_t i = 0; i < kTexts; ++i)
    texts.push_back(random_ids(i, i % 4 == 0 ? 90 : 1 + static_cast<uint32_t>(i), 64));
  for (size_t m = 0; m < models.size(); ++m) wanted[m] = embed(*models[m], texts, kDimensions);

  std::atomic<int> answered = 0, wrong = 0;
  {
    Engine engine;
    std::vector<std::thread> callers;
    for (uint64_t caller = 0; caller < 6; ++caller) {
      callers.emplace_back([&, caller] {
        Random random(caller);
        for (int round = 0; round < 25; ++round) {
          const size_t m = random.below(2);
          std::vector<size_t> picks(1 + random.below(4));
          std::vector<Ids> mine;
          for (size_t& pick : picks) mine.push_back(texts[pick = random.below(kTexts)]);
          Call call(models[m], mine, std::array{1u, 100u, 1000u}[random.below(3)]);
          call.request->threads = 1 + random.below(4);
          engine.submit(call.request);
          if (random.below(3) == 0) {
            std::this_thread::sleep_for(std::chrono::microseconds(random.below(3000)));
            call.cancel();
            continue;
          }
          if (random.below(6) == 0) {
            std::this_thread::sleep_for(std::chrono::microseconds(random.below(3000)));
            const std::lock_guard lock(call.request->owner->mutex);
            call.request->owner->alive = false;
            continue;
          }
          call.wait();
          ++answered;
          std::vector<uint32_t> bad;
          for (uint32_t i = 0; i < picks.size(); ++i) {
            const Vector& right = wanted[m][picks[i]];
            if (!right.finite) bad.push_back(i);
            if (call.vector(i) != right.values) ++wrong;
          }
          if (call.request->non_finite != bad || call.request->error) ++wrong;
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
  }
  expect(answered > 0 && wrong == 0,
         std::to_string(wrong) + " of " + std::to_string(answered) + " answers are wrong");
}

}  // namespace

void add_engine_tests(Tests& tests) {
  tests.insert(
      tests.end(),
      {{"engine: answers in any batch", answers_in_any_batch},
       {"engine: non-finite texts are reported, others succeed", non_finite_texts_are_reported},
       {"engine: failures affect their own calls only", failures_affect_their_own_calls_only},
       {"engine: stops with work queued", stops_with_work_queued},
       {"engine: cancelled calls are dropped", cancelled_calls_are_dropped},
       {"engine: cancelling is safe at any moment", cancelling_is_safe_at_any_moment},
       {"engine: a call limits the threads", a_call_limits_the_threads},
       {"engine: works under stress", works_under_stress}});
#ifndef _WIN32
  tests.push_back({"engine: one thread computes alone", one_thread_computes_alone});
#endif
}

}  // namespace qwen3::test
