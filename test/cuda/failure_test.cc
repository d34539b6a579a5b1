// The backend when something fails or is missing: any call into the runtime, memory for graphs,
// machine code for the GPU.
#include <algorithm>
#include <cmath>

#include "backend/cuda_interface.h"
#include "cuda_tests.h"
#include "emulated_backend.h"

namespace qwen3::test {
namespace {

// Runs ops of every kind. Returns the failure that sync returns, "out of memory" if an allocation
// fails, or an empty string. Sets `calls` to the number of calls into the runtime until sync.
std::string run_some_ops(Backend& backend, uint64_t* calls) {
  constexpr uint32_t kRows = 2, kCols = 64, kPiece = 16;
  const Backend::Traits traits = backend.traits();
  const std::vector<float> values(2 * kCols * kCols, 1);
  std::vector<void*> all;
  const auto allocate = [&](size_t bytes) { return all.emplace_back(backend.allocate(bytes)); };
  const auto weight = [&](WeightUse use, uint32_t rows) {
    const WeightLayout layout = backend.weight_layout(use, rows, kCols, DType::f32);
    return Matrix{allocate(layout.bytes), rows, kCols, kCols, layout.dtype};
  };
  const auto matrix = [&](DType dtype) {
    auto* scales = static_cast<float*>(allocate(kRows * sizeof(float)));
    return Matrix{allocate(kRows * kCols * bytes_of(dtype)), kRows, kCols, kCols, dtype, scales};
  };
  const Matrix gain = weight(WeightUse::gain, 1), gate_up = weight(WeightUse::gate_up, 2 * kCols);
  const Matrix down = weight(WeightUse::linear_add, kCols);
  const Matrix x = matrix(DType::f32), normed = matrix(traits.normed), gated = matrix(traits.input);
  std::string message = "out of memory";
  if (std::find(all.begin(), all.end(), nullptr) == all.end()) {
    backend.store_weight(gain, WeightUse::gain, 0, 1, values.data(), DType::f32);
    backend.store_weight(gate_up, WeightUse::gate_up, 0, 2 * kCols, values.data(), DType::f32);
    for (uint32_t row = 0; row < kCols; row += kPiece) {
      backend.store_weight(down, WeightUse::linear_add, row, kPiece, values.data(), DType::f32);
    }
    for (const Matrix& each : {x, normed, gated})
      backend.upload(each.scales, values.data(), kRows * sizeof(float));
    backend.upload(x.data, values.data(), kRows * kCols * sizeof(float));
    const auto compute = [&] {
      backend.rms_norm(x, gain, 1e-6f, normed);
      backend.linear_swiglu(normed, gate_up, gated);
      backend.linear_add(gated, down, x);
    };
    compute();
    // Kernels launched one by one, as a new graph, as a cached graph, and recorded with what
    // follows.
    for (int repetition = 0; repetition < 4; ++repetition) {
      backend.begin_batch(1, false);
      compute();
    }
    std::vector<float> vector(kCols, 7);
    Pooled pooled{1, kCols, vector.data(), true};
    backend.pool(x, gain, 1e-6f, &pooled, 1);
    const char* failure = backend.sync();
    *calls = emulator::counters.runtime_calls;
    message = failure ? failure : "";
    expect(!failure || backend.sync() == failure, "the second sync returns another failure");
    expect(pooled.finite == message.empty(), "a vector of a failed device is reported as finite");
    if (message.empty()) expect(std::abs(vector[3] - 0.125f) < 1e-6f, "the ops are wrong");
    if (!message.empty()) expect(vector[3] == 0, "a vector of a failed device is not zeros");
  }
  for (void* memory : all) backend.release(memory);
  return message;
}

// Makes each call into the runtime fail, in one run after another. Nothing leaks, nothing crashes.
// Returns the number of runs that compute the right vector all the same. `transient`: only that
// call fails; else the device fails with it.
uint64_t runs_that_recover(DType input, int capability, bool transient) {
  emulator::reset();
  uint64_t calls, calls_made, recovered = 0;
  {
    const std::unique_ptr<Backend> backend = open_emulated(input, 0, 4, capability);
    expect(run_some_ops(*backend, &calls).empty(), "the ops fail without a fault");
    expect(emulator::counters.graph_launches == 2,
           "the graph is not created, or not launched again");
  }
  expect(calls > 40, "too few calls are counted");
  for (uint64_t call = 1; call <= calls; ++call) {
    const std::string when = "when call " + std::to_string(call) + " fails: ";
    emulator::reset();
    emulator::options = {};
    emulator::options.capability = capability;
    emulator::options.fail_call = static_cast<int>(call);
    emulator::options.transient = transient;
    char message[64];
    std::unique_ptr<Backend> backend(qwen3_cuda_create(0, input, message, sizeof message));
    const std::string failure = backend ? run_some_ops(*backend, &calls_made) : message;
    recovered += failure.empty();
    expect(transient || !failure.empty(), when + "nothing is reported");
    expect(failure.empty() || failure == "an injected fault" || failure == "out of memory",
           when + "'" + failure + "'");
    backend.reset();
    expect(emulator::live_allocations() == 0, when + "memory leaks");
  }
  emulator::options = {};
  emulator::reset();
  return recovered;
}

void survives_any_failing_call(DType input, int capability = 80) {
  runs_that_recover(input, capability, false);
}

// Kernels whose graph cannot be created are launched one by one.
void survives_any_transient_failure() {
  expect(runs_that_recover(DType::bf16, kHopper, true) > 2,
         "a failure while a graph is created is reported");
}

// Without memory for graphs, kernels are launched one by one.
void works_without_graphs() {
  emulator::options = {};
  emulator::options.graphs = false;
  char message[64];
  const std::unique_ptr<Backend> backend(
      qwen3_cuda_create(0, DType::bf16, message, sizeof message));
  emulator::counters = {};
  uint64_t calls;
  expect(backend && run_some_ops(*backend, &calls).empty(), "the ops fail");
  expect(emulator::counters.graphs == 0 && emulator::counters.launches > 12,
         "there are graphs, or too few launches");
  emulator::options = {};
}

// Kernels compiled from PTX for older GPUs do not wait for the previous launch, so they must not
// overlap it, whatever the GPU.
void kernels_for_older_gpus_do_not_overlap() {
  emulator::options = {};
  emulator::options.capability = kHopper;
  emulator::options.code_capability = 80;
  char message[64];
  const std::unique_ptr<Backend> backend(
      qwen3_cuda_create(0, DType::bf16, message, sizeof message));
  emulator::counters = {};
  uint64_t calls;
  expect(backend && run_some_ops(*backend, &calls).empty(), "the ops fail");
  expect(emulator::counters.overlapping == 0, "kernels overlap");
  expect(emulator::counters.wgmma == 0, "kernels compiled without wgmma run it");
}

}  // namespace

void add_failure_tests(Tests& tests) {
  tests.push_back(
      {"cuda: survives the failure of any call", [] { survives_any_failing_call(DType::bf16); }});
  tests.push_back({"cuda: int8: survives the failure of any call",
                   [] { survives_any_failing_call(DType::s8); }});
  tests.push_back({"cuda: hopper: survives the failure of any call",
                   [] { survives_any_failing_call(DType::bf16, kHopper); }});
  tests.push_back({"cuda: survives any call that fails once", survives_any_transient_failure});
  tests.push_back({"cuda: works without graphs", works_without_graphs});
  tests.push_back({"cuda: hopper: kernels for older GPUs do not overlap",
                   kernels_for_older_gpus_do_not_overlap});
}

}  // namespace qwen3::test
