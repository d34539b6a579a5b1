#include "cuda_tests.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <thread>

#include "backend/cuda_interface.h"
#include "engine/engine.h"
#include "engine/tiny_model.h"
#include "ops/guarded.h"
#include "ops/number.h"
#include "ops/paged_attention.h"
#include "ops/rotated.h"
#include "random.h"
#include "tuning.h"

namespace qwen3::test {
namespace {

constexpr int kHopper = 90;

// Of the environment, while it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;

 private:
  const char* name_;
};

// --- Opening ----------------------------------------------------------------------------------------------------------

std::string refusal(int device, DType input) {
  char message[64];
  const std::unique_ptr<Backend> backend(qwen3_cuda_create(device, input, message, sizeof message));
  return backend ? "" : message;
}

void says_why_it_does_not_open() {
  simt::options = {};
  expect(qwen3_cuda_interface_version() == kCudaInterfaceVersion, "another version than its header's");
  for (const DType input : {DType::bf16, DType::f16, DType::s8}) {
    expect(refusal(0, input).empty(), "a sound request is refused");
  }
  for (const int device : {-1, 1}) {
    expect(refusal(device, DType::bf16).find("no CUDA device") != std::string::npos,
           "a device that is not there is taken");
  }
  expect(refusal(0, DType::f32).find("bf16, f16 and int8") != std::string::npos, "f32 is taken");
}

// What people are shown says which kernels run.
void tells_which_kernels_run() {
  const auto told = [](int capability, int code_capability = 0) {
    simt::options = {};
    simt::options.capability = capability;
    simt::options.code_capability = code_capability;
    char message[64];
    const std::unique_ptr<Backend> backend(qwen3_cuda_create(0, DType::bf16, message, sizeof message));
    expect(backend != nullptr, message);
    return std::string(backend->traits().instruction_set);
  };
  const auto expect_told = [](const std::string& actual, const std::string& wanted) {
    expect(actual == "emulated device, " + wanted, "'" + actual + "', not " + wanted);
  };
  expect_told(told(80), "sm_80");
  expect_told(told(100), "sm_100");
  expect_told(told(kHopper), "sm_90a");
  expect_told(told(kHopper, 80), "sm_90");
  const Variable off("QWEN3_EMBED_HOPPER", "0");
  expect_told(told(kHopper), "sm_90");
}

// --- Tuning ---------------------------------------------------------------------------------------

void reads_tuning() {
  char message[512] = "";
  cuda::Tuning tuning;
  const auto parse = [&](const std::string& words) {
    return cuda::parse_tuning(words, &tuning, message, sizeof message);
  };
  expect(parse("") && tuning.part_blocks == 128, "nothing changes something");
  expect(
      parse("tile=wide,narrow_step=1.25,finish_store=0,finish_add=1.5,finish_swiglu=10000,finish_int8=7") &&
          parse("small_tokens=64,broad_cols=1,enough_tiles=1000000,part_blocks=1024,part_steps=9"),
      message);
  expect(tuning.tile == cuda::TileForm::wide && tuning.narrow_step == 1.25 && tuning.finish_store == 0 &&
             tuning.finish_add == 1.5 && tuning.finish_swiglu == 10'000 && tuning.finish_int8 == 7 &&
             tuning.small_tokens == 64 && tuning.broad_cols == 1 && tuning.enough_tiles == 1'000'000 &&
             tuning.part_blocks == 1024 && tuning.part_steps == 9,
         "a number is read wrongly");
  expect(parse("tile=narrow") && tuning.tile == cuda::TileForm::narrow, "narrow is read wrongly");
  expect(parse("tile=auto") && tuning.tile == cuda::TileForm::automatic, "auto is read wrongly");

  for (const char* bad : {"tile",
                          "tile=",
                          "tile=Wide",
                          "=1",
                          "tiles=1",
                          "narrow_step",
                          "narrow_step=",
                          "narrow_step=nan",
                          "narrow_step=-nan",
                          "narrow_step=inf",
                          "narrow_step=1e999",
                          "narrow_step=1e-999",
                          "narrow_step=-1",
                          "narrow_step=100.5",
                          "narrow_step=.5",
                          "narrow_step=1.",
                          "narrow_step=1.-5",
                          "narrow_step=1.1234567",
                          "narrow_step=4294967297",
                          "narrow_step=1.5x",
                          "narrow_step= 1",
                          "narrow_step=0x1",
                          "narrow_step=1.5;tile=wide",
                          "small_tokens=65",
                          "small_tokens=-1",
                          "small_tokens=1.5",
                          "small_tokens=4294967297",
                          "part_blocks=0",
                          "part_blocks=1025",
                          "part_blocks=99999999999999999999",
                          "part_steps=0",
                          "broad_cols=0",
                          "enough_tiles=0",
                          ",",
                          "tile=wide,,part_steps=1",
                          "tile=wide,tile=%s%n"}) {
    expect(!parse(bad), std::string(bad) + " is taken");
    for (const char* name : {"tile", "narrow_step", "finish_int8", "small_tokens", "part_steps"}) {
      expect(std::string(message).find(std::string(name) + "=") != std::string::npos,
             std::string(name) + " is not named for " + bad);
    }
  }
  expect(!parse(std::string(100'000, 'x')) && std::string(message).ends_with("part_steps=1 to 1000000"),
         "a long word is taken, or hides the names");
  char small[8];
  expect(!cuda::parse_tuning("x", &tuning, small, sizeof small) && std::strlen(small) == 7, "not cut to fit");

  simt::options = {};
  const Variable bad("QWEN3_EMBED_CUDA_TUNING", "part_blocks=1025");
  expect(refusal(0, DType::bf16).find("QWEN3_EMBED_CUDA_TUNING takes") == 0,
         "a backend opens with bad tuning");
}

// --- Failures ---------------------------------------------------------------------------------------------------------

// A little of everything. Gives what sync says; `calls` are those into the runtime until then.
std::string run_some_ops(Backend& on, uint64_t* calls) {
  constexpr uint32_t kRows = 2, kCols = 64, kPiece = 16;
  const Backend::Traits traits = on.traits();
  const std::vector<float> values(2 * kCols * kCols, 1);
  std::vector<void*> all;
  const auto allocate = [&](size_t bytes) { return all.emplace_back(on.allocate(bytes)); };
  const auto weight = [&](WeightUse use, uint32_t rows) {
    const WeightLayout layout = on.weight_layout(use, rows, kCols, DType::f32);
    return Matrix{allocate(layout.bytes), rows, kCols, kCols, layout.dtype};
  };
  const auto matrix = [&](DType dtype) {
    auto* scales = static_cast<float*>(allocate(kRows * sizeof(float)));
    return Matrix{allocate(kRows * kCols * bytes_of(dtype)), kRows, kCols, kCols, dtype, scales};
  };
  const Matrix gain = weight(WeightUse::gain, 1), gate_up = weight(WeightUse::gate_up, 2 * kCols),
               down = weight(WeightUse::linear_add, kCols);
  const Matrix x = matrix(DType::f32), normed = matrix(traits.normed), gated = matrix(traits.input);
  std::string message = "out of memory";
  if (std::find(all.begin(), all.end(), nullptr) == all.end()) {
    on.store_weight(gain, WeightUse::gain, 0, 1, values.data(), DType::f32);
    on.store_weight(gate_up, WeightUse::gate_up, 0, 2 * kCols, values.data(), DType::f32);
    for (uint32_t row = 0; row < kCols; row += kPiece) {
      on.store_weight(down, WeightUse::linear_add, row, kPiece, values.data(), DType::f32);
    }
    for (const Matrix& each : {x, normed, gated})
      on.upload(each.scales, values.data(), kRows * sizeof(float));
    on.upload(x.data, values.data(), kRows * kCols * sizeof(float));
    const auto compute = [&] {
      on.rms_norm(x, gain, 1e-6f, normed);
      on.linear_swiglu(normed, gate_up, gated);
      on.linear_add(gated, down, x);
    };
    compute();
    for (int time = 0; time < 4;
         ++time) {  // one by one, as a graph that is made, as one that is there, with what follows
      on.begin_batch(1, false);
      compute();
    }
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
  for (void* memory : all) on.release(memory);
  return message;
}

// Every call into the runtime fails once: the first reason is kept, nothing leaks, nothing crashes.
void survives_any_failing_call(DType input, int capability = 80) {
  simt::reset();
  uint64_t calls;
  {
    const std::unique_ptr<Backend> backend = open_emulated(input, 0, 4, capability);
    expect(run_some_ops(*backend, &calls).empty(), "the ops fail without a fault");
    expect(simt::counters.graph_launches == 2, "no graph is made, or it is not there again");
  }
  expect(calls > 40, "the fault hook sees too few calls");
  for (uint64_t call = 1; call <= calls; ++call) {
    const std::string when = "when call " + std::to_string(call) + " fails: ";
    simt::reset();
    simt::options = {};
    simt::options.capability = capability;
    simt::options.fail_call = static_cast<int>(call);
    char message[64];
    std::unique_ptr<Backend> backend(qwen3_cuda_create(0, input, message, sizeof message));
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
  simt::options.device_bytes = 16 << 20;
  const size_t available = backend->available_bytes();
  expect(available + (4 << 20) == simt::options.device_bytes, "a fresh card is not empty");
  expect(!backend->allocate(available + 1), "more is given than there is");
  void* memory = backend->allocate(available / 2);
  expect(memory != nullptr && backend->available_bytes() == available - available / 2,
         "what is left is told wrongly");
  backend->release(memory);
  expect(!backend->sync(), "asking for too much fails the device");
}

// --- Kernels ----------------------------------------------------------------------------------------------------------

BackendEntry entry_of(DType input, uint32_t batch_tokens, bool invariant, int multiprocessors,
                      const std::string& tuning = "", int capability = 80, uint64_t seed = 2) {
  return {"",
          {[=] {
            auto backend = open_emulated(input, seed, multiprocessors, capability, tuning);
            backend->begin_batch(batch_tokens, invariant);
            return backend;
          }},
          simt::read,
          true};
}

// The op that reads weights of this use.
void run_linear(Device& device, WeightUse use, Matrix in, Matrix weight, Matrix out) {
  switch (use) {
    case WeightUse::gate_up: return device.on.linear_swiglu(in, weight, out);
    case WeightUse::linear_add: return device.on.linear_add(in, weight, out);
    default: return device.on.linear(in, weight, out);
  }
}

constexpr uint32_t kSmallBatch = 1, kLargeBatch = 10'000;

// Rows of an ldmatrix that meet in a bank would only cost time: nothing else would show them.
void has_no_bank_conflicts() {
  for (const DType input : {DType::bf16, DType::s8}) {
    for (const uint32_t batch_tokens : {kSmallBatch, kLargeBatch}) {
      for (const int multiprocessors : {1, 132}) {
        Device device(entry_of(input, batch_tokens, false, multiprocessors), 0);
        Random random(1);
        const std::vector<float> values = rounded(random.values(size_t{70} * 208), 208, input);
        const GuardedMatrix in(device, 70, 208, 0, input, &values);
        const StoredWeight weight(device, WeightUse::linear, 70, 208, values);
        const GuardedMatrix out(device, 70, 70, 0, device.output);
        device.on.linear(in, weight, out);
        device.sync();
        expect(simt::counters.mma > 0 && simt::counters.bank_conflicts == 0,
               "the linear op has bank conflicts");
      }
    }
  }
}

// From the start of a row of 16-bit values to that of the next, which begin at multiples of 16 bytes.
uint32_t row_stride(uint32_t cols) { return (cols + 7) / 8 * 8; }

Matrix allocate_halves(Backend& on, uint32_t rows, uint32_t cols) {
  const uint32_t stride = row_stride(cols);
  return {on.allocate((size_t{rows - 1} * stride + cols) * 2), rows, cols, stride, DType::bf16};
}
std::vector<uint16_t> read_halves(Matrix matrix) {
  std::vector<uint16_t> values(size_t{matrix.rows} * matrix.cols);
  for (size_t r = 0; r < matrix.rows; ++r) {
    simt::read(&values[r * matrix.cols], static_cast<uint16_t*>(matrix.data) + r * matrix.stride,
               matrix.cols * 2);
  }
  return values;
}

// In memory that ends with the last value and has nothing in the gaps; more steps than stages.
void linear_reads_what_is_there() {
  struct Case {
    bool small;
    int multiprocessors;
    uint32_t rows, in, out;
    int capability = 80;
  };
  for (const Case& c : {Case{false, 1, 70, 300, 150},
                        {false, 132, 70, 300, 150},
                        {true, 4, 10, 1700, 40},
                        {true, 4, 20, 1700, 40},
                        {true, 4, 50, 1700, 40},
                        {true, 4, 20, 424, 4097},
                        {true, 4, 10, 321, 6100, kHopper},
                        {false, 1, 140, 357, 500, kHopper},
                        {false, 132, 140, 357, 500, kHopper},
                        {false, 132, 1, 3, 1, kHopper},
                        {false, 2, 128, 64, 257, kHopper}}) {
    const std::unique_ptr<Backend> backend = open_emulated(DType::bf16, 2, c.multiprocessors, c.capability);
    Backend& on = *backend;
    on.begin_batch(c.small ? kSmallBatch : kLargeBatch, false);
    Random random(7);
    const uint32_t stride = row_stride(c.in + 8);
    const size_t in_bytes = (size_t{c.rows - 1} * stride + c.in) * 2;
    const Matrix in{on.allocate(in_bytes), c.rows, c.in, stride, DType::bf16};
    const std::vector<float> values = rounded(random.values(size_t{c.rows} * c.in), c.in, DType::bf16);
    std::vector<uint16_t> halves(values.size());
    std::transform(values.begin(), values.end(), halves.begin(), to_bf16);
    for (uint32_t row = 0; row < c.rows; ++row) {
      on.upload(static_cast<uint16_t*>(in.data) + size_t{row} * stride, &halves[size_t{row} * c.in],
                c.in * 2);
    }
    const std::vector<float> weights = rounded(random.values(size_t{c.out} * c.in), c.in, DType::bf16);
    const WeightLayout layout = on.weight_layout(WeightUse::linear, c.out, c.in, DType::f32);
    const Matrix weight{on.allocate(layout.bytes), c.out, c.in, c.in, layout.dtype};
    on.store_weight(weight, WeightUse::linear, 0, c.out, weights.data(), DType::f32);
    const Matrix out = allocate_halves(on, c.rows, c.out);
    on.linear(in, weight, out);
    expect(!on.sync(), simt::last_report());

    const std::vector<uint16_t> actual = read_halves(out);
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

// A gated value past what f16 holds, among small ones: it fits with its row's scale, which the sum that reads it undoes.
void gated_values_may_be_large(DType input) {
  constexpr uint32_t kRows = 3, kIn = 8, kGated = 40, kOut = 9, kLarge = 17;
  Device device(entry_of(input, kLargeBatch, false, 4), 0);
  Random random(5);
  const std::vector<float> values(kRows * kIn, 16), zeros(kRows * kOut);
  std::vector<float> gate_up(2 * kGated * kIn);
  for (size_t i = 0; i < gate_up.size(); ++i) gate_up[i] = i / kIn % kGated == kLarge ? 2.5f : 0.0625f;
  const std::vector<float> down = rounded(random.values(kOut * kGated), kGated, device.input);
  const GuardedMatrix in(device, kRows, kIn, 0, input, &values);
  const StoredWeight gate_up_weight(device, WeightUse::gate_up, 2 * kGated, kIn, gate_up);
  const StoredWeight down_weight(device, WeightUse::linear_add, kOut, kGated, down);
  const GuardedMatrix gated(device, kRows, kGated, 0, device.input),
      x(device, kRows, kOut, 0, DType::f32, &zeros);
  device.on.linear_swiglu(in, gate_up_weight, gated);
  device.on.linear_add(gated, down_weight, x);
  device.sync();

  std::vector<float> wanted(kGated);
  for (uint32_t g = 0; g < kGated; ++g) {
    const double sum = 16.0 * kIn * (g == kLarge ? 2.5 : 0.0625);
    wanted[g] = static_cast<float>(sum / (1 + std::exp(-sum)) * sum);
  }
  expect(wanted[kLarge] > 1e5f, "the test does not reach past f16");
  const std::vector<double> errors = rounding_errors(wanted, kGated, device.input, 128);
  const std::vector<double> quantizing = levelled_errors(wanted, down, kGated);
  const std::vector<float> actual = x.read();
  for (uint32_t t = 0; t < kRows; ++t) {
    for (uint32_t m = 0; m < kOut; ++m) {
      double sum = 0, error = input == DType::s8 ? quantizing[m] : 0;
      for (uint32_t g = 0; g < kGated; ++g) {
        sum += double{wanted[g]} * down[m * kGated + g];
        error += (errors[g] + 32 * kRoundoff * wanted[g]) * std::abs(down[m * kGated + g]);
      }
      expect(std::abs(actual[t * kOut + m] - sum) <= error, "gated values lose more than their rounding");
    }
  }
}

// --- int8 -------------------------------------------------------------------------------------------------------------

// Whole numbers with a 127 in every row, scales of five bits: all of it stands exactly in f32 rows.
std::vector<QuantizedRow> random_quantized_rows(Random& random, uint32_t rows, uint32_t cols, bool extreme) {
  std::vector<QuantizedRow> result;
  for (uint32_t r = 0; r < rows; ++r) {
    QuantizedRow row{std::vector<int8_t>(cols), std::ldexp(static_cast<float>(17 + r % 15), -(int(r) % 9))};
    for (int8_t& value : row.values) {
      value = static_cast<int8_t>(extreme ? 127 : static_cast<int>(random.below(255)) - 127);
    }
    row.values[random.below(cols)] = 127;
    if (extreme && r % 2 == 1) std::fill(row.values.begin(), row.values.end(), int8_t{-127});
    result.push_back(row);
  }
  return result;
}

std::vector<float> values_of(const std::vector<QuantizedRow>& rows) {
  std::vector<float> values;
  for (const QuantizedRow& row : rows) {
    const std::vector<float> part = dequantized(row);
    values.insert(values.end(), part.begin(), part.end());
  }
  return values;
}

Matrix allocate_rows(Backend& on, uint32_t rows, uint32_t cols, uint32_t stride) {
  auto* scales = static_cast<float*>(on.allocate(rows * sizeof(float)));
  return {on.allocate(size_t{rows - 1} * stride + cols), rows, cols, stride, DType::s8, scales};
}

// Sums of whole numbers leave nothing to chance. Rows lie in memory that ends with the last of them and has nothing in
// the gaps. The weight's whole numbers are those that it was made of, and its scales, only if it is stored exactly.
void int8_sums_are_exact() {
  struct Case {
    bool small;
    int multiprocessors;
    uint32_t rows, in, out;
    bool extreme = false;
    int capability = 80;
  };
  for (const Case& c : {Case{false, 1, 70, 300, 150},
                        {false, 132, 70, 300, 150},
                        {true, 4, 10, 3400, 40},
                        {true, 4, 20, 3400, 40},
                        {true, 4, 50, 3400, 40},
                        {true, 4, 20, 520, 4100},
                        {false, 132, 3, 12'288, 5, true},
                        {true, 132, 3, 12'288, 5, true},
                        {false, 1, 140, 700, 504, false, kHopper},
                        {false, 132, 140, 700, 504, false, kHopper},
                        {false, 132, 3, 12'288, 8, true, kHopper}}) {
    const std::unique_ptr<Backend> backend = open_emulated(DType::s8, 2, c.multiprocessors, c.capability);
    Backend& on = *backend;
    on.begin_batch(c.small ? kSmallBatch : kLargeBatch, false);
    Random random(7);
    const std::vector<QuantizedRow> rows = random_quantized_rows(random, c.rows, c.in, c.extreme),
                                    weights = random_quantized_rows(random, c.out, c.in, c.extreme);
    const Matrix in = allocate_rows(on, c.rows, c.in, (c.in + 31) / 16 * 16);
    for (uint32_t t = 0; t < c.rows; ++t) {
      on.upload(static_cast<int8_t*>(in.data) + size_t{t} * in.stride, rows[t].values.data(), c.in);
      on.upload(in.scales + t, &rows[t].scale, sizeof(float));
    }
    const WeightLayout layout = on.weight_layout(WeightUse::linear, c.out, c.in, DType::f32);
    const Matrix weight{on.allocate(layout.bytes), c.out, c.in, c.in, layout.dtype};
    on.store_weight(weight, WeightUse::linear, 0, c.out, values_of(weights).data(), DType::f32);
    const Matrix out = allocate_halves(on, c.rows, c.out);
    on.linear(in, weight, out);
    expect(!on.sync(), simt::last_report());

    const std::vector<uint16_t> actual = read_halves(out);
    const auto order = static_cast<float>(rotation_order(c.in));
    for (uint32_t t = 0; t < c.rows; ++t) {
      for (uint32_t m = 0; m < c.out; ++m) {
        int64_t sum = 0;
        for (uint32_t k = 0; k < c.in; ++k) sum += rows[t].values[k] * weights[m].values[k];
        expect(sum == static_cast<int32_t>(sum), "the test's sums do not fit in 32 bits");
        const float wanted = static_cast<float>(sum) * rows[t].scale * (weights[m].scale / order);
        expect(actual[size_t{t} * c.out + m] == to_bf16(wanted),
               std::to_string(c.rows) + " rows of " + std::to_string(c.in) + ": row " + std::to_string(t) +
                   ", column " + std::to_string(m) + ": " +
                   std::to_string(from_bf16(actual[size_t{t} * c.out + m])) + ", not " +
                   std::to_string(wanted));
      }
    }
  }
}

// A norm changes only the scale of what stands exactly in whole numbers.
void int8_rows_are_as_defined() {
  for (const uint32_t cols : {1u, 2u, 3u, 24u, 96u, 264u, 1000u, 4096u, 9728u, 12'288u}) {
    constexpr uint32_t kRows = 3;
    const std::unique_ptr<Backend> backend = open_emulated(DType::s8, 2);
    Backend& on = *backend;
    Random random(8);
    const std::vector<QuantizedRow> rows = random_quantized_rows(random, kRows, cols, false);
    const std::vector<float> values = values_of(rows), ones(cols, 1);
    const size_t bytes = values.size() * sizeof(float);
    const Matrix x{on.allocate(bytes), kRows, cols, cols, DType::f32},
        gain{on.allocate(cols * sizeof(float)), 1, cols, cols, DType::f32};
    const Matrix out = allocate_rows(on, kRows, cols, (cols + 15) / 16 * 16);
    on.upload(x.data, values.data(), bytes);
    on.upload(gain.data, ones.data(), cols * sizeof(float));
    on.rms_norm(x, gain, 0, out);
    expect(!on.sync(), simt::last_report());
    for (uint32_t r = 0; r < kRows; ++r) {
      std::vector<int8_t> actual(cols);
      float scale;
      simt::read(actual.data(), static_cast<int8_t*>(out.data) + size_t{r} * out.stride, cols);
      simt::read(&scale, out.scales + r, sizeof scale);
      const std::string where = "row " + std::to_string(r) + " of " + std::to_string(cols);
      expect(actual == rows[r].values, where + ": other whole numbers");
      const double wanted = rows[r].scale * std::sqrt(cols) / norm(&values[size_t{r} * cols], cols);
      expect(std::abs(scale / wanted - 1) < 1e-5, where + ": another scale");
    }
  }
}

// Without the rotation, one value of 16,000 would leave ones nothing of 127 steps.
void int8_keeps_ones_beside_a_massive_value() {
  constexpr uint32_t kCols = 4096, kMassive = 1234;
  Device device(entry_of(DType::s8, kLargeBatch, false, 4), 0);
  Random random(9);
  std::vector<float> x(kCols);
  for (float& value : x) value = random.uniform(0.5f, 1.5f);
  x[kMassive] = 16'000;
  const std::vector<float> gain(kCols, 1);
  const GuardedMatrix in(device, 1, kCols, 0, DType::f32, &x), out(device, 1, kCols, 0, DType::s8);
  const StoredWeight weight(device, WeightUse::gain, 1, kCols, gain);
  device.on.rms_norm(in, weight, 0, out);
  device.sync();
  const double scale = std::sqrt(kCols) / norm(x.data(), kCols);
  std::vector<float> wanted(kCols);
  for (uint32_t i = 0; i < kCols; ++i) wanted[i] = static_cast<float>(x[i] * scale);
  std::vector<double> tolerance = rounding_errors(wanted, kCols, DType::s8);
  const double allowed = tolerance[0] * std::sqrt(kCols);
  tolerance[kMassive] = quantized(wanted.data(), kCols).scale / 2;  // its own signs are those of all errors
  const std::vector<float> actual = out.read();
  expect_close(actual, wanted, tolerance, kCols);
  // Errors have no common sign: what many ones add up to stands out of them.
  double sum = 0, wanted_sum = 0;
  for (uint32_t i = 0; i < kCols; ++i) {
    if (i == kMassive) continue;
    sum += actual[i];
    wanted_sum += wanted[i];
  }
  expect(allowed < wanted_sum / 4 && std::abs(sum - wanted_sum) <= allowed, "the ones are lost");
}

// --- Batches ----------------------------------------------------------------------------------------------------------

// One row in a batch of its own, which may have the small plan's sums and an invariant batch may not.
void invariant_batches_have_the_large_plans_bits() {
  constexpr uint32_t kIn = 700, kOut = 40;
  for (const DType input : {DType::bf16, DType::f16, DType::s8}) {
    Random random(10);
    const std::vector<float> values = rounded(random.values(kIn), kIn, DType::bf16);
    const std::vector<float> weights = random.values(size_t{kOut} * kIn), zeros(kOut);
    const auto sums = [&](uint32_t batch_tokens, bool invariant, const std::string& tuning = "") {
      Device device(entry_of(input, batch_tokens, invariant, 4, tuning), 0);
      const GuardedMatrix in(device, 1, kIn, 4, device.input, &values),
          x(device, 1, kOut, 0, DType::f32, &zeros);
      const StoredWeight weight(device, WeightUse::linear_add, kOut, kIn, weights);
      device.on.linear_add(in, weight, x);
      device.sync();
      return x.read();
    };
    const std::vector<float> wanted = sums(kLargeBatch, false);
    expect_same_bits(sums(1, true), wanted, kOut, "an invariant batch of one row");
    expect_same_bits(sums(65, false), wanted, kOut, "a batch past the small plan");
    expect_same_bits(sums(5, false, "small_tokens=4"), wanted, kOut, "a batch past a tuned small plan");
    // Whole numbers have the same sum in any plan.
    expect((sums(1, false) == wanted) == (input == DType::s8), "the test cannot tell the plans apart");
    expect((sums(4, false, "small_tokens=4") == wanted) == (input == DType::s8), "no plan is small");
  }
}

// --- Short batches ----------------------------------------------------------------------------------------------------

// A batch is launched one by one, then as a graph that is made, then as one that is there, whatever comes between. Its bits
// are those of its first time.
void short_batches_are_replayed(DType input, int capability) {
  constexpr uint32_t kDimensions = 72;
  const std::vector<std::vector<Ids>> batches{
      {random_ids(1, 3, 64)}, {random_ids(2, 5, 64)}, {random_ids(3, 3, 64)}, {random_ids(4, 3, 64), {7}}};
  simt::counters = {};
  const auto other = load_tiny_model(open_emulated(input, 2, 4, capability)),
             model = load_tiny_model(open_emulated(input, 2, 4, capability));
  const auto embed_in = [&](LoadedModel& in, size_t i) { return embed(in, batches[i], kDimensions); };
  const uint64_t loading = simt::counters.launches;
  std::vector<std::vector<Vector>> wanted{embed_in(*model, 0)};
  const uint64_t one_by_one = simt::counters.launches - loading;
  for (const size_t i : {1, 2, 3}) wanted.push_back(embed_in(*other, i));
  expect(simt::counters.graphs == 0, "a graph is made of what comes once");
  expect(wanted[0][0].values != wanted[2][0].values, "two texts have the same vector");
  simt::counters = {};
  for (const size_t i : {1, 2, 3, 0, 3, 1, 1}) {
    const std::vector<Vector> actual = embed_in(*model, i);
    for (size_t t = 0; t < actual.size(); ++t) {
      expect(actual[t].finite, "a vector is lost");
      expect_same_bits(actual[t].values, wanted[i][t].values, kDimensions, "batch " + std::to_string(i));
    }
  }
  // Two texts of a length are one graph.
  expect(simt::counters.graphs == 3 && simt::counters.graph_launches == 5, "other graphs than expected");
  expect(one_by_one > 20 && simt::counters.launches == 2 * one_by_one, "graphs leave launches over");
  expect((simt::counters.overlapping > 0) == (capability == kHopper), "launches overlap on the wrong cards");
  for (int time = 0; time < 2; ++time) embed(*model, batches[0], kDimensions, true);
  expect(simt::counters.graphs == 3, "a graph is made of the large plan");
}

// Kernels made of PTX for older cards wait for nothing: they may not overlap, whatever the card.
void kernels_for_older_cards_do_not_overlap() {
  simt::options = {};
  simt::options.capability = kHopper;
  simt::options.code_capability = 80;
  char message[64];
  const std::unique_ptr<Backend> backend(qwen3_cuda_create(0, DType::bf16, message, sizeof message));
  simt::counters = {};
  uint64_t calls;
  expect(backend && run_some_ops(*backend, &calls).empty(), "the ops fail");
  expect(simt::counters.overlapping == 0, "kernels overlap");
  expect(simt::counters.wgmma == 0, "kernels have wgmma that were compiled without");
}

// Without memory for graphs launches go on one by one.
void graphs_are_no_need() {
  simt::options = {};
  simt::options.graphs = false;
  char message[64];
  const std::unique_ptr<Backend> backend(qwen3_cuda_create(0, DType::bf16, message, sizeof message));
  simt::counters = {};
  uint64_t calls;
  expect(backend && run_some_ops(*backend, &calls).empty(), "the ops fail");
  expect(simt::counters.graphs == 0 && simt::counters.launches > 12, "there are graphs");
  simt::options = {};
}

// Lists that differ in one parameter, more than are kept, each in time for its graph. Uploads between them change what
// the next one reads, and nobody waits.
void graphs_are_bounded_and_in_order() {
  constexpr uint32_t kCols = 8, kKept = 128, kLists = kKept + 6;
  Device device(entry_of(DType::bf16, kSmallBatch, false, 4), 0);
  const std::vector<float> ones(kCols, 1);
  const GuardedMatrix x(device, 1, kCols, 0, DType::f32, &ones);
  const StoredWeight gain(device, WeightUse::gain, 1, kCols, ones);
  std::deque<GuardedMatrix> outs;
  for (uint32_t i = 0; i < kLists; ++i) outs.emplace_back(device, 1, kCols, 0, DType::bf16);
  const size_t before = simt::live_allocations();
  simt::counters = {};
  std::vector<std::vector<float>> rows;
  for (uint32_t i = 0; i < kLists; ++i) rows.emplace_back(kCols, static_cast<float>(i + 1));
  for (uint32_t i = 0; i < kLists; ++i) {
    for (int time = 0; time < 2; ++time) {
      device.on.upload(Matrix(x).data, rows[time == 0 ? 0 : i].data(), kCols * sizeof(float));
      device.on.rms_norm(x, gain, static_cast<float>(i), outs[i]);
    }
  }
  device.sync();
  expect(simt::counters.graphs == kLists, "not a graph for every list");
  expect(simt::live_allocations() - before == kKept, "graphs are not bounded");
  for (uint32_t i = 0; i < kLists; ++i) {
    const float size = rows[i][0], wanted = size / std::sqrt(size * size + static_cast<float>(i));
    expect(std::abs(outs[i].read()[0] / wanted - 1) < 0.01, "list " + std::to_string(i) + " read other rows");
  }
}

// More ops than are kept at once, and one of another plan: each reads what the one before it wrote.
void keeps_no_more_launches_than_fit() {
  constexpr uint32_t kOps = 3000;
  Device device(entry_of(DType::bf16, kSmallBatch, false, 4), 0);
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
    simt::counters = {};
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
    return simt::counters.runtime_calls;
  };
  calls_of_one();
  expect(simt::counters.launches > 20, "the first query does not make its launches one by one");
  calls_of_one();
  const uint64_t calls = calls_of_one();
  expect(simt::counters.launches == 0 && simt::counters.graph_launches == 2, "it is not two graphs");
  expect(calls == 14, "a query takes " + std::to_string(calls) + " calls");
}

// Weights of 4,096 rows and more have tiles of their own, and sums in parts: close to those of the large plan, and the same
// bits whatever shares the batch and wherever rows begin.
void wide_weights_agree(WeightUse use, int capability) {
  constexpr uint32_t kIn = 264, kOut = 4098, kRows = 40;  // two parts, of 4 and 5 steps
  const bool gated = use == WeightUse::gate_up;
  const uint32_t cols = gated ? kOut / 2 : kOut;
  Device device({"", {[=] { return open_emulated(DType::bf16, 2, 132, capability); }}, simt::read, true}, 0);
  Random random(12);
  const std::vector<float> values = rounded(random.values(size_t{kRows} * kIn), kIn, DType::bf16),
                           weights = random.values(size_t{kOut} * kIn), zeros(size_t{kRows} * cols);
  const StoredWeight weight(device, use, kOut, kIn, weights);
  const auto result = [&](uint32_t batch_tokens, uint32_t rows, uint32_t gap) {
    device.on.begin_batch(batch_tokens, false);
    const std::vector<float> some(values.begin(), values.begin() + rows * kIn),
        none(zeros.begin(), zeros.begin() + rows * cols);
    const GuardedMatrix in(device, rows, kIn, gap, DType::bf16, &some);
    const GuardedMatrix out(device, rows, cols, 0, gated ? DType::bf16 : DType::f32, gated ? nullptr : &none);
    if (gated) {
      device.on.linear_swiglu(in, weight, out);
    } else {
      device.on.linear_add(in, weight, out);
    }
    device.sync();
    return out.read();
  };
  const std::vector<float> large = result(kLargeBatch, kRows, 8), small = result(kSmallBatch, kRows, 8);
  expect(large != small, "the test cannot tell the plans apart");
  for (size_t i = 0; i < small.size(); ++i) {
    const double allowed = 0x1p-6 * std::abs(large[i]) + 1e-4;
    expect(std::abs(small[i] - large[i]) <= allowed, "another sum at " + std::to_string(i));
  }
  for (const auto& [rows, gap] : {std::pair{20u, 8u}, {3u, 8u}, {2u, 3u}}) {
    const std::vector<float> wanted(small.begin(), small.begin() + rows * cols);
    expect_same_bits(result(kSmallBatch, rows, gap), wanted, cols, std::to_string(rows) + " rows");
  }
}

// However sums are divided: into parts of one step even, and into more than the default has memory for.
void tuned_parts_agree(DType input) {
  constexpr uint32_t kRows = 64, kOut = 300, kParts = 43;  // 3 tiles: 129 blocks
  const uint32_t in_cols = kParts * (input == DType::s8 ? 64 : 32);
  Random random(13);
  const std::vector<float> values = rounded(random.values(size_t{kRows} * in_cols), in_cols, input),
                           weights = rounded(random.values(size_t{kOut} * in_cols), in_cols, input);
  const auto result = [&](uint32_t batch_tokens, const std::string& tuning, uint64_t launches) {
    Device device(entry_of(input, batch_tokens, false, 4, tuning), 0);
    const GuardedMatrix in(device, kRows, in_cols, 0, input, &values);
    const StoredWeight weight(device, WeightUse::linear, kOut, in_cols, weights);
    const GuardedMatrix out(device, kRows, kOut, 0, device.output);
    device.sync();
    const uint64_t before = simt::counters.launches;
    device.on.linear(in, weight, out);
    device.sync();
    expect(simt::counters.launches - before == launches,
           tuning + ": divided where it should not be, or whole");
    return out.read();
  };
  const std::vector<float> whole = result(kLargeBatch, "", 1);
  for (const char* tuning :
       {"broad_cols=1,part_blocks=2", "broad_cols=300,enough_tiles=3", "broad_cols=1,part_steps=44"}) {
    expect_same_bits(result(kRows, tuning, 1), whole, kOut, tuning);
  }
  const std::vector<float> narrow = result(kRows, "broad_cols=301", 1), default_bounds = result(kRows, "", 1);
  expect_same_bits(narrow, default_bounds, kOut, "a weight below the bound");
  for (const char* tuning :
       {"broad_cols=1,part_blocks=1024,part_steps=1", "broad_cols=1,part_blocks=129,part_steps=1",
        "broad_cols=1", "broad_cols=1,part_blocks=6"}) {
    const std::vector<float> parts = result(kRows, tuning, 2);
    for (size_t i = 0; i < parts.size(); ++i) {
      const double allowed = input == DType::s8 ? 0 : 0x1p-6 * std::abs(whole[i]) + 1e-3;
      expect(std::abs(parts[i] - whole[i]) <= allowed, tuning + (": another sum at " + std::to_string(i)));
    }
  }
}

// --- Hopper -----------------------------------------------------------------------------------------------------------

// Ragged everywhere, and more steps than stages. Whether tiles are wide is for the number of multiprocessors to decide here:
// two take two each of the four wide ones, three share the eight narrow ones, and 132 need only eight.
void hopper_tiles_and_schedules_change_no_bit(DType input, WeightUse use) {
  constexpr uint32_t kRows = 140, kOut = 500, kWideTiles = 4, kNarrowTiles = 8, kProductsOfStep = 8;
  const uint32_t steps = input == DType::s8 ? 15 : 10,
                 in_cols = (steps - 1) * (input == DType::s8 ? 128 : 64) + (input == DType::s8 ? 48 : 24);
  const bool gated = use == WeightUse::gate_up, adds = use == WeightUse::linear_add;
  const uint32_t cols = gated ? kOut / 2 : kOut, gap = (8 - cols % 8) % 8;
  Random random(11);
  const std::vector<float> values = rounded(random.values(size_t{kRows} * in_cols), in_cols, input);
  const std::vector<float> weights = rounded(random.values(size_t{kOut} * in_cols), in_cols, input);
  const std::vector<float> residual = random.values(size_t{kRows} * kOut);
  const auto result = [&](int multiprocessors, uint64_t seed, uint32_t tiles, const std::string& tuning) {
    Device device(entry_of(input, kLargeBatch, false, multiprocessors, tuning, kHopper, seed), 0);
    const GuardedMatrix in(device, kRows, in_cols, 0, adds ? device.input : input, &values);
    const StoredWeight weight(device, use, kOut, in_cols, weights);
    const GuardedMatrix out(device, kRows, cols, gap,
                            adds    ? DType::f32
                            : gated ? device.input
                                    : device.output,
                            adds ? &residual : nullptr);
    const uint64_t before = simt::counters.wgmma;
    run_linear(device, use, in, weight, out);
    device.sync();
    expect(simt::counters.wgmma - before == tiles * steps * kProductsOfStep, "other tiles than expected");
    return out.read();
  };
  const std::vector<float> wanted = result(2, 0, kWideTiles, "");
  const auto same = [&](int multiprocessors, uint64_t seed, uint32_t tiles, const char* what,
                        const std::string& tuning = "") {
    expect_same_bits(result(multiprocessors, seed, tiles, tuning), wanted, cols, what);
  };
  same(2, 3, kWideTiles, "wide tiles, threads in random order");
  same(132, 0, kNarrowTiles, "narrow tiles");
  same(3, 1, kNarrowTiles, "narrow tiles in turn, threads in reverse");
  same(3, 4, kNarrowTiles, "narrow tiles in turn, threads in random order");
  same(132, 0, kWideTiles, "wide tiles where narrow ones cost less", "tile=wide");
  same(2, 0, kNarrowTiles, "narrow tiles where wide ones cost less", "tile=narrow");
}

// Two multiprocessors, sums of one step: two rounds of wide tiles, four of narrow ones. Finishing costs
// nothing but what each case says.
void hopper_tiles_are_chosen_by_cost() {
  constexpr uint32_t kRows = 140, kOut = 500, kIn = 32, kWide = 4 * 8, kNarrow = 8 * 8;  // products
  const auto products = [](DType input, WeightUse use, const std::string& tuning) {
    const std::string costs = "finish_store=0,finish_add=0,finish_swiglu=0,finish_int8=0," + tuning;
    Device device(entry_of(input, kLargeBatch, false, 2, costs, kHopper, 0), 0);
    const bool gated = use == WeightUse::gate_up, adds = use == WeightUse::linear_add;
    const uint32_t cols = gated ? kOut / 2 : kOut;
    const std::vector<float> ones(size_t{kRows} * kIn, 1), weights(size_t{kOut} * kIn, 1),
        zeros(size_t{kRows} * cols);
    const GuardedMatrix in(device, kRows, kIn, 0, adds ? device.input : input, &ones);
    const StoredWeight weight(device, use, kOut, kIn, weights);
    const GuardedMatrix out(device, kRows, cols, 8, adds ? DType::f32 : device.input,
                            adds ? &zeros : nullptr);
    const uint64_t before = simt::counters.wgmma;
    run_linear(device, use, in, weight, out);
    device.sync();
    return simt::counters.wgmma - before;
  };
  const std::pair<WeightUse, std::string> finishes[] = {{WeightUse::linear, "finish_store=9"},
                                                        {WeightUse::linear_add, "finish_add=9"},
                                                        {WeightUse::gate_up, "finish_swiglu=9"}};
  for (const auto& [use, own] : finishes) {
    expect(products(DType::bf16, use, "narrow_step=1") == kNarrow, "a step that costs no more is not taken");
    expect(products(DType::bf16, use, "narrow_step=1.1") == kWide, "a step that costs more is taken");
    for (const auto& [other, finish] : finishes) {
      expect((products(DType::bf16, use, finish) == kNarrow) == (use == other),
             finish + " has another's effect");
    }
    expect(products(DType::bf16, use, "finish_int8=9") == kWide, "finish_int8 is taken for bf16");
    expect(products(DType::s8, use, "finish_int8=9") == kNarrow, "finish_int8 is not taken");
  }
}

// Tiles of several texts and more steps than stages: a cut page in the prefix and in the texts, pages that are not there.
void hopper_attention_is_the_same_in_any_schedule() {
  const Setting setting{4, 2, {130}, {{300, {}}, {70, 0}, {1, {}}, {128, {}}}};
  const AttentionInputs inputs = random_inputs(setting, DType::bf16, 12);
  const auto results = [&](int multiprocessors, uint64_t seed) {
    Device device(
        {"", {[=] { return open_emulated(DType::bf16, seed, multiprocessors, kHopper); }}, simt::read, true},
        0);
    return PagedAttention(device, setting).run(inputs, plan_of(setting, 1000));
  };
  const auto wanted = results(1, 0);
  for (const uint64_t seed : {1, 3, 4, 5}) {
    const auto actual = results(static_cast<int>(seed), seed);
    for (size_t i = 0; i < wanted.size(); ++i) {
      expect_same_bits(actual[i], wanted[i], setting.query_cols(),
                       "seed " + std::to_string(seed) + ", text " + std::to_string(i));
    }
  }
}

// Which kernel attends, by card, by rows, and by the environment.
void hopper_attention_is_chosen_where_it_fits() {
  const auto uses_wgmma = [](int capability, uint32_t tokens, uint32_t query_heads,
                             uint32_t batch_tokens = kLargeBatch) {
    Device device({"", {[=] { return open_emulated(DType::bf16, 0, 4, capability); }}, simt::read, true}, 0);
    device.on.begin_batch(batch_tokens, false);
    Setting setting{query_heads, 1, {}, {{tokens, {}}}};
    const uint64_t before = simt::counters.wgmma;
    const AttentionInputs inputs = random_inputs(setting, DType::bf16, 12);
    (void)PagedAttention(device, setting).run(inputs, plan_of(setting, tokens));
    return simt::counters.wgmma > before;
  };
  expect(uses_wgmma(kHopper, 70, 2), "not where it fits");
  expect(uses_wgmma(kHopper, 1, 2), "the kernel depends on the number of rows");
  expect(uses_wgmma(kHopper, 1, 128), "not where a token fills a tile");
  expect(!uses_wgmma(kHopper, 1, 129), "where a token fits in no tile");
  expect(!uses_wgmma(kHopper, 1, 2, kSmallBatch), "in the small plan");
  for (const int capability : {80, 89, 100, 120}) {
    expect(!uses_wgmma(capability, 1, 2), "on cards without wgmma");
  }
  const Variable off("QWEN3_EMBED_HOPPER", "0");
  expect(!uses_wgmma(kHopper, 1, 2), "where the environment forbids it");
}

// Which kernel multiplies, by card, by plan, by rows, and by the environment.
void hopper_kernels_are_chosen_where_they_fit() {
  const auto uses_wgmma = [](int capability, uint32_t batch_tokens, uint32_t rows) {
    Device device(entry_of(DType::bf16, batch_tokens, false, 4, "", capability, 0), 0);
    constexpr uint32_t kCols = 64;
    const std::vector<float> ones(size_t{rows} * kCols, 1), weights(kCols * kCols, 1);
    const GuardedMatrix in(device, rows, kCols, 0, DType::bf16, &ones);
    const StoredWeight weight(device, WeightUse::linear, kCols, kCols, weights);
    const GuardedMatrix out(device, rows, kCols, 0, device.output);
    const uint64_t before = simt::counters.wgmma;
    device.on.linear(in, weight, out);
    device.sync();
    expect(out.read() == std::vector<float>(size_t{rows} * kCols, kCols), "the sums are wrong");
    return simt::counters.wgmma > before;
  };
  expect(uses_wgmma(kHopper, kLargeBatch, 100), "not where they fit");
  expect(uses_wgmma(kHopper, kLargeBatch, 1), "the kernel depends on the number of rows");
  expect(!uses_wgmma(kHopper, kSmallBatch, 1), "for few rows");
  for (const int capability : {80, 89, 100, 120}) {
    expect(!uses_wgmma(capability, kLargeBatch, 100), "on cards without wgmma");
  }
  const Variable off("QWEN3_EMBED_HOPPER", "0");
  expect(!uses_wgmma(kHopper, kLargeBatch, 100), "where the environment forbids it");
}

// --- Vectors ----------------------------------------------------------------------------------------------------------

// Vectors that do not fit the way out together leave it in several goes.
void pools_more_than_fits_at_once() {
  constexpr uint32_t kCols = 100'000, kRows = 3;
  Device device(entry_of(DType::bf16, kLargeBatch, false, 4), 0);
  std::vector<float> x(size_t{kRows} * kCols);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(1 + i / kCols);
  const std::vector<float> gain(kCols, 1);
  const GuardedMatrix matrix(device, kRows, kCols, 0, DType::f32, &x);
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

std::unique_ptr<Backend> open_emulated(DType input, uint64_t seed, int multiprocessors, int capability,
                                       const std::string& tuning) {
  const Variable environment("QWEN3_EMBED_CUDA_TUNING", tuning);
  simt::options = {};
  simt::options.seed = seed;
  simt::options.multiprocessors = multiprocessors;
  simt::options.capability = capability;
  char message[512];
  Backend* backend = qwen3_cuda_create(0, input, message, sizeof message);
  expect(backend, backend ? "" : message);
  return std::unique_ptr<Backend>(backend);
}

void add_cuda_tests(Tests& tests) {
  tests.push_back({"cuda: says why it does not open", says_why_it_does_not_open});
  tests.push_back({"cuda: tells which kernels run", tells_which_kernels_run});
  tests.push_back({"cuda: tuning is read", reads_tuning});
  tests.push_back({"cuda: survives the failure of any call", [] { survives_any_failing_call(DType::bf16); }});
  tests.push_back(
      {"cuda: int8: survives the failure of any call", [] { survives_any_failing_call(DType::s8); }});
  tests.push_back({"cuda: hopper: survives the failure of any call",
                   [] { survives_any_failing_call(DType::bf16, kHopper); }});
  tests.push_back({"cuda: gives no more memory than there is", gives_no_more_memory_than_there_is});
  tests.push_back({"cuda: no bank conflicts", has_no_bank_conflicts});
  tests.push_back({"cuda: linear ops read what is there", linear_reads_what_is_there});
  tests.push_back({"cuda: f16: gated values may be large", [] { gated_values_may_be_large(DType::f16); }});
  tests.push_back({"cuda: int8: gated values may be large", [] { gated_values_may_be_large(DType::s8); }});
  tests.push_back({"cuda: int8: sums are exact", int8_sums_are_exact});
  tests.push_back({"cuda: int8: rows are as defined", int8_rows_are_as_defined});
  tests.push_back({"cuda: int8: ones beside a massive value", int8_keeps_ones_beside_a_massive_value});
  tests.push_back(
      {"cuda: invariant batches have the large plan's bits", invariant_batches_have_the_large_plans_bits});
  tests.push_back({"cuda: short batches are replayed", [] { short_batches_are_replayed(DType::bf16, 80); }});
  tests.push_back(
      {"cuda: hopper: short batches are replayed", [] { short_batches_are_replayed(DType::s8, kHopper); }});
  tests.push_back({"cuda: wide weights: linear_add", [] { wide_weights_agree(WeightUse::linear_add, 80); }});
  tests.push_back(
      {"cuda: wide weights: linear_swiglu", [] { wide_weights_agree(WeightUse::gate_up, kHopper); }});
  tests.push_back(
      {"cuda: hopper: kernels for older cards do not overlap", kernels_for_older_cards_do_not_overlap});
  tests.push_back({"cuda: tuned parts agree: bf16", [] { tuned_parts_agree(DType::bf16); }});
  tests.push_back({"cuda: tuned parts agree: int8", [] { tuned_parts_agree(DType::s8); }});
  tests.push_back({"cuda: hopper: tiles are chosen by cost", hopper_tiles_are_chosen_by_cost});
  tests.push_back({"cuda: graphs are bounded and in order", graphs_are_bounded_and_in_order});
  tests.push_back({"cuda: graphs are no need", graphs_are_no_need});
  tests.push_back({"cuda: keeps no more launches than fit", keeps_no_more_launches_than_fit});
  tests.push_back({"cuda: a query takes few calls", a_query_takes_few_calls});
  for (const auto& [name, input] :
       {std::pair{"bf16", DType::bf16}, {"f16", DType::f16}, {"int8", DType::s8}}) {
    for (const auto& [op, use] : {std::pair{"", WeightUse::linear},
                                  {", gated", WeightUse::gate_up},
                                  {", added", WeightUse::linear_add}}) {
      tests.push_back({std::string("cuda: hopper: tiles and schedules change no bit: ") + name + op,
                       [input = input, use = use] { hopper_tiles_and_schedules_change_no_bit(input, use); }});
    }
  }
  tests.push_back(
      {"cuda: hopper: kernels are chosen where they fit", hopper_kernels_are_chosen_where_they_fit});
  tests.push_back(
      {"cuda: hopper: attention is the same in any schedule", hopper_attention_is_the_same_in_any_schedule});
  tests.push_back(
      {"cuda: hopper: attention is chosen where it fits", hopper_attention_is_chosen_where_it_fits});
  tests.push_back({"cuda: pools more than fits at once", pools_more_than_fits_at_once});
}

}  // namespace qwen3::test
