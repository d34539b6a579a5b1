// Recorded launches and the graph cache: launches of short batches are recorded, and a repeated
// list of launches runs as a graph.
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

// The first time, the kernels of a batch are launched one by one; the second time a graph is
// created and launched; later the graph is launched, whatever other batches run in between. The
// bits are always those of the first time.
void short_batches_run_as_graphs(DType input, int capability) {
  constexpr uint32_t kDimensions = 72;
  const std::vector<std::vector<Ids>> batches{{random_ids(1, 3, 64)},
                                              {random_ids(2, 5, 64)},
                                              {random_ids(3, 3, 64)},
                                              {random_ids(4, 3, 64), {7}}};
  emulator::counters = {};
  const auto other = load_tiny_model(open_emulated(input, 2, 4, capability));
  const auto model = load_tiny_model(open_emulated(input, 2, 4, capability));
  const auto embed_in = [&](LoadedModel& in, size_t i) {
    return embed(in, batches[i], kDimensions);
  };
  const uint64_t loading = emulator::counters.launches;
  std::vector<std::vector<Vector>> wanted{embed_in(*model, 0)};
  const uint64_t one_by_one = emulator::counters.launches - loading;
  for (const size_t i : {1, 2, 3}) wanted.push_back(embed_in(*other, i));
  expect(emulator::counters.graphs == 0, "a graph is created for launches that occur once");
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
  // Two texts of the same length share a graph.
  expect(emulator::counters.graphs == 3 && emulator::counters.graph_launches == 5,
         "unexpected number of graphs or graph launches");
  expect(one_by_one > 20 && emulator::counters.launches == 2 * one_by_one,
         "kernels are launched outside of graphs");
  expect((emulator::counters.overlapping > 0) == (capability == kHopper),
         "launches overlap on the wrong GPUs");
  for (int repetition = 0; repetition < 2; ++repetition)
    embed(*model, batches[0], kDimensions, true);
  expect(emulator::counters.graphs == 3, "a graph is created for the large plan");
}

// More lists of launches than the cache holds, differing in one parameter; each runs twice in a
// row, so it gets a graph. Uploads between them change what the next list reads, and no thread
// waits in between.
void graphs_are_bounded_and_in_order() {
  constexpr uint32_t kCols = 8, kMaxGraphs = 128, kLists = kMaxGraphs + 6;
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
    for (int repetition = 0; repetition < 2; ++repetition) {
      device.backend.upload(Matrix(x).data, rows[repetition == 0 ? 0 : i].data(),
                            kCols * sizeof(float));
      device.backend.rms_norm(x, gain, static_cast<float>(i), outs[i]);
    }
  }
  device.sync();
  expect(emulator::counters.graphs == kLists, "not every list has a graph");
  expect(emulator::live_allocations() - before == kMaxGraphs, "graphs are not bounded");
  for (uint32_t i = 0; i < kLists; ++i) {
    const float size = rows[i][0], wanted = size / std::sqrt(size * size + static_cast<float>(i));
    expect(std::abs(outs[i].read()[0] / wanted - 1) < 0.01,
           "list " + std::to_string(i) + " read the wrong rows");
  }
}

// More ops than can be recorded at once, and one of another plan. Each op reads what the previous
// one wrote.
void records_no_more_launches_than_fit() {
  constexpr uint32_t kOps = 3000;
  Device device(emulated_entry(DType::bf16, kSmallBatch, false, 4), 0);
  std::vector<float> values(kOps + 1, -1);
  values[0] = 7;
  GuardedArray<float> chain(device, values);
  const GuardedArray<uint32_t> id(device, {0});
  const auto link = [&](uint32_t i) { return Matrix{chain.data() + i, 1, 1, 1, DType::f32}; };
  for (uint32_t i = 0; i < kOps; ++i) {
    if (i == kOps - 1) device.backend.begin_batch(kLargeBatch, false);
    device.backend.gather(id.data(), link(i), link(i + 1));
  }
  device.sync();
  expect(chain.read() == std::vector<float>(kOps + 1, 7), "ops are lost");
}

// Counts the calls into the runtime of a query whose length occurred before. For any model these
// include two copies, two graph launches and two waits: the engine waits before it acquires the
// owner's lock, and again for the vector.
void a_query_makes_few_calls() {
  const auto model = load_tiny_model(open_emulated(DType::bf16));
  std::vector<float> vector(8);
  const auto calls_of_one = [&] {
    emulator::counters = {};
    std::atomic<bool> finished = false;
    const auto request = std::make_shared<Request>();
    request->loaded = model;
    request->add(random_ids(1, 32, 64), std::array{32u}, std::array{vector.data()});
    request->dimensions = static_cast<uint32_t>(vector.size());
    request->max_batch_tokens = 1000;
    request->owner = std::make_shared<MemoryOwner>();
    request->finish = [&](Request&) { finished = true; };
    Engine engine;
    engine.submit(request);
    while (!finished) std::this_thread::yield();
    expect(!request->error, "the query fails");
    return emulator::counters.runtime_calls;
  };
  calls_of_one();
  expect(emulator::counters.launches > 20,
         "the first query does not launch its kernels one by one");
  calls_of_one();
  const uint64_t calls = calls_of_one();
  expect(emulator::counters.launches == 0 && emulator::counters.graph_launches == 2,
         "a repeated query is not two graph launches");
  expect(calls == 14, "a query makes " + std::to_string(calls) + " calls");
}

}  // namespace

void add_graph_cache_tests(Tests& tests) {
  tests.push_back(
      {"cuda: short batches run as graphs", [] { short_batches_run_as_graphs(DType::bf16, 80); }});
  tests.push_back({"cuda: hopper: short batches run as graphs",
                   [] { short_batches_run_as_graphs(DType::s8, kHopper); }});
  tests.push_back({"cuda: graphs are bounded and in order", graphs_are_bounded_and_in_order});
  tests.push_back({"cuda: records no more launches than fit", records_no_more_launches_than_fit});
  tests.push_back({"cuda: a query makes few calls", a_query_makes_few_calls});
}

}  // namespace qwen3::test
