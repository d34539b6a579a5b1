#include "cuda_tests.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cuda_backend.h"
#include "guarded.h"
#include "number.h"
#include "random.h"

namespace qwen3::test {
namespace {

// --- Opening ----------------------------------------------------------------------------------------------------------

std::string refusal(const CudaOptions& options) {
  char message[64];
  Backend* backend = qwen3_cuda_create(&options, message, sizeof message);
  if (backend) qwen3_cuda_destroy(backend);
  return backend ? "" : message;
}

void says_why_it_does_not_open() {
  simt::options = {};
  const CudaOptions sound{kCudaInterfaceVersion, 0, DType::bf16, false};
  CudaOptions options = sound;
  expect(refusal(options).empty(), "a sound request is refused");
  options.version++;
  expect(refusal(options).find("another version") != std::string::npos, "another version is taken");
  options = sound;
  options.device = 1;
  expect(refusal(options).find("no CUDA device") != std::string::npos, "a device that is not there is taken");
  options = sound;
  options.input = DType::f32;
  expect(refusal(options).find("bf16 and f16") != std::string::npos, "f32 is taken");
}

// --- Failures ---------------------------------------------------------------------------------------------------------

// A little of everything. Gives what sync says; `calls` are those into the runtime until then.
std::string run_some_ops(Backend& on, uint64_t* calls) {
  constexpr uint32_t kCols = 64;
  const std::vector<float> values(16 * kCols, 1);
  const auto allocate = [&](size_t bytes) { return on.allocate(bytes); };
  void* const gain_memory = allocate(kCols * sizeof(float));
  void* const x_memory = allocate(2 * kCols * sizeof(float));
  void* const normed_memory = allocate(2 * kCols * 2);
  void* const weight_memory = allocate(on.weight_layout(WeightUse::linear, kCols, kCols, DType::f32).bytes);
  std::string message = "out of memory";
  if (gain_memory && x_memory && normed_memory && weight_memory) {
    const Matrix gain{gain_memory, 1, kCols, kCols, DType::f32}, x{x_memory, 2, kCols, kCols, DType::f32},
        normed{normed_memory, 2, kCols, kCols, DType::bf16},
        weight{weight_memory, kCols, kCols, kCols, DType::bf16};
    on.store_weight(gain, WeightUse::gain, 0, 1, values.data(), DType::f32);
    for (uint32_t row = 0; row < kCols; row += 16) {
      on.store_weight(weight, WeightUse::linear, row, 16, values.data(), DType::f32);
    }
    on.upload(x_memory, values.data(), 2 * kCols * sizeof(float));
    on.rms_norm(x, gain, 1e-6f, normed);
    on.linear_add(normed, weight, x);
    std::vector<float> vector(kCols, 7);
    Pooled pooled{1, kCols, vector.data(), true};
    on.pool(x, gain, 1e-6f, &pooled, 1);
    const char* failure = on.sync();
    *calls = simt::counters.runtime_calls;
    message = failure ? failure : "";
    expect(!failure || on.sync() == failure, "the second sync tells something else");
    expect(pooled.finite == message.empty(), "a vector of a device that failed passes as good");
    if (message.empty()) expect(std::abs(vector[3] - 0.125f) < 1e-6f, "the ops are wrong");
    if (!message.empty()) expect(vector[3] == 0, "a vector of a device that failed is not zeros");
  }
  for (void* memory : {gain_memory, x_memory, normed_memory, weight_memory}) on.release(memory);
  return message;
}

// Every call into the runtime fails once: the first reason is kept, nothing leaks, nothing crashes.
void survives_any_failing_call() {
  simt::reset();
  uint64_t calls;
  {
    const std::unique_ptr<Backend> backend = open_emulated(DType::bf16);
    expect(run_some_ops(*backend, &calls).empty(), "the ops fail without a fault");
  }
  expect(calls > 40, "the fault hook sees too few calls");
  for (uint64_t call = 1; call <= calls; ++call) {
    const std::string when = "when call " + std::to_string(call) + " fails: ";
    simt::reset();
    simt::options = {};
    simt::options.fail_call = static_cast<int>(call);
    const CudaOptions options{kCudaInterfaceVersion, 0, DType::bf16, false};
    char message[64];
    std::unique_ptr<Backend> backend(qwen3_cuda_create(&options, message, sizeof message));
    uint64_t calls_made;
    const std::string told = backend ? run_some_ops(*backend, &calls_made) : message;
    expect(told == "an injected fault" || told == "out of memory", when + "'" + told + "'");
    backend.reset();
    expect(simt::live_allocations() == 0, when + "memory leaks");
  }
  simt::reset();
}

void gives_no_more_memory_than_there_is() {
  simt::reset();
  const std::unique_ptr<Backend> backend = open_emulated(DType::bf16);
  simt::options.device_bytes = 1 << 20;
  const size_t available = backend->available_bytes();
  expect(available == simt::options.device_bytes, "a fresh card is not empty");
  expect(!backend->allocate(available + 1), "more is given than there is");
  void* memory = backend->allocate(available / 2);
  expect(memory != nullptr && backend->available_bytes() == available - available / 2,
         "what is left is told wrongly");
  backend->release(memory);
  expect(!backend->sync(), "asking for too much fails the device");
}

// --- Kernels ----------------------------------------------------------------------------------------------------------

// Rows of an ldmatrix that meet in a bank would only cost time: nothing else would show them.
void has_no_bank_conflicts() {
  for (const uint32_t batch_tokens : {1u, 10'000u}) {
    for (const int multiprocessors : {1, 132}) {
      BackendEntry entry{"",
                         {[=] {
                           auto backend = open_emulated(DType::bf16, 0, multiprocessors);
                           backend->begin_batch(batch_tokens);
                           return backend;
                         }},
                         simt::read};
      Device device(entry, 0);
      Random random(1);
      const std::vector<float> values = rounded(random.values(size_t{70} * 200), DType::bf16);
      const GuardedMatrix in(device, 70, 200, 200, DType::bf16, &values);
      const StoredWeight weight(device, WeightUse::linear, 70, 200, values);
      const GuardedMatrix out(device, 70, 70, 70, DType::bf16);
      device.on.linear(in, weight, out);
      device.sync();
      expect(simt::counters.mma > 0 && simt::counters.bank_conflicts == 0,
             "the linear op has bank conflicts");
    }
  }
}

// Rows that cp.async reads, in memory that ends with the last value and has nothing in the gaps; more steps than stages.
void linear_reads_aligned_rows() {
  struct Case {
    bool small;
    int multiprocessors;
    uint32_t rows, in, out;
  };
  for (const Case& c : {Case{false, 1, 70, 300, 150},
                        {false, 132, 70, 300, 150},
                        {true, 4, 10, 1700, 40},
                        {true, 4, 20, 1700, 40},
                        {true, 4, 50, 1700, 40}}) {
    const std::unique_ptr<Backend> backend = open_emulated(DType::bf16, 2, c.multiprocessors);
    Backend& on = *backend;
    on.begin_batch(c.small ? 1 : 10'000);
    Random random(7);
    const uint32_t stride = (c.in + 15) / 8 * 8;
    const size_t in_bytes = (size_t{c.rows - 1} * stride + c.in) * 2;
    const Matrix in{on.allocate(in_bytes), c.rows, c.in, stride, DType::bf16};
    const std::vector<float> values = rounded(random.values(size_t{c.rows} * c.in), DType::bf16);
    std::vector<uint16_t> halves(values.size());
    std::transform(values.begin(), values.end(), halves.begin(), to_bf16);
    for (uint32_t row = 0; row < c.rows; ++row) {
      on.upload(static_cast<uint16_t*>(in.data) + size_t{row} * stride, &halves[size_t{row} * c.in],
                c.in * 2);
    }
    const std::vector<float> weights = rounded(random.values(size_t{c.out} * c.in), DType::bf16);
    const WeightLayout layout = on.weight_layout(WeightUse::linear, c.out, c.in, DType::f32);
    const Matrix weight{on.allocate(layout.bytes), c.out, c.in, c.in, layout.dtype};
    on.store_weight(weight, WeightUse::linear, 0, c.out, weights.data(), DType::f32);
    const Matrix out{on.allocate(size_t{c.rows} * c.out * 2), c.rows, c.out, c.out, DType::bf16};
    on.linear(in, weight, out);
    const char* failure = on.sync();
    expect(!failure, simt::last_report());

    std::vector<uint16_t> actual(size_t{c.rows} * c.out);
    simt::read(actual.data(), out.data, actual.size() * 2);
    for (uint32_t t = 0; t < c.rows; ++t) {
      for (uint32_t m = 0; m < c.out; ++m) {
        const float *x = &values[size_t{t} * c.in], *w = &weights[size_t{m} * c.in];
        double wanted = 0;
        for (uint32_t k = 0; k < c.in; ++k) wanted += double{x[k]} * w[k];
        const double allowed = sum_error(c.in, norm(x, c.in) * norm(w, c.in)) + 0x1p-8 * std::abs(wanted);
        expect(std::abs(from_bf16(actual[size_t{t} * c.out + m]) - wanted) <= allowed,
               std::to_string(c.rows) + " rows: row " + std::to_string(t) + ", column " + std::to_string(m));
      }
    }
  }
}

uint16_t f16_of(float value) {
  const auto half = static_cast<_Float16>(value);
  uint16_t bits;
  std::memcpy(&bits, &half, sizeof bits);
  return bits;
}

// In f16 a gated value past 65,504 only fits with its scale; the sum that reads it undoes the scale exactly.
void f16_gated_values_do_not_overflow() {
  constexpr uint32_t kRows = 3, kIn = 8, kGated = 40, kOut = 9;
  const std::unique_ptr<Backend> backend = open_emulated(DType::f16);
  Backend& on = *backend;
  Random random(5);
  std::vector<float> in(kRows * kIn, 16), gate_up(2 * kGated * kIn), down = random.values(kOut * kGated);
  for (size_t i = 0; i < gate_up.size(); ++i) gate_up[i] = static_cast<float>(1 + i / kIn % kGated % 4);
  for (float& value : down) value = static_cast<float>(static_cast<_Float16>(value * 0.01f));
  std::vector<uint16_t> in_halves(in.size());
  std::transform(in.begin(), in.end(), in_halves.begin(), f16_of);

  const auto matrix = [&](uint32_t rows, uint32_t cols, DType dtype) {
    return Matrix{on.allocate(size_t{rows} * cols * bytes_of(dtype)), rows, cols, cols, dtype};
  };
  const auto weight = [&](WeightUse use, uint32_t rows, uint32_t cols, const std::vector<float>& values) {
    const WeightLayout layout = on.weight_layout(use, rows, cols, DType::f32);
    const Matrix stored{on.allocate(layout.bytes), rows, cols, cols, layout.dtype};
    on.store_weight(stored, use, 0, rows, values.data(), DType::f32);
    return stored;
  };
  const Matrix in_matrix = matrix(kRows, kIn, DType::f16), x = matrix(kRows, kOut, DType::f32);
  Matrix gated = matrix(kRows, kGated, DType::f16);
  gated.scales = static_cast<float*>(on.allocate(kRows * sizeof(float)));
  const std::vector<float> zeros(kRows * kOut);
  on.upload(in_matrix.data, in_halves.data(), in_halves.size() * 2);
  on.upload(x.data, zeros.data(), zeros.size() * sizeof(float));
  on.linear_swiglu(in_matrix, weight(WeightUse::gate_up, 2 * kGated, kIn, gate_up), gated);
  on.linear_add(gated, weight(WeightUse::linear, kOut, kGated, down), x);
  const char* failure = on.sync();
  expect(!failure, failure ? failure : "");

  std::vector<float> actual(zeros.size());
  simt::read(actual.data(), x.data, actual.size() * sizeof(float));
  for (uint32_t m = 0; m < kOut; ++m) {
    double wanted = 0, size = 0, largest = 0;
    for (uint32_t g = 0; g < kGated; ++g) {
      const double sum = 16.0 * kIn * (1 + g % 4),
                   product = sum * sum * down[m * kGated + g];  // silu is the identity
      wanted += product;
      size += std::abs(product);
      largest = std::max(largest, sum * sum);
    }
    expect(largest > 2e5, "the test does not reach past f16");
    for (uint32_t t = 0; t < kRows; ++t) {
      expect(std::abs(actual[t * kOut + m] - wanted) <= size * 0x1p-11,
             "gated values lose more than their rounding");
    }
  }
}

// Vectors that do not fit the way out together leave it in several goes.
void pools_more_than_fits_at_once() {
  constexpr uint32_t kCols = 100'000, kRows = 3;
  BackendEntry entry{"", {[] { return open_emulated(DType::bf16); }}, simt::read};
  Device device(entry, 0);
  std::vector<float> x(size_t{kRows} * kCols);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(1 + i / kCols);
  const std::vector<float> gain(kCols, 1);
  const GuardedMatrix matrix(device, kRows, kCols, kCols, DType::f32, &x);
  const StoredWeight weight(device, WeightUse::gain, 1, kCols, gain);
  std::vector<std::vector<float>> vectors(kRows, std::vector<float>(kCols));
  std::vector<Pooled> pooled;
  for (uint32_t row = 0; row < kRows; ++row) pooled.push_back({row, kCols, vectors[row].data(), false});
  device.on.pool(matrix, weight, 1e-6f, pooled.data(), kRows);
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

std::unique_ptr<Backend> open_emulated(DType input, uint64_t seed, int multiprocessors) {
  simt::options = {};
  simt::options.seed = seed;
  simt::options.multiprocessors = multiprocessors;
  const CudaOptions options{kCudaInterfaceVersion, 0, input, false};
  char message[256];
  Backend* backend = qwen3_cuda_create(&options, message, sizeof message);
  expect(backend, backend ? "" : message);
  return std::unique_ptr<Backend>(backend);
}

void add_cuda_tests(Tests& tests) {
  tests.push_back({"cuda: says why it does not open", says_why_it_does_not_open});
  tests.push_back({"cuda: survives the failure of any call", survives_any_failing_call});
  tests.push_back({"cuda: gives no more memory than there is", gives_no_more_memory_than_there_is});
  tests.push_back({"cuda: no bank conflicts", has_no_bank_conflicts});
  tests.push_back({"cuda: linear ops on aligned rows", linear_reads_aligned_rows});
  tests.push_back({"cuda: f16 gated values do not overflow", f16_gated_values_do_not_overflow});
  tests.push_back({"cuda: pools more than fits at once", pools_more_than_fits_at_once});
}

}  // namespace qwen3::test
