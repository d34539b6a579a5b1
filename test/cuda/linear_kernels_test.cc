// The kernels of the linear ops: the memory that they read, the range of their epilogues, and the
// bits that the small plan and split-K may change.
#include <algorithm>
#include <cmath>

#include "cuda_tests.h"
#include "emulated_backend.h"
#include "ops/guarded.h"
#include "ops/number.h"
#include "ops/rotated.h"
#include "random.h"

namespace qwen3::test {
namespace {

// Bank conflicts of ldmatrix only cost time, so no other test finds them.
void has_no_bank_conflicts() {
  for (const DType input : {DType::bf16, DType::s8}) {
    for (const uint32_t batch_tokens : {kSmallBatch, kLargeBatch}) {
      for (const int multiprocessors : {1, 132}) {
        Device device(emulated_entry(input, batch_tokens, false, multiprocessors), 0);
        Random random(1);
        const std::vector<float> values = rounded(random.values(size_t{70} * 208), 208, input);
        const GuardedMatrix in(device, 70, 208, 0, input, &values);
        const StoredWeight weight(device, WeightUse::linear, 70, 208, values);
        const GuardedMatrix out(device, 70, 70, 0, device.output);
        device.backend.linear(in, weight, out);
        device.sync();
        expect(emulator::counters.mma > 0 && emulator::counters.bank_conflicts == 0,
               "the linear op has bank conflicts");
      }
    }
  }
}

// The memory of the operands ends with the last value, and the gaps between rows are unwritten.
// There are more steps than stages.
void linear_reads_only_its_operands() {
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
    const std::unique_ptr<Backend> owned =
        open_emulated(DType::bf16, 2, c.multiprocessors, c.capability);
    Backend& backend = *owned;
    backend.begin_batch(c.small ? kSmallBatch : kLargeBatch, false);
    Random random(7);
    const uint32_t stride = row_stride(c.in + 8);
    const size_t in_bytes = (size_t{c.rows - 1} * stride + c.in) * 2;
    const Matrix in{backend.allocate(in_bytes), c.rows, c.in, stride, DType::bf16};
    const std::vector<float> values =
        rounded(random.values(size_t{c.rows} * c.in), c.in, DType::bf16);
    std::vector<uint16_t> halves(values.size());
    std::transform(values.begin(), values.end(), halves.begin(), to_bf16);
    for (uint32_t row = 0; row < c.rows; ++row) {
      backend.upload(static_cast<uint16_t*>(in.data) + size_t{row} * stride,
                     &halves[size_t{row} * c.in], c.in * 2);
    }
    const std::vector<float> weights =
        rounded(random.values(size_t{c.out} * c.in), c.in, DType::bf16);
    const WeightLayout layout = backend.weight_layout(WeightUse::linear, c.out, c.in, DType::f32);
    const Matrix weight{backend.allocate(layout.bytes), c.out, c.in, c.in, layout.dtype};
    backend.store_weight(weight, WeightUse::linear, 0, c.out, weights.data(), DType::f32);
    const Matrix out = allocate_halves(backend, c.rows, c.out);
    backend.linear(in, weight, out);
    expect(!backend.sync(), emulator::last_report());

    const std::vector<uint16_t> actual = read_halves(out);
    for (uint32_t t = 0; t < c.rows; ++t) {
      for (uint32_t m = 0; m < c.out; ++m) {
        const float *x = &values[size_t{t} * c.in], *w = &weights[size_t{m} * c.in];
        double wanted = 0;
        for (uint32_t k = 0; k < c.in; ++k) wanted += double{x[k]} * w[k];
        const double allowed =
            sum_error(c.in, norm(x, c.in) * norm(w, c.in)) + 0x1p-8 * std::abs(wanted);
        expect(std::abs(from_bf16(actual[size_t{t} * c.out + m]) - wanted) <= allowed,
               std::to_string(c.rows) + " rows: row " + std::to_string(t) + ", column " +
                   std::to_string(m));
      }
    }
  }
}

// A gated value beyond the range of f16, among small ones. It is stored divided by its row's scale,
// by which the sum that reads it is multiplied.
void gated_values_may_be_large(DType input) {
  constexpr uint32_t kRows = 3, kIn = 8, kGated = 40, kOut = 9, kLarge = 17;
  Device device(emulated_entry(input, kLargeBatch, false, 4), 0);
  Random random(5);
  const std::vector<float> values(kRows * kIn, 16), zeros(kRows * kOut);
  std::vector<float> gate_up(2 * kGated * kIn);
  for (size_t i = 0; i < gate_up.size(); ++i)
    gate_up[i] = i / kIn % kGated == kLarge ? 2.5f : 0.0625f;
  const std::vector<float> down = rounded(random.values(kOut * kGated), kGated, device.input);
  const GuardedMatrix in(device, kRows, kIn, 0, input, &values);
  const StoredWeight gate_up_weight(device, WeightUse::gate_up, 2 * kGated, kIn, gate_up);
  const StoredWeight down_weight(device, WeightUse::linear_add, kOut, kGated, down);
  const GuardedMatrix gated(device, kRows, kGated, 0, device.input),
      x(device, kRows, kOut, 0, DType::f32, &zeros);
  device.backend.linear_swiglu(in, gate_up_weight, gated);
  device.backend.linear_add(gated, down_weight, x);
  device.sync();

  std::vector<float> wanted(kGated);
  for (uint32_t g = 0; g < kGated; ++g) {
    const double sum = 16.0 * kIn * (g == kLarge ? 2.5 : 0.0625);
    wanted[g] = static_cast<float>(sum / (1 + std::exp(-sum)) * sum);
  }
  expect(wanted[kLarge] > 1e5f, "the gated value is within the range of f16");
  const std::vector<double> errors = rounding_errors(wanted, kGated, device.input, 128);
  const std::vector<double> quantization_errors = column_scaled_errors(wanted, down, kGated);
  const std::vector<float> actual = x.read();
  for (uint32_t t = 0; t < kRows; ++t) {
    for (uint32_t m = 0; m < kOut; ++m) {
      double sum = 0, error = input == DType::s8 ? quantization_errors[m] : 0;
      for (uint32_t g = 0; g < kGated; ++g) {
        sum += double{wanted[g]} * down[m * kGated + g];
        error += (errors[g] + 32 * kRoundoff * wanted[g]) * std::abs(down[m * kGated + g]);
      }
      expect(std::abs(actual[t * kOut + m] - sum) <= error,
             "gated values have more than their rounding error");
    }
  }
}

// A batch of one row uses the small plan, unless the batch is invariant.
void invariant_batches_have_the_large_plans_bits() {
  constexpr uint32_t kIn = 700, kOut = 40;
  for (const DType input : {DType::bf16, DType::f16, DType::s8}) {
    Random random(10);
    const std::vector<float> values = rounded(random.values(kIn), kIn, DType::bf16);
    const std::vector<float> weights = random.values(size_t{kOut} * kIn), zeros(kOut);
    const auto sums = [&](uint32_t batch_tokens, bool invariant, const std::string& tuning = "") {
      Device device(emulated_entry(input, batch_tokens, invariant, 4, tuning), 0);
      const GuardedMatrix in(device, 1, kIn, 4, device.input, &values),
          x(device, 1, kOut, 0, DType::f32, &zeros);
      const StoredWeight weight(device, WeightUse::linear_add, kOut, kIn, weights);
      device.backend.linear_add(in, weight, x);
      device.sync();
      return x.read();
    };
    const std::vector<float> wanted = sums(kLargeBatch, false);
    expect_same_bits(sums(1, true), wanted, kOut, "an invariant batch of one row");
    expect_same_bits(sums(65, false), wanted, kOut, "a batch too large for the small plan");
    expect_same_bits(sums(5, false, "small_tokens=4"), wanted, kOut,
                     "a batch too large for a tuned small plan");
    // Sums of integers are the same in any plan.
    expect((sums(1, false) == wanted) == (input == DType::s8),
           "16-bit sums are the same in both plans, or int8 sums differ");
    expect((sums(4, false, "small_tokens=4") == wanted) == (input == DType::s8),
           "a tuned small plan is not used");
  }
}

// Weights of 4,096 rows and more use split-K tiles. Their sums are close to those of the large
// plan, and have the same bits whatever else is in the batch and wherever rows begin.
void split_k_tiles_agree(WeightUse use, int capability) {
  constexpr uint32_t kIn = 264, kOut = 4098, kRows = 40;  // two partials, of 4 and 5 steps
  const bool gated = use == WeightUse::gate_up;
  const uint32_t cols = gated ? kOut / 2 : kOut;
  Device device(
      {"", {[=] { return open_emulated(DType::bf16, 2, 132, capability); }}, emulator::read, true},
      0);
  Random random(12);
  const std::vector<float> values = rounded(random.values(size_t{kRows} * kIn), kIn, DType::bf16),
                           weights = random.values(size_t{kOut} * kIn), zeros(size_t{kRows} * cols);
  const StoredWeight weight(device, use, kOut, kIn, weights);
  const auto result = [&](uint32_t batch_tokens, uint32_t rows, uint32_t gap) {
    device.backend.begin_batch(batch_tokens, false);
    const std::vector<float> some(values.begin(), values.begin() + rows * kIn),
        none(zeros.begin(), zeros.begin() + rows * cols);
    const GuardedMatrix in(device, rows, kIn, gap, DType::bf16, &some);
    const GuardedMatrix out(device, rows, cols, 0, gated ? DType::bf16 : DType::f32,
                            gated ? nullptr : &none);
    if (gated) {
      device.backend.linear_swiglu(in, weight, out);
    } else {
      device.backend.linear_add(in, weight, out);
    }
    device.sync();
    return out.read();
  };
  const std::vector<float> large = result(kLargeBatch, kRows, 8),
                           small = result(kSmallBatch, kRows, 8);
  expect(large != small, "both plans have the same bits");
  for (size_t i = 0; i < small.size(); ++i) {
    const double allowed = 0x1p-6 * std::abs(large[i]) + 1e-4;
    expect(std::abs(small[i] - large[i]) <= allowed, "wrong sum at " + std::to_string(i));
  }
  for (const auto& [rows, gap] : {std::pair{20u, 8u}, {3u, 8u}, {2u, 3u}}) {
    const std::vector<float> wanted(small.begin(), small.begin() + rows * cols);
    expect_same_bits(result(kSmallBatch, rows, gap), wanted, cols, std::to_string(rows) + " rows");
  }
}

// Tuned split-K: partials of as little as one step, and more of them than the default has memory
// for.
void tuned_partials_agree(DType input) {
  constexpr uint32_t kRows = 64, kOut = 300, kPartials = 43;  // 3 tiles: 129 blocks
  const uint32_t in_cols = kPartials * (input == DType::s8 ? 64 : 32);
  Random random(13);
  const std::vector<float> values = rounded(random.values(size_t{kRows} * in_cols), in_cols, input),
                           weights = rounded(random.values(size_t{kOut} * in_cols), in_cols, input);
  const auto result = [&](uint32_t batch_tokens, const std::string& tuning, uint64_t launches) {
    Device device(emulated_entry(input, batch_tokens, false, 4, tuning), 0);
    const GuardedMatrix in(device, kRows, in_cols, 0, input, &values);
    const StoredWeight weight(device, WeightUse::linear, kOut, in_cols, weights);
    const GuardedMatrix out(device, kRows, kOut, 0, device.output);
    device.sync();
    const uint64_t before = emulator::counters.launches;
    device.backend.linear(in, weight, out);
    device.sync();
    expect(emulator::counters.launches - before == launches,
           tuning + ": split where it should not be, or not split");
    return out.read();
  };
  const std::vector<float> whole = result(kLargeBatch, "", 1);
  for (const char* tuning : {"split_k_rows=1,split_k_blocks=2", "split_k_rows=300,split_k_tiles=3",
                             "split_k_rows=1,split_k_steps=44"}) {
    expect_same_bits(result(kRows, tuning, 1), whole, kOut, tuning);
  }
  const std::vector<float> narrow = result(kRows, "split_k_rows=301", 1),
                           default_bounds = result(kRows, "", 1);
  expect_same_bits(narrow, default_bounds, kOut, "a weight below the bound");
  for (const char* tuning : {"split_k_rows=1,split_k_blocks=1024,split_k_steps=1",
                             "split_k_rows=1,split_k_blocks=129,split_k_steps=1", "split_k_rows=1",
                             "split_k_rows=1,split_k_blocks=6"}) {
    const std::vector<float> partials = result(kRows, tuning, 2);
    for (size_t i = 0; i < partials.size(); ++i) {
      const double allowed = input == DType::s8 ? 0 : 0x1p-6 * std::abs(whole[i]) + 1e-3;
      expect(std::abs(partials[i] - whole[i]) <= allowed,
             tuning + (": wrong sum at " + std::to_string(i)));
    }
  }
}

}  // namespace

void add_linear_kernel_tests(Tests& tests) {
  tests.push_back({"cuda: no bank conflicts", has_no_bank_conflicts});
  tests.push_back({"cuda: linear ops read only their operands", linear_reads_only_its_operands});
  tests.push_back(
      {"cuda: f16: gated values may be large", [] { gated_values_may_be_large(DType::f16); }});
  tests.push_back(
      {"cuda: int8: gated values may be large", [] { gated_values_may_be_large(DType::s8); }});
  tests.push_back({"cuda: invariant batches have the large plan's bits",
                   invariant_batches_have_the_large_plans_bits});
  tests.push_back(
      {"cuda: split-K tiles: linear_add", [] { split_k_tiles_agree(WeightUse::linear_add, 80); }});
  tests.push_back({"cuda: split-K tiles: linear_swiglu",
                   [] { split_k_tiles_agree(WeightUse::gate_up, kHopper); }});
  tests.push_back({"cuda: tuned partials agree: bf16", [] { tuned_partials_agree(DType::bf16); }});
  tests.push_back({"cuda: tuned partials agree: int8", [] { tuned_partials_agree(DType::s8); }});
}

}  // namespace qwen3::test
