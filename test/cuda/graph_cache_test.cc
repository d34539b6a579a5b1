// Launches of short batches are kept, and those that come again are replayed as graphs.
#include <atomic>
#include <cmath>
#include <deque>
#include <thread>

#include "cuda_tests.h"
#include "emulated_backend.h"
#include "engine/engine.h"
#include "models/tiny_model.h"
#include "ops/guarded.h"
#include "ops/number.h"

namespace qwen3::test {
namespace {

// A batch is launched one by one, then as a graph that is made, then as one that is there, whatever comes between. Its bits
// are those of its first time.
void short_batches_are_replayed(DType input, int capability) {
  constexpr uint32_t kDimensions = 72;
  const std::vector<std::vector<Ids>> batches{{random_ids(1, 3, 64)},
                                              {random_ids(2, 5, 64)},
                                              {random_ids(3, 3, 64)},
                                              {random_ids(4, 3, 64), {7}}};
  emulator::counters = {};
  const auto other = load_tiny_model(open_emulated(input, 2, 4, capability)),
             model = load_tiny_model(open_emulated(input, 2, 4, capability));
  const auto embed_in = [&](LoadedModel& in, size_t i) {
    return embed(in, batches[i], kDimensions);
  };
  const uint64_t loading = emulator::counters.launches;
  std::vector<std::vector<Vector>> wanted{embed_in(*model, 0)};
  const uint64_t one_by_one = emulator::counters.launches - loading;
  for (const size_t i : {1, 2, 3}) wanted.push_back(embed_in(*other, i));
  expect(emulator::counters.graphs == 0, "a graph is made of what comes once");
  expect(wanted[0][0].values != wanted[2][0].values, "two texts have the same vector");
  emulator::counters = {};
  for (const size_t i : {1, 2, 3, 0, 3, 1, 1}) {
    const std::vector<Vector> actual = embed_in(*model, i);
    for (size_t t = 0; t < actual.size(); ++t) {
      expect(actual[t].finite, "a vector is lost");
      expect_same_bits(actual[t].values, wanted[i][t].values, kDimensions,
                       "batch " + std::to_string(i));
    }
  }
  // Two texts of a length are one graph.
  expect(emulator::counters.graphs == 3 && emulator::counters.graph_launches == 5,
         "other graphs than expected");
  expect(one_by_one > 20 && emulator::counters.launches == 2 * one_by_one,
         "graphs leave launches over");
  expect((emulator::counters.overlapping > 0) == (capability == kHopper),
         "launches overlap on the wrong cards");
  for (int time = 0; time < 2; ++time) embed(*model, batches[0], kDimensions, true);
  expect(emulator::counters.graphs == 3, "a graph is made of the large plan");
}

// Lists that differ in one parameter, more than are kept, each in time for its graph. Uploads between them change what
// the next one reads, and nobody waits.
void graphs_are_bounded_and_in_order() {
  constexpr uint32_t kCols = 8, kKept = 128, kLists = kKept + 6;
  Device device(emulated_entry(DType::bf16, kSmallBatch, false, 4), 0);
  const std::vector<float> ones(kCols, 1);
  const GuardedMatrix x(device, 1, kCols, 0, DType::f32, &ones);
  const StoredWeight gain(device, WeightUse::gain, 1, kCols, ones);
  std::deque<GuardedMatrix> outs;
  for (uint32_t i = 0; i < kLists; ++i) outs.emplace_back(device, 1, kCols, 0, DType::bf16);
  const size_t before = emulator::live_allocations();
  emulator::counters = {};
  std::vector<std::vector<float>> rows;
  for (uint32_t i = 0; i < kLists; ++i) rows.emplace_back(kCols, static_cast<float>(i + 1));
  for (uint32_t i = 0; i < kLists; ++i) {
    for (int time = 0; time < 2; ++time) {
      device.on.upload(Matrix(x).data, rows[time == 0 ? 0 : i].data(), kCols * sizeof(float));
      device.on.rms_norm(x, gain, static_cast<float>(i), outs[i]);
    }
  }
  device.sync();
  expect(emulator::counters.graphs == kLists, "not a graph for every list");
  expect(emulator::live_allocations() - before == kKept, "graphs are not bounded");
  for (uint32_t i = 0; i < kLists; ++i) {
    const float size = rows[i][0], wanted = size / std::sqrt(size * size + static_cast<float>(i));
    expect(std::abs(outs[i].read()[0] / wanted - 1) < 0.01,
           "list " + std::to_string(i) + " read other rows");
  }
}

// More ops than are kept at once, and one of another plan: each reads what the one before it wrote.
void keeps_no_more_launches_than_fit() {
  constexpr uint32_t kOps = 3000;
  Device device(emulated_entry(DType::bf16, kSmallBatch, false, 4), 0);
  std::vector<float> values(kOps + 1, -1);
  values[0] = 7;
  GuardedArray<float> chain(device, values);
  const GuardedArray<uint32_t> id(device, {0});
  const auto link = [&](uint32_t i) { return Matrix{chain.data() + i, 1, 1, 1, DType::f32}; };
  for (uint32_t i = 0; i < kOps; ++i) {
    if (i == kOps - 1) device.on.begin_batch(kLargeBatch, false);
    device.on.gather(id.data(), link(i), link(i + 1));
  }
  device.sync();
  expect(chain.read() == std::vector<float>(kOps + 1, 7), "ops are lost");
}

// Every call into the runtime for a text that came before: the same two copies, two graphs and two waits for any model.
// The engine waits before it takes the owner's lock, and again when the vector is there.
void a_query_takes_few_calls() {
  const auto model = load_tiny_model(open_emulated(DType::bf16));
  std::vector<float> vector(8);
  const auto calls_of_one = [&] {
    emulator::counters = {};
    std::atomic<bool> finished = false;
    const auto request = std::make_shared<Request>();
    request->loaded = model;
    request->ids = random_ids(1, 32, 64);
    request->ends = {request->ids.size()};
    request->dimensions = static_cast<uint32_t>(vector.size());
    request->max_batch_tokens = 1000;
    request->out = vector.data();
    request->owner = std::make_shared<MemoryOwner>();
    request->finish = [&](Request&) { finished = true; };
    Engine engine;
    engine.submit(request);
    while (!finished) std::this_thread::yield();
    expect(!request->error, "the query fails");
    return emulator::counters.runtime_calls;
  };
  calls_of_one();
  expect(emulator::counters.launches > 20, "the first query does not make its launches one by one");
  calls_of_one();
  const uint64_t calls = calls_of_one();
  expect(emulator::counters.launches == 0 && emulator::counters.graph_launches == 2,
         "it is not two graphs");
  expect(calls == 14, "a query takes " + std::to_string(calls) + " calls");
}

}  // namespace

void add_graph_cache_tests(Tests& tests) {
  tests.push_back(
      {"cuda: short batches are replayed", [] { short_batches_are_replayed(DType::bf16, 80); }});
  tests.push_back({"cuda: hopper: short batches are replayed",
                   [] { short_batches_are_replayed(DType::s8, kHopper); }});
  tests.push_back({"cuda: graphs are bounded and in order", graphs_are_bounded_and_in_order});
  tests.push_back({"cuda: keeps no more launches than fit", keeps_no_more_launches_than_fit});
  tests.push_back({"cuda: a query takes few calls", a_query_takes_few_calls});
}

}  // namespace qwen3::test
