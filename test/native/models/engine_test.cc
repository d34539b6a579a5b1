// The engine: a call receives the vectors that the forward pass computes, whatever other calls do:
// submit, cancel, fail, or lose their memory's owner.
#include "engine/engine.h"

#include <array>
#include <chrono>
#include <ctime>
#include <iterator>
#include <map>
#include <set>
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
    // In slices of up to two texts.
    for (size_t i = 0; i < texts.size(); i += 2) {
      Ids ids;
      std::vector<uint32_t> lengths;
      std::vector<float*> vectors;
      for (size_t k = i; k < std::min(i + 2, texts.size()); ++k) {
        ids.insert(ids.end(), texts[k].begin(), texts[k].end());
        lengths.push_back(static_cast<uint32_t>(texts[k].size()));
        vectors.push_back(memory.data() + k * kDimensions);
      }
      request->add(std::move(ids), lengths, vectors);
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
  }
  bool is_untouched() const { return memory == std::vector<float>(memory.size(), -7); }
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

// Submits calls so that their texts run in one batch: the engine is busy with another model until
// all are queued.
void submit_together(Engine& engine, const std::vector<const Call*>& calls) {
  const auto faults = std::make_shared<FaultyBackend::Faults>();
  std::atomic<bool> busy = false, queued = false;
  faults->at_limit_threads = [&](uint32_t) {
    busy = true;
    while (!queued) std::this_thread::yield();
  };
  const Call first(load_tiny_model(std::make_unique<FaultyBackend>(open_backend(), faults)), {{1}});
  engine.submit(first.request);
  while (!busy) std::this_thread::yield();
  for (const Call* call : calls) engine.submit(call->request);
  queued = true;
  first.wait();
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
  const std::vector<Ids> small{{1, 2, 3}};
  Engine engine;
  expect(code_of(engine, small) == std::string(), "a small batch");
  faults->no_memory = true;
  expect(code_of(engine, texts) == std::string("OUT_OF_MEMORY"), "no memory");
  faults->no_memory = false;
  expect(code_of(engine, small) == std::string(), "memory again, for a small batch");
  faults->available = 1000;
  expect(code_of(engine, texts) == std::string("OUT_OF_MEMORY"), "no memory available");
  faults->available = SIZE_MAX;
  expect(code_of(engine, texts) == std::string(), "memory again");
  expect(!faulty->failed, "a model without memory counts as failed");
  faults->at_pool = [&] { faults->broken = true; };
  expect(code_of(engine, texts) == std::string("DEVICE_FAILED"), "a device that breaks in the end");
  expect(faulty->failed, "a model whose device failed can be shared");
  faults->at_pool = [] {};
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
  expect(orphan.is_untouched(), "wrote into memory whose owner is gone");
}

bool is_locked(MemoryOwner& owner) {
  bool locked = true;
  std::thread([&] {
    locked = !owner.mutex.try_lock();
    if (!locked) owner.mutex.unlock();
  }).join();
  return locked;
}

// Moments that rarely occur by chance: a cancellation in the middle of a batch, and an owner that
// would go away while vectors are written.
void cancelling_is_safe_at_any_moment() {
  const auto faults = std::make_shared<FaultyBackend::Faults>();
  const auto model = load_tiny_model(std::make_unique<FaultyBackend>(open_backend(), faults));
  const std::vector<Ids> texts{{1, 2, 3}, {4, 5}};
  Call call(model, texts), beside(model, texts), other(model, texts);
  bool locked = false, locked_at_finish = true;
  faults->at_attention = [&] {
    if (!call.request->cancelled) call.cancel();
  };
  faults->at_pool = [&] {
    locked = is_locked(*beside.request->owner) && is_locked(*other.request->owner);
  };
  beside.request->finish = [&, finished = beside.finished](Request& request) {
    locked_at_finish = is_locked(*request.owner);
    ++*finished;
  };
  Engine engine;
  submit_together(engine, {&call, &other, &beside});
  beside.wait();
  expect(*call.finished == 0, "a cancelled call was finished");
  expect(call.is_untouched(), "a cancelled call's vectors were written");
  expect(locked, "an owner could free its memory while vectors were written to it");
  expect(!locked_at_finish, "a call finished while its owner was locked");
  faults->at_attention = faults->at_pool = [] {};
  expect_vectors(beside, texts, "the call beside the cancelled one");
}

// Neither with an error of its batch, nor if another call of its batch, which finishes first,
// cancels it.
void a_cancelled_call_never_finishes() {
  const auto faults = std::make_shared<FaultyBackend::Faults>();
  const auto model = load_tiny_model(std::make_unique<FaultyBackend>(open_backend(), faults));
  Engine engine;
  Call first(model, {{1, 2, 3}}), second(model, {{4, 5}});
  first.request->finish = [&, finished = first.finished](Request&) {
    second.cancel();
    ++*finished;
  };
  submit_together(engine, {&first, &second});
  first.wait();
  Call cancelled(model, {{1, 2, 3}}), failed(model, {{4, 5}});
  faults->at_attention = [&] {
    if (!cancelled.request->cancelled) cancelled.cancel();
    faults->broken = true;
  };
  submit_together(engine, {&cancelled, &failed});
  failed.wait();
  expect(failed.request->error.has_value(), "the batch did not fail");
  expect(*second.finished == 0, "a call finished that another has cancelled");
  expect(*cancelled.finished == 0, "a cancelled call failed");
}

void a_batch_that_nobody_waits_for_ends() {
  const auto faults = std::make_shared<FaultyBackend::Faults>();
  const auto model = load_tiny_model(std::make_unique<FaultyBackend>(open_backend(), faults));
  Engine engine;
  Call call(model, {random_ids(12, 30, 64)}), next(model, {{1}});
  int layers = 0;
  faults->at_attention = [&] {
    if (!call.request->cancelled) call.cancel();
    ++layers;
  };
  next.request->threads = 2;  // so that it has a batch of its own
  faults->at_limit_threads = [&](uint32_t threads) {
    if (threads == 2) faults->at_attention = [] {};
  };
  engine.submit(call.request);
  engine.submit(next.request);
  next.wait();
  expect(layers == 1, std::to_string(layers) + " layers of a cancelled batch ran");
}

void one_invariant_call_makes_its_batch_invariant() {
  const auto faults = std::make_shared<FaultyBackend::Faults>();
  const auto model = load_tiny_model(std::make_unique<FaultyBackend>(open_backend(), faults));
  std::vector<bool> batches;
  faults->at_begin_batch = [&](bool invariant) { batches.push_back(invariant); };
  Engine engine;
  for (const bool invariant : {false, true}) {
    const Call call(model, {{1}}), beside(model, {{2}});
    call.request->batch_invariant = invariant;
    submit_together(engine, {&call, &beside});
    call.wait();
    beside.wait();
  }
  expect(batches == std::vector{false, true}, "wrong batches are invariant");
}

void only_long_texts_leave_no_memory_allocated() {
  const auto faults = std::make_shared<FaultyBackend::Faults>();
  const auto model = load_tiny_model(std::make_unique<FaultyBackend>(open_backend(), faults));
  int allocations = 0;
  faults->at_allocate = [&](void*, size_t) { ++allocations; };
  Engine engine;
  const auto allocations_of = [&](uint32_t tokens, uint32_t max_batch_tokens) {
    const Call call(model, {random_ids(13, tokens, 64)}, max_batch_tokens);
    allocations = 0;
    engine.submit(call.request);
    call.wait();
    return allocations;
  };
  expect(allocations_of(200, 200) > 0, "the first batch allocates nothing");
  expect(allocations_of(200, 200) == 0, "the memory of a batch was freed");
  expect(allocations_of(201, 200) > 0, "a longer text allocates nothing");
  expect(allocations_of(2, 200) > 0, "the memory of a long text was not freed");
}

void tables_fit_their_memory() {
  const auto faults = std::make_shared<FaultyBackend::Faults>();
  std::map<char*, size_t> sizes;  // of allocations
  bool fits = true;
  faults->at_allocate = [&](void* memory, size_t bytes) {
    sizes[static_cast<char*>(memory)] = bytes;
  };
  faults->at_upload = [&](void* to, size_t bytes) {
    auto* const begin = static_cast<char*>(to);
    const auto after = sizes.upper_bound(begin);
    fits = fits && after != sizes.begin() &&
           begin + bytes <= std::prev(after)->first + std::prev(after)->second;
  };
  const auto model = load_tiny_model(std::make_unique<FaultyBackend>(open_backend(), faults));
  embed(*model, std::vector<Ids>(40, {1}), kDimensions);
  expect(fits, "a table is longer than its memory");
}

// One op reads the scales of its input while it writes those of its output.
void inputs_of_linear_ops_have_scales_of_their_own() {
  const auto model = open_model();
  const Workspace workspace(*model->model, 5);
  const Activations& activations = workspace.activations();
  std::set<const float*> scales;
  for (const Matrix* input : {&activations.normed, &activations.attended, &activations.gated}) {
    for (uint32_t row = 0; row < 5; ++row) {
      expect(input->scales[row] == 1, "a scale is not 1");
      scales.insert(input->scales + row);
    }
  }
  expect(scales.size() == 15, "inputs share scales");
}

void holds_no_request_after_its_batch() {
  const auto model = open_model();
  Engine engine;
  std::weak_ptr<Request> request;
  {
    const Call call(model, {{1, 2}});
    request = call.request;
    engine.submit(call.request);
    call.wait();
  }
  expect(eventually([&] { return request.expired(); }), "the engine still holds a request");
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
       {"engine: a cancelled call never finishes", a_cancelled_call_never_finishes},
       {"engine: a batch that nobody waits for ends", a_batch_that_nobody_waits_for_ends},
       {"engine: one invariant call makes its batch invariant",
        one_invariant_call_makes_its_batch_invariant},
       {"engine: only long texts leave no memory allocated",
        only_long_texts_leave_no_memory_allocated},
       {"engine: tables fit their memory", tables_fit_their_memory},
       {"engine: inputs of linear ops have scales of their own",
        inputs_of_linear_ops_have_scales_of_their_own},
       {"engine: holds no request after its batch", holds_no_request_after_its_batch},
       {"engine: a call limits the threads", a_call_limits_the_threads},
       {"engine: works under stress", works_under_stress}});
#ifndef _WIN32
  tests.push_back({"engine: one thread computes alone", one_thread_computes_alone});
#endif
}

}  // namespace qwen3::test
