// GPU memory: the largest model fits the intended GPUs, allocations that do not fit are refused,
// and vectors that exceed the download buffer are copied in several pieces.
#include <cmath>

#include "cuda_tests.h"
#include "emulated_backend.h"
#include "engine/workspace.h"
#include "error.h"
#include "models/model_family.h"
#include "models/tiny_model.h"
#include "ops/guarded.h"

namespace qwen3::test {
namespace {

constexpr size_t kGiB = size_t{1} << 30;

// Its tensors have shapes but no data.
ModelSource largest_model() {
  const auto tensor = [](uint32_t rows, uint32_t cols) {
    return TensorSource{0, 0, uint64_t{rows} * cols * 2, DType::bf16, rows, cols};
  };
  const ModelConfig& config = kQwen3Embedding8B;
  return model_source(
      config, tensor(config.vocabulary, config.hidden),
      [&](uint32_t count) { return tensor(1, count); }, tensor);
}

// Counts the weights and what the workspace reserves for the longest text, 40,960 tokens, and
// leaves 1 GiB for the driver, its context and the kernels.
void the_8b_fits(DType input, size_t gpu_bytes) {
  const std::unique_ptr<Backend> backend = open_emulated(input);
  const ModelSource model = largest_model();
  const uint32_t rows = backend->traits().batch_rows;
  const size_t weights = model_bytes(model, *backend);
  const size_t workspace =
      workspace_bytes(model.config, *backend, rows, {rows, model.config.max_positions, rows / 8});
  expect(rows / 8 >= page_count(model.config.max_positions), "the longest text has too few pages");
  expect(weights + workspace <= gpu_bytes - kGiB,
         std::to_string(weights >> 20) + " MiB of weights and " + std::to_string(workspace >> 20) +
             " MiB of workspace");
}

void the_8b_fits_intended_gpus() {
  the_8b_fits(DType::bf16, 24 * kGiB);
  the_8b_fits(DType::s8, 12 * kGiB);
}

// If memory is short, the model still loads, and the longest accepted text is shorter.
void a_workspace_uses_available_memory() {
  emulator::reset();
  size_t longest = 0;
  for (const size_t mebibytes : {40, 48, 90}) {
    std::unique_ptr<Backend> backend = open_emulated(DType::bf16);
    emulator::options.device_bytes = mebibytes << 20;
    const std::shared_ptr<LoadedModel> loaded =
        load_tiny_model(std::move(backend), {.max_positions = 20'000});
    const BatchSize limits = loaded->limits;
    expect(limits.tokens > longest && limits.tokens <= 20'000, "more memory is not more tokens");
    expect(limits.pages >= page_count(limits.tokens), "the longest text has too few pages");
    longest = limits.tokens;
    const size_t left = loaded->model->backend->available_bytes();
    const std::vector<Ids> texts{random_ids(1, 65, 64), random_ids(2, 3, 64)};
    for (const Vector& vector : embed(*loaded, texts, 72)) expect(vector.finite, "no vector");
    loaded->workspace->shrink();
    expect(loaded->model->backend->available_bytes() == left, "a batch allocates or frees");
    bool refused = false;
    try {
      embed(*loaded, {random_ids(3, limits.tokens + 1, 64)}, 72);
    } catch (const Error& error) {
      refused = error.code == ErrorCode::out_of_memory;
    }
    expect(refused, "a text that does not fit the memory is not refused");
  }
}

// Each text starts a new page, so the pages of the longest text are too few for a full chunk.
void a_batch_has_pages_for_short_texts() {
  emulator::reset();
  const std::shared_ptr<LoadedModel> loaded = load_tiny_model(open_emulated(DType::bf16));
  const BatchSize limits = loaded->limits;
  const uint32_t rows = loaded->model->backend->traits().batch_rows;
  expect(limits.texts == rows && limits.tokens == rows, "other limits than a chunk");
  expect(limits.pages == rows / 8,
         "there are pages for " + std::to_string(limits.pages) + " texts");
}

void allocates_no_more_memory_than_available() {
  emulator::reset();
  const std::unique_ptr<Backend> backend = open_emulated(DType::bf16);
  emulator::options.device_bytes = 16 << 20;
  const size_t available = backend->available_bytes();
  expect(available + (4 << 20) == emulator::options.device_bytes,
         "a new backend does not have exactly 4 MiB allocated");
  expect(!backend->allocate(available + 1), "more memory is allocated than there is");
  void* memory = backend->allocate(available / 2);
  expect(memory != nullptr && backend->available_bytes() == available - available / 2,
         "the available bytes are wrong after an allocation");
  backend->release(memory);
  expect(!backend->sync(), "a refused allocation makes sync fail");
}

// Vectors that exceed the download buffer are copied in several pieces.
void pools_more_vectors_than_fit_at_once() {
  constexpr uint32_t kCols = 100'000, kRows = 3;
  Device device(emulated_entry(DType::bf16, kLargeBatch, false, 4), 0);
  std::vector<float> x(size_t{kRows} * kCols);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(1 + i / kCols);
  const std::vector<float> gain(kCols, 1);
  const GuardedMatrix matrix(device, kRows, kCols, 0, DType::f32, &x);
  const StoredWeight weight(device, WeightUse::gain, 1, kCols, gain);
  std::vector<std::vector<float>> vectors(kRows, std::vector<float>(kCols));
  std::vector<Pooled> pooled;
  for (uint32_t row = 0; row < kRows; ++row)
    pooled.push_back({row, kCols, vectors[row].data(), false});
  device.backend.pool(matrix, weight, 1e-6f, pooled.data(), kRows);
  device.sync();
  for (uint32_t row = 0; row < kRows; ++row) {
    const double wanted = 1 / std::sqrt(static_cast<double>(kCols));
    expect(pooled[row].finite, "a vector is lost");
    for (const uint32_t i : {0u, kCols / 2, kCols - 1}) {
      expect(std::abs(vectors[row][i] / wanted - 1) < 1e-4, "a vector is wrong");
    }
  }
}

}  // namespace

void add_memory_tests(Tests& tests) {
  tests.push_back({"cuda: the 8B fits 24 GB in bf16 and 12 GB in int8", the_8b_fits_intended_gpus});
  tests.push_back(
      {"cuda: a workspace uses the memory available at load", a_workspace_uses_available_memory});
  tests.push_back({"cuda: a batch has pages for short texts", a_batch_has_pages_for_short_texts});
  tests.push_back(
      {"cuda: allocates no more memory than available", allocates_no_more_memory_than_available});
  tests.push_back(
      {"cuda: pools more vectors than fit at once", pools_more_vectors_than_fit_at_once});
}

}  // namespace qwen3::test
