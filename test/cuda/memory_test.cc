// What a card's memory is asked for: that the large models fit the cards they are meant for, and what is refused.
#include "cuda_tests.h"
#include "engine/model_source.h"
#include "engine/tiny_model.h"
#include "engine/workspace.h"
#include "error.h"
#include "model/load_model.h"

namespace qwen3::test {
namespace {

constexpr size_t kGiB = size_t{1} << 30;

// Its tensors lie nowhere: only their shapes count.
ModelSource largest_model() {
  const auto tensor = [](uint32_t rows, uint32_t cols) {
    return TensorSource{0, 0, uint64_t{rows} * cols * 2, DType::bf16, rows, cols};
  };
  const ModelConfig& config = kQwen3Embedding8B;
  return model_source(
      config, tensor(config.vocabulary, config.hidden), [&](uint32_t count) { return tensor(1, count); },
      tensor);
}

// With what the workspace reserves for the longest text, 40,960 tokens, and a GiB left for the driver, its context and
// the kernels.
void the_8b_fits(DType input, size_t card) {
  const std::unique_ptr<Backend> backend = open_emulated(input);
  const ModelSource model = largest_model();
  const uint32_t rows = backend->traits().batch_rows;
  const size_t weights = model_bytes(model, *backend);
  const size_t workspace =
      workspace_bytes(model.config, *backend, rows, {rows, model.config.max_positions, rows / 8});
  expect(rows / 8 >= page_count(model.config.max_positions), "the longest text has too few pages");
  expect(weights + workspace <= card - kGiB, std::to_string(weights >> 20) + " MiB of weights and " +
                                                 std::to_string(workspace >> 20) + " MiB to work in");
}

void the_8b_fits_its_cards() {
  the_8b_fits(DType::bf16, 24 * kGiB);
  the_8b_fits(DType::s8, 12 * kGiB);
}

// What is short decides how long a text may be, not whether the model loads.
void a_workspace_takes_what_is_there() {
  simt::reset();
  size_t longest = 0;
  for (const size_t mebibytes : {40, 48, 90}) {
    std::unique_ptr<Backend> backend = open_emulated(DType::bf16);
    simt::options.device_bytes = mebibytes << 20;
    const std::shared_ptr<LoadedModel> loaded =
        load_tiny_model(std::move(backend), {.max_positions = 20'000});
    const BatchSize limits = loaded->limits;
    expect(limits.tokens > longest && limits.tokens <= 20'000, "more memory is not more tokens");
    expect(limits.pages >= page_count(limits.tokens), "the longest text has too few pages");
    longest = limits.tokens;
    const size_t left = loaded->model->backend->available_bytes();
    const std::vector<Ids> texts{random_ids(1, 65, 64), random_ids(2, 3, 64)};
    for (const Vector& vector : embed(*loaded, texts, 72)) expect(vector.finite, "no vector");
    expect(loaded->model->backend->available_bytes() == left, "a batch allocates");
    bool refused = false;
    try {
      embed(*loaded, {random_ids(3, limits.tokens + 1, 64)}, 72);
    } catch (const Error& error) {
      refused = error.code == ErrorCode::out_of_memory;
    }
    expect(refused, "a text that is too long for the memory is not refused");
  }
}

}  // namespace

void add_memory_tests(Tests& tests) {
  tests.push_back({"cuda: the 8B fits 24 GB in bf16 and 12 GB in int8", the_8b_fits_its_cards});
  tests.push_back({"cuda: a workspace takes what is there, at load", a_workspace_takes_what_is_there});
}

}  // namespace qwen3::test
