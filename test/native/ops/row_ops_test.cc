// gather, rms_norm and pool, the ops that work on one row at a time.
#include <array>
#include <limits>

#include "ops/guarded.h"
#include "ops/number.h"
#include "ops/op_tests.h"
#include "random.h"

namespace qwen3::test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kEps = 1e-6f;

// --- gather ---

std::vector<float> run_gather(Device& device, Matrix table, const std::vector<uint32_t>& ids,
                              uint32_t gap) {
  const GuardedArray<uint32_t> list(device, ids);
  const auto rows = static_cast<uint32_t>(ids.size());
  const GuardedMatrix out(device, rows, table.cols, gap, DType::f32);
  device.backend.gather(list.data(), table, out);
  device.sync();
  list.check();
  return out.read();
}

// Copies rows of a table or of activations exactly as they are stored, and reads no other row.
void gather_copies_rows(Device& device) {
  Random random(1);
  for (const uint32_t cols : {1u, 7u, 16u, 33u, 130u}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      constexpr uint32_t kRows = 40;
      std::vector<float> table = rounded(random.values(size_t{kRows} * cols), cols, dtype);
      const std::vector<uint32_t> ids{39, 0, 3, 3, 17, 0, 21};
      std::vector<float> wanted;
      for (const uint32_t id : ids)
        wanted.insert(wanted.end(), &table[id * cols], &table[id * cols] + cols);
      for (const uint32_t unused : {1u, 2u, 16u, 18u, 38u}) table[unused * cols] = kNaN;
      const GuardedMatrix matrix(device, kRows, cols, 5, dtype, &table);
      expect_same_bits(run_gather(device, matrix, ids, 3), wanted, cols, "gather");
      expect(run_gather(device, matrix, {}, 0).empty(), "gather of nothing");
    }
  }
}

// --- rms_norm ---

std::vector<float> run_rms_norm(Device& device, uint32_t rows, uint32_t cols,
                                const std::vector<float>& x, const std::vector<float>& gain,
                                uint32_t gap) {
  const GuardedMatrix in(device, rows, cols, gap, DType::f32, &x);
  const StoredWeight weight(device, WeightUse::gain, 1, cols, gain);
  const GuardedMatrix out(device, rows, cols, gap + 8, device.normed);
  device.backend.rms_norm(in, weight, kEps, out);
  device.sync();
  weight.check();
  expect_same_bits(in.read(), x, cols, "the input, which is not to change");
  return out.read();
}

// All squares have one sign, so the error of their sum is relative. Square root, division and gain
// add a few units.
double norm_tolerance(uint32_t cols, double wanted) {
  return (2 * std::sqrt(cols) + 8) * kRoundoff * wanted;
}

void rms_norm_agrees(Device& device) {
  Random random(2);
  Device reference = open_reference();
  for (const uint32_t cols : {1u, 8u, 17u, 96u, 128u, 1031u}) {
    for (const uint32_t rows : {1u, 3u, 14u}) {
      std::vector<float> x = random.values(size_t{rows} * cols);
      for (uint32_t r = 0; r < rows; ++r) {
        // Rows of zeros, tiny values (for which eps matters) and huge values.
        const float scale = std::array{1.f, 1e5f, 0.f, 1e-5f, 1e-3f, 1e12f}[r % 6];
        for (uint32_t c = 0; c < cols; ++c) x[r * cols + c] *= scale;
      }
      const std::vector<float> gain = random.values(cols, -3, 3);
      const std::vector<float> wanted = run_rms_norm(reference, rows, cols, x, gain, 3);
      std::vector<double> tolerance = rounding_errors(wanted, cols, device.normed);
      for (size_t i = 0; i < wanted.size(); ++i)
        tolerance[i] += norm_tolerance(cols, std::abs(wanted[i]));
      expect_close(run_rms_norm(device, rows, cols, x, gain, rows % 3), wanted, tolerance, cols);
    }
  }
}

void rms_norm_row_alone_is_row_in_any_batch(const BackendEntry& entry) {
  constexpr uint32_t kRows = 70, kCols = 133;
  Random random(3);
  std::vector<float> x = random.values(kRows * kCols);
  const std::vector<float> gain = random.values(kCols);
  Device first(entry, 0);
  const std::vector<float> wanted = run_rms_norm(first, kRows, kCols, x, gain, 3);
  for (size_t variant = 0; variant < entry.open.size(); ++variant) {
    Device device(entry, variant);
    expect_same_bits(run_rms_norm(device, kRows, kCols, x, gain, 16), wanted, kCols, "all rows");
    for (const uint32_t r : {0u, 1u, 35u, 69u}) {
      const std::vector<float> row(&x[r * kCols], &x[r * kCols] + kCols);
      expect_same_bits(run_rms_norm(device, 1, kCols, row, gain, 0),
                       {&wanted[r * kCols], &wanted[r * kCols] + kCols}, kCols, "a row alone");
    }
  }
  for (const uint32_t bad : {4u, 69u}) x[bad * kCols + 7] = bad == 4 ? kNaN : kInfinity;
  std::vector<float> with_bad = run_rms_norm(first, kRows, kCols, x, gain, 3);
  for (const uint32_t bad : {4u, 69u}) {
    expect(std::isnan(with_bad[bad * kCols + 7]), "a row with NaN or infinity has a finite result");
    std::copy_n(&wanted[bad * kCols], kCols, &with_bad[bad * kCols]);
  }
  expect_same_bits(with_bad, wanted, kCols, "with NaN and infinity in other rows");
}

// --- pool ---

struct PoolResult {
  std::vector<std::vector<float>> vectors;
  std::vector<bool> finite;
};

// (row, dimensions) of each vector to pool.
using Picks = std::vector<std::pair<uint32_t, uint32_t>>;

PoolResult run_pool(Device& device, uint32_t rows, uint32_t cols, const std::vector<float>& x,
                    const std::vector<float>& gain, const Picks& picks) {
  const GuardedMatrix in(device, rows, cols, 3, DType::f32, &x);
  const StoredWeight weight(device, WeightUse::gain, 1, cols, gain);
  constexpr size_t kHostGap = 5;
  std::vector<float> host(kHostGap, float_of(kSentinel));
  for (const auto& [row, dimensions] : picks)
    host.resize(host.size() + dimensions + kHostGap, float_of(kSentinel));
  std::vector<Pooled> outputs;
  float* out = host.data() + kHostGap;
  for (const auto& [row, dimensions] : picks) {
    outputs.push_back({row, dimensions, out, false});
    out += dimensions + kHostGap;
  }
  device.backend.pool(in, weight, kEps, outputs.data(), static_cast<uint32_t>(outputs.size()));
  device.sync();
  expect_same_bits(in.read(), x, cols, "the input, which is not to change");
  PoolResult result;
  const float* gap = host.data();
  for (const Pooled& output : outputs) {
    for (size_t i = 0; i < kHostGap; ++i)
      expect(bits_of(gap[i]) == kSentinel, "wrote before a vector");
    result.vectors.emplace_back(output.out, output.out + output.dimensions);
    result.finite.push_back(output.finite);
    gap = output.out + output.dimensions;
  }
  for (size_t i = 0; i < kHostGap; ++i)
    expect(bits_of(gap[i]) == kSentinel, "wrote past the last vector");
  return result;
}

// Two sums of squares (the RMS norm's and the L2 norm's), each with a relative error.
double pool_tolerance(uint32_t cols, double wanted) {
  return (4 * std::sqrt(cols) + 16) * kRoundoff * wanted;
}

void pool_agrees(Device& device) {
  Random random(4);
  Device reference = open_reference();
  for (const uint32_t cols : {32u, 65u, 1024u}) {
    constexpr std::array kScales{1.f, 1e5f, 1e-3f, 1e12f, 1e-9f, 1e-20f, 0.f};
    constexpr auto kRows = static_cast<uint32_t>(kScales.size());
    std::vector<float> x = random.values(size_t{kRows} * cols);
    Picks picks{{3, 32}, {3, cols}};
    for (uint32_t r = 0; r < kRows; ++r) {
      for (uint32_t c = 0; c < cols; ++c) x[r * cols + c] *= kScales[r];
      picks.insert(picks.end(), {{r, 1 + random.below(cols)}, {r, cols}});
    }
    const std::vector<float> gain = random.values(cols, -3, 3);
    const PoolResult wanted = run_pool(reference, kRows, cols, x, gain, picks);
    const PoolResult actual = run_pool(device, kRows, cols, x, gain, picks);
    for (size_t p = 0; p < picks.size(); ++p) {
      const std::vector<float>& vector = wanted.vectors[p];
      expect(actual.finite[p] && wanted.finite[p], "a finite row is marked as not finite");
      std::vector<double> tolerance(vector.size());
      for (size_t i = 0; i < vector.size(); ++i)
        tolerance[i] = pool_tolerance(cols, std::abs(vector[i]));
      expect_close(actual.vectors[p], vector, tolerance, vector.size());
      if (kScales[picks[p].first] >= 1e-3f) {
        expect(std::abs(norm(vector.data(), vector.size()) - 1) < 1e-6, "not a unit vector");
      }
    }
  }
}

// A gain counts only within the requested dimensions.
void expect_gains_reported(Device& device, uint32_t rows, uint32_t cols,
                           const std::vector<float>& x, std::vector<float> gain) {
  for (const float bad : {kNaN, kInfinity}) {
    gain[50] = bad;
    const PoolResult result = run_pool(device, rows, cols, x, gain, {{0, 50}, {0, 51}});
    expect(result.finite[0], "a gain past the requested dimensions is reported");
    expect(!result.finite[1], "a gain that is not finite is not reported");
    expect_same_bits(result.vectors[1], std::vector<float>(51), 51,
                     "with a gain that is not finite");
  }
}

void pool_reports_what_is_not_finite(const BackendEntry& entry) {
  constexpr uint32_t kRows = 6, kCols = 70;
  Random random(5);
  std::vector<float> x = random.values(kRows * kCols);
  const std::vector<float> gain = random.values(kCols, 1, 2);
  const Picks picks{{0, 70}, {1, 70}, {2, 32}, {3, 32}, {4, 32}, {5, 33}};
  Device first(entry, 0);
  const PoolResult well = run_pool(first, kRows, kCols, x, gain, picks);
  x[1 * kCols + 3] = kNaN;
  x[2 * kCols + 31] = kInfinity;
  x[3 * kCols + 69] = -kInfinity;  // after `dimensions`, but the norm reads the whole row
  x[4 * kCols + 69] = kNaN;
  for (size_t variant = 0; variant < entry.open.size(); ++variant) {
    Device device(entry, variant);
    const PoolResult result = run_pool(device, kRows, kCols, x, gain, picks);
    for (size_t p = 0; p < picks.size(); ++p) {
      const bool bad = p >= 1 && p <= 4;
      const size_t dimensions = picks[p].second;
      expect(result.finite[p] == !bad, "vector " + std::to_string(p) + " is marked wrongly");
      expect_same_bits(result.vectors[p], bad ? std::vector<float>(dimensions) : well.vectors[p],
                       dimensions,
                       bad ? "a vector that is not finite must be zeros"
                           : "a finite vector, pooled with others that are not");
    }
    expect_gains_reported(device, kRows, kCols, x, gain);
  }
}

}  // namespace

void add_row_op_tests(Tests& tests, const BackendEntry& entry) {
  add_on_last_variant(tests, entry, "gather: copies rows", gather_copies_rows);
  add_on_last_variant(tests, entry, "rms_norm: agrees with the reference", rms_norm_agrees);
  tests.push_back(
      {entry.name + ": rms_norm: a row alone has the bits of the row in any batch, on any threads",
       [entry] { rms_norm_row_alone_is_row_in_any_batch(entry); }});
  add_on_last_variant(tests, entry, "pool: agrees with the reference", pool_agrees);
  tests.push_back({entry.name + ": pool: reports what is not finite, and only that",
                   [entry] { pool_reports_what_is_not_finite(entry); }});
}

}  // namespace qwen3::test
