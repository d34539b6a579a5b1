// int8: sums of integers are exact, and rows are quantized as ops/rotated.h defines.
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

// Integers with a 127 in every row, and scales of five bits: f32 represents the dequantized rows
// exactly.
std::vector<QuantizedRow> random_quantized_rows(Random& random, uint32_t rows, uint32_t cols,
                                                bool extreme) {
  std::vector<QuantizedRow> result;
  for (uint32_t r = 0; r < rows; ++r) {
    QuantizedRow row{std::vector<int8_t>(cols),
                     std::ldexp(static_cast<float>(17 + r % 15), -(int(r) % 9))};
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

Matrix allocate_rows(Backend& backend, uint32_t rows, uint32_t cols, uint32_t stride) {
  auto* scales = static_cast<float*>(backend.allocate(rows * sizeof(float)));
  return {
      backend.allocate(size_t{rows - 1} * stride + cols), rows, cols, stride, DType::s8, scales};
}

// Sums of integers are exact. The input's memory ends with its last value, and the gaps between
// rows are unwritten. The expected sums hold only if the weight is stored with exactly the integers
// and scales that it was built from.
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
    const std::unique_ptr<Backend> owned =
        open_emulated(DType::s8, 2, c.multiprocessors, c.capability);
    Backend& backend = *owned;
    backend.begin_batch(c.small ? kSmallBatch : kLargeBatch, false);
    Random random(7);
    const std::vector<QuantizedRow> rows = random_quantized_rows(random, c.rows, c.in, c.extreme),
                                    weights = random_quantized_rows(random, c.out, c.in, c.extreme);
    const Matrix in = allocate_rows(backend, c.rows, c.in, (c.in + 31) / 16 * 16);
    for (uint32_t t = 0; t < c.rows; ++t) {
      backend.upload(static_cast<int8_t*>(in.data) + size_t{t} * in.stride, rows[t].values.data(),
                     c.in);
      backend.upload(in.scales + t, &rows[t].scale, sizeof(float));
    }
    const WeightLayout layout = backend.weight_layout(WeightUse::linear, c.out, c.in, DType::f32);
    const Matrix weight{backend.allocate(layout.bytes), c.out, c.in, c.in, layout.dtype};
    backend.store_weight(weight, WeightUse::linear, 0, c.out, values_of(weights).data(),
                         DType::f32);
    const Matrix out = allocate_halves(backend, c.rows, c.out);
    backend.linear(in, weight, out);
    expect(!backend.sync(), emulator::last_report());

    const std::vector<uint16_t> actual = read_halves(out);
    const auto order = static_cast<float>(rotation_order(c.in));
    for (uint32_t t = 0; t < c.rows; ++t) {
      for (uint32_t m = 0; m < c.out; ++m) {
        int64_t sum = 0;
        for (uint32_t k = 0; k < c.in; ++k) sum += rows[t].values[k] * weights[m].values[k];
        expect(sum == static_cast<int32_t>(sum), "the test's sums do not fit in 32 bits");
        const float wanted = static_cast<float>(sum) * rows[t].scale * (weights[m].scale / order);
        expect(actual[size_t{t} * c.out + m] == to_bf16(wanted),
               std::to_string(c.rows) + " rows of " + std::to_string(c.in) + ": row " +
                   std::to_string(t) + ", column " + std::to_string(m) + ": " +
                   std::to_string(from_bf16(actual[size_t{t} * c.out + m])) + ", not " +
                   std::to_string(wanted));
      }
    }
  }
}

// A norm of rows that int8 represents exactly changes only their scale.
void int8_rows_are_as_defined() {
  for (const uint32_t cols : {1u, 2u, 3u, 24u, 96u, 264u, 1000u, 4096u, 9728u, 12'288u}) {
    constexpr uint32_t kRows = 3;
    const std::unique_ptr<Backend> owned = open_emulated(DType::s8, 2);
    Backend& backend = *owned;
    Random random(8);
    const std::vector<QuantizedRow> rows = random_quantized_rows(random, kRows, cols, false);
    const std::vector<float> values = values_of(rows), ones(cols, 1);
    const size_t bytes = values.size() * sizeof(float);
    const Matrix x{backend.allocate(bytes), kRows, cols, cols, DType::f32},
        gain{backend.allocate(cols * sizeof(float)), 1, cols, cols, DType::f32};
    const Matrix out = allocate_rows(backend, kRows, cols, (cols + 15) / 16 * 16);
    backend.upload(x.data, values.data(), bytes);
    backend.upload(gain.data, ones.data(), cols * sizeof(float));
    backend.rms_norm(x, gain, 0, out);
    expect(!backend.sync(), emulator::last_report());
    for (uint32_t r = 0; r < kRows; ++r) {
      std::vector<int8_t> actual(cols);
      float scale;
      emulator::read(actual.data(), static_cast<int8_t*>(out.data) + size_t{r} * out.stride, cols);
      emulator::read(&scale, out.scales + r, sizeof scale);
      const std::string where = "row " + std::to_string(r) + " of " + std::to_string(cols);
      expect(actual == rows[r].values, where + ": wrong integers");
      const double wanted = rows[r].scale * std::sqrt(cols) / norm(&values[size_t{r} * cols], cols);
      expect(std::abs(scale / wanted - 1) < 1e-5, where + ": wrong scale");
    }
  }
}

// Without the rotation, a value of 16,000 would make a step so large that values near 1 become 0.
void int8_keeps_ones_beside_a_massive_value() {
  constexpr uint32_t kCols = 4096, kMassive = 1234;
  Device device(emulated_entry(DType::s8, kLargeBatch, false, 4), 0);
  Random random(9);
  std::vector<float> x(kCols);
  for (float& value : x) value = random.uniform(0.5f, 1.5f);
  x[kMassive] = 16'000;
  const std::vector<float> gain(kCols, 1);
  const GuardedMatrix in(device, 1, kCols, 0, DType::f32, &x), out(device, 1, kCols, 0, DType::s8);
  const StoredWeight weight(device, WeightUse::gain, 1, kCols, gain);
  device.backend.rms_norm(in, weight, 0, out);
  device.sync();
  const double scale = std::sqrt(kCols) / norm(x.data(), kCols);
  std::vector<float> wanted(kCols);
  for (uint32_t i = 0; i < kCols; ++i) wanted[i] = static_cast<float>(x[i] * scale);
  std::vector<double> tolerance = rounding_errors(wanted, kCols, DType::s8);
  const double allowed = tolerance[0] * std::sqrt(kCols);
  // All rounding errors may add up in the massive value, because its signs in the rotation match
  // theirs.
  tolerance[kMassive] = quantized(wanted.data(), kCols).scale / 2;
  const std::vector<float> actual = out.read();
  expect_close(actual, wanted, tolerance, kCols);
  // Errors have random signs, so the sum of many ones is much larger than that of their errors.
  double sum = 0, wanted_sum = 0;
  for (uint32_t i = 0; i < kCols; ++i) {
    if (i == kMassive) continue;
    sum += actual[i];
    wanted_sum += wanted[i];
  }
  expect(allowed < wanted_sum / 4 && std::abs(sum - wanted_sum) <= allowed, "the ones are lost");
}

}  // namespace

void add_int8_tests(Tests& tests) {
  tests.push_back({"cuda: int8: sums are exact", int8_sums_are_exact});
  tests.push_back({"cuda: int8: rows are as defined", int8_rows_are_as_defined});
  tests.push_back(
      {"cuda: int8: ones beside a massive value", int8_keeps_ones_beside_a_massive_value});
}

}  // namespace qwen3::test
