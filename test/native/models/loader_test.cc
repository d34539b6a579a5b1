// The loader: the order in which it runs requests, and that every load calls its callback once.
#include "engine/loader.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <future>
#include <thread>

#include "cpu/isa/isa.h"
#include "error.h"
#include "models/faulty_backend.h"
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

void a_released_model_is_freed_at_once() {
  std::shared_ptr<LoadedModel> model = load_tiny_model(open_reference_backend());
  const std::weak_ptr<LoadedModel> released = model;
  Loader loader;
  loader.release(std::move(model));
  expect(eventually([&] { return released.expired(); }), "the loader still holds a released model");
}

std::shared_ptr<LoadedModel> load(Loader& loader, const ModelSource& source,
                                  const DeviceRequest& device) {
  std::promise<std::shared_ptr<LoadedModel>> loaded;
  auto job = std::make_shared<LoadJob>();
  job->source = source;
  job->device = device;
  job->finish = [&](std::shared_ptr<LoadedModel> model, const std::exception_ptr& failure) {
    failure ? loaded.set_exception(failure) : loaded.set_value(std::move(model));
  };
  loader.submit(job);
  return loaded.get_future().get();
}

void loads_of_the_same_model_share_it() {
  const TinyCheckpoint checkpoint, copy;
  const ModelSource& source = checkpoint.source;
  DeviceRequest device;
  device.device = "cpu";
  device.precision = Precision::f32;
  device.threads = 1;
  Loader loader;
  const std::shared_ptr<LoadedModel> model = load(loader, source, device);
  const auto shares = [&](auto&& change) {
    ModelSource changed = source;
    DeviceRequest request = device;
    change(changed, request);
    return load(loader, changed, request) == model;
  };
  expect(shares([](auto&, auto&) {}), "the same model is loaded twice");
  expect(shares([](auto&, auto& to) { to.threads = 2; }), "another number of threads");
  expect(!shares([](auto&, auto& to) { to.device = "reference"; }), "another device");
  if (best_isa() != Isa::scalar)
    expect(!shares([](auto&, auto& to) { to.instruction_set = "scalar"; }), "instruction set");
  expect(!shares([](auto& from, auto&) { from.files[0].version = "2"; }), "another version");
  expect(!shares([&](auto& from, auto&) { from.files = copy.source.files; }), "another file");
  expect(!shares([](auto& from, auto&) { --from.config.max_positions; }), "fewer positions");
  const auto next = [](auto& value) { value = std::nextafter(value, INFINITY); };
  expect(!shares([&](auto& from, auto&) { next(from.config.norm_eps); }), "another norm");
  expect(!shares([&](auto& from, auto&) { next(from.config.rope_theta); }), "another rotation");
  expect(!shares([](auto& from, auto&) {
    --from.config.layers;
    from.layers.pop_back();
  }),
         "fewer layers");
  DeviceRequest scalar = device;
  scalar.instruction_set = "scalar";
  const std::shared_ptr<LoadedModel> other = load(loader, source, scalar);
  scalar.precision = Precision::bf16;
  expect(load(loader, source, scalar) != other, "another precision");
  model->failed = true;
  expect(!shares([](auto&, auto&) {}), "a model whose device has failed");
}

void cancelled_loads_end() {
  Loader loader;
  const TinyCheckpoint checkpoint;
  for (const bool before : {true, false}) {
    auto job = std::make_shared<LoadJob>();
    std::promise<bool> ended;
    int pieces = 0;
    job->source = checkpoint.source;
    job->device.device = before ? "no such device" : "reference";
    job->cancelled = before;
    job->progress = [&](uint64_t, uint64_t) {
      ++pieces;
      job->cancelled = true;
    };
    job->finish = [&](const auto& model, const std::exception_ptr& failure) {
      ended.set_value(!model && !failure);
    };
    loader.submit(job);
    expect(ended.get_future().get(), "a cancelled load has a model or an error");
    expect(pieces == (before ? 0 : 1), "a cancelled load continues");
    job->progress = nullptr;
  }
}

using Faults = std::shared_ptr<FaultyBackend::Faults>;

std::unique_ptr<Backend> open_faulty(const Faults& faults) {
  return std::make_unique<FaultyBackend>(open_reference_backend(), faults);
}

// The error of a load. Empty if it succeeds.
std::string error_of(const std::function<void()>& load) {
  try {
    load();
  } catch (const Error& error) {
    return std::string(to_string(error.code)) + ": " + error.what();
  }
  return "";
}

std::string error_of(const ModelSource& source, const Faults& faults) {
  return error_of([&] { load_model(source, open_files(source), open_faulty(faults), 0, {}); });
}

void expect_error(const std::string& error, const std::string& begin, const std::string& end) {
  expect(error.starts_with(begin) && error.ends_with(end), "another error: " + error);
}

// Headers of a checkpoint are untrusted.
void refuses_tensors_that_do_not_match() {
  const TinyCheckpoint checkpoint;
  const auto faults = std::make_shared<FaultyBackend::Faults>();
  const auto expect_refused = [&](const std::string& why, auto&& change) {
    ModelSource source = checkpoint.source;
    change(source);
    expect_error(error_of(source, faults), "MODEL_INVALID: ", why);
  };
  expect(error_of(checkpoint.source, faults).empty(), "a valid checkpoint is refused");
  expect_refused(
      "embeddings: its shape in the checkpoint is 63 x 72, but config.json requires 64 "
      "x 72",
      [](auto& from) { from.embeddings.rows = 63; });
  expect_refused(
      "final norm: its shape in the checkpoint is 1 x 71, but config.json requires 1 x "
      "72",
      [](auto& from) { from.final_norm.cols = 71; });
  expect_refused("key and value projections: its tensors are stored in different types",
                 [](auto& from) { from.layers[1].value.dtype = DType::f16; });
  expect_refused("MLP norm: its byte count does not match its shape",
                 [](auto& from) { --from.layers[2].mlp_norm.bytes; });
  expect_refused("query norm: its file index is out of range",
                 [](auto& from) { from.layers[0].query_norm.file = 1; });
  const std::string past = "down projection: its bytes extend past the end of the file";
  const uint64_t size = File(checkpoint.source.files[0].path).size();
  for (const uint64_t offset : {size - 72 * 100 * 2 + 1, size + 1, UINT64_MAX - 100})
    expect_refused(past, [&](auto& from) { from.layers[2].down.offset = offset; });
  expect_refused("layers are missing", [](auto& from) { from.layers.pop_back(); });
}

void loads_fail_with_the_backend() {
  const TinyCheckpoint checkpoint;
  const auto faults = std::make_shared<FaultyBackend::Faults>();
  faults->unsupported = true;
  expect_error(error_of(checkpoint.source, faults), "PRECISION_UNSUPPORTED: attention output: ",
               "rows of 256 values are too long for this precision");
  faults->unsupported = false;
  faults->broken = true;
  expect_error(error_of(checkpoint.source, faults), "DEVICE_FAILED: ", "off the bus");
  faults->broken = false;
  faults->available = 1 << 20;
  expect_error(error_of(checkpoint.source, faults), "OUT_OF_MEMORY: the model needs ",
               " MiB in this precision, 1 MiB are free: use a smaller model or precision");
  // The temporary memory of one weight at a time must fit beside all weights.
  const size_t weights = model_bytes(checkpoint.source, *open_reference_backend());
  faults->temporary = 500;
  faults->available = weights + 499;
  expect_error(error_of(checkpoint.source, faults), "OUT_OF_MEMORY: ", "or precision");
  faults->available = weights + 500;
  expect(error_of(checkpoint.source, faults).empty(), "the weights do not fit one by one");
  // The smallest workspace does not fit beside the weights, which are not read then.
  const std::string error = error_of([&] {
    load_with_workspace(checkpoint.source, open_files(checkpoint.source), open_faulty(faults), {});
  });
  expect_error(error, "OUT_OF_MEMORY: the model needs ", "use a smaller model or precision");
}

void weights_are_aligned() {
  const TinyCheckpoint checkpoint;
  const std::unique_ptr<Model> model =
      load_model(checkpoint.source, open_files(checkpoint.source), open_reference_backend(), 0, {});
  const auto* const begin = static_cast<const char*>(model->memory.get());
  const auto expect_aligned = [&](const Matrix& weight) {
    const auto offset = static_cast<const char*>(weight.data) - begin;
    expect(offset % 256 == 0, "a weight begins at byte " + std::to_string(offset));
  };
  expect_aligned(model->final_norm);
  for (const Layer& layer : model->layers) {
    for (const Matrix& weight : {layer.attention_norm, layer.query, layer.key_value, layer.down})
      expect_aligned(weight);
  }
}

// Of 8 MiB at most, of whole rows.
void large_tensors_are_read_in_pieces() {
  constexpr uint32_t kRows = 60'000;
  const TinyCheckpoint checkpoint({.vocabulary = kRows});
  std::vector<uint64_t> pieces;
  const std::unique_ptr<Model> model =
      load_model(checkpoint.source, open_files(checkpoint.source), open_reference_backend(), 0,
                 [&](uint64_t loaded, uint64_t) {
                   pieces.push_back(loaded);
                   return true;
                 });
  constexpr size_t kBytes = size_t{kRows} * 72 * 2, kPiece = (8 << 20) / 144 * 144;
  expect(pieces[0] == kPiece && pieces[1] == kBytes, "other pieces");
  std::string file(kBytes, '\0');
  std::ifstream(checkpoint.source.files[0].path, std::ios::binary).read(file.data(), kBytes);
  expect(std::memcmp(model->embeddings.data, file.data(), kBytes) == 0, "wrong values");
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
  tests.insert(
      tests.end(),
      {{"engine: a released model is freed before the next load",
        a_released_model_is_freed_before_the_next_load},
       {"engine: every load finishes when the loader stops",
        every_load_finishes_when_the_loader_stops},
       {"engine: a released model is freed at once", a_released_model_is_freed_at_once},
       {"engine: loads of the same model share it", loads_of_the_same_model_share_it},
       {"engine: cancelled loads end", cancelled_loads_end},
       {"load_model: refuses tensors that do not match", refuses_tensors_that_do_not_match},
       {"load_model: loads fail with the backend", loads_fail_with_the_backend},
       {"load_model: weights are aligned", weights_are_aligned},
       {"load_model: large tensors are read in pieces", large_tensors_are_read_in_pieces}});
}

}  // namespace qwen3::test
