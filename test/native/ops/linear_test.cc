// linear, linear_add and linear_swiglu: agreement with the reference, and independence of rows.
#include <algorithm>
#include <array>
#include <limits>

#include "ops/guarded.h"
#include "ops/number.h"
#include "ops/op_tests.h"
#include "random.h"

namespace qwen3::test {
namespace {

enum class Op { linear, linear_add, linear_swiglu };
constexpr double kGatedScale = 128;  // f16 divides gated values by it
constexpr std::array kOps{Op::linear, Op::linear_add, Op::linear_swiglu};

struct Case {
  Op op;
  uint32_t rows, in, out;  // out: columns of the result
  uint32_t gap = 3;        // minimum elements from the last column to the next row

  uint32_t weight_rows() const { return op == Op::linear_swiglu ? 2 * out : out; }
  WeightUse use() const {
    static constexpr WeightUse kUses[] = {WeightUse::linear, WeightUse::linear_add,
                                          WeightUse::gate_up};
    return kUses[static_cast<int>(op)];
  }
  DType input(const Device& device) const {
    return op == Op::linear_add ? device.input : device.normed;
  }
  std::string text() const {
    static constexpr const char* kNames[] = {"linear", "linear_add", "linear_swiglu"};
    return std::string(kNames[static_cast<int>(op)]) + " of " + std::to_string(rows) + " rows, " +
           std::to_string(in) + " to " + std::to_string(out);
  }
};

struct Values {
  std::vector<float> in, weight, x;  // x: what linear_add adds to
};

DType weight_dtype(Device& device, const Case& c) {
  return device.backend.weight_layout(c.use(), c.weight_rows(), c.in, DType::f32).dtype;
}

// Whether the op quantizes its input and weight by column scales that depend on both, so that no
// values are exact in the device's dtypes.
bool quantizes(Device& device, const Case& c) {
  return c.op == Op::linear_add && weight_dtype(device, c) == DType::s8;
}

// Values that are exact in the device's dtypes, so that only its sums differ from the reference's.
Values random_values(Device& device, const Case& c, Random& random) {
  const DType weight = quantizes(device, c) ? DType::f32 : weight_dtype(device, c);
  return {rounded(random.values(size_t{c.rows} * c.in), c.in, c.input(device)),
          rounded(random.values(size_t{c.weight_rows()} * c.in), c.in, weight),
          random.values(size_t{c.rows} * c.out)};
}

std::vector<float> run(Device& device, const Case& c, const Values& values) {
  const GuardedMatrix in(device, c.rows, c.in, c.gap, c.input(device), &values.in);
  const StoredWeight weight(device, c.use(), c.weight_rows(), c.in, values.weight);
  const DType dtype = c.op == Op::linear       ? device.output
                      : c.op == Op::linear_add ? DType::f32
                                               : device.input;
  const GuardedMatrix out(device, c.rows, c.out, c.gap, dtype,
                          c.op == Op::linear_add ? &values.x : nullptr);
  switch (c.op) {
    case Op::linear: device.backend.linear(in, weight, out); break;
    case Op::linear_add: device.backend.linear_add(in, weight, out); break;
    case Op::linear_swiglu: device.backend.linear_swiglu(in, weight, out); break;
  }
  device.sync();
  weight.check();
  const std::vector<float> left = in.read();
  if (c.op != Op::linear_add)
    expect_same_bits(left, values.in, c.in, "the input, which must not change");
  return out.read();
}

// The sums have the error of sum_error. linear_add rounds once more. silu has a slope of at most
// 1.1; its exp and division have an error of a few units; if exp overflows, the result may be zero
// instead of a number below 1e-36.
std::vector<double> tolerance(Device& device, const Case& c, const Values& values,
                              const std::vector<float>& wanted) {
  std::vector<double> tolerance(wanted.size());
  const std::vector<double> rounding =
      c.op == Op::linear_swiglu ? rounding_errors(wanted, c.out, device.input, kGatedScale)
                                : rounding_errors(wanted, c.out, device.output);
  const std::vector<double> quantizing = quantizes(device, c)
                                             ? column_scaled_errors(values.in, values.weight, c.in)
                                             : std::vector<double>(wanted.size());
  for (uint32_t t = 0; t < c.rows; ++t) {
    const float* in = &values.in[size_t{t} * c.in];
    const auto sum_error_of = [&](uint32_t m) {
      return sum_error(c.in, norm(in, c.in) * norm(&values.weight[size_t{m} * c.in], c.in));
    };
    const auto sum_of = [&](uint32_t m) {
      double sum = 0;
      for (uint32_t k = 0; k < c.in; ++k)
        sum += double{in[k]} * values.weight[size_t{m} * c.in + k];
      return std::abs(sum);
    };
    for (uint32_t m = 0; m < c.out; ++m) {
      const size_t i = size_t{t} * c.out + m;
      const double size = std::abs(wanted[i]);
      switch (c.op) {
        case Op::linear: tolerance[i] = sum_error_of(m) + rounding[i]; break;
        case Op::linear_add:
          tolerance[i] = sum_error_of(m) + kRoundoff * (size + std::abs(values.x[i]) + sum_of(m)) +
                         quantizing[i];
          break;
        case Op::linear_swiglu:
          tolerance[i] = 1.1 * sum_error_of(m) * sum_of(c.out + m) +
                         sum_of(m) * sum_error_of(c.out + m) + 16 * kRoundoff * size + rounding[i] +
                         1e-36 * sum_of(c.out + m);
          break;
      }
    }
  }
  return tolerance;
}

// The same for linear_swiglu if each sum has one product that is not zero, and so is exact. silu
// multiplies its operand by log2(e), which adds an error of |gate| roundings.
std::vector<double> gate_tolerance(Device& device, const Case& c, const Values& values,
                                   const std::vector<float>& wanted) {
  std::vector<double> tolerance = rounding_errors(wanted, c.out, device.input, kGatedScale);
  for (size_t i = 0; i < wanted.size(); ++i) {
    double gate = 0;
    for (uint32_t k = 0; k < c.in; ++k)
      gate += double{values.in[i / c.out * c.in + k]} * values.weight[i % c.out * c.in + k];
    tolerance[i] += (16 + std::abs(gate)) * kRoundoff * std::abs(wanted[i]) + 1e-36;
  }
  return tolerance;
}

void agrees(Device& device, const Case& c, const Values& values,
            std::vector<double> (*tolerance_of)(Device&, const Case&, const Values&,
                                                const std::vector<float>&) = tolerance) {
  try {
    Device reference = open_reference();
    const std::vector<float> wanted = run(reference, c, values);
    expect_close(run(device, c, values), wanted, tolerance_of(device, c, values, wanted), c.out);
  } catch (const Failure& failure) {
    throw Failure(c.text() + ": " + failure.what());
  }
}

void agrees_on_ragged_shapes(Device& device) {
  Random random(1);
  // 1, and one less than, equal to and one more than the tile sizes of all instruction sets (6 or
  // 12 rows, 16 or 32 columns).
  constexpr std::array kRows{1, 5, 6, 7, 11, 12, 13, 25};
  constexpr std::array kColumns{1, 15, 16, 17, 31, 32, 33, 65, 130};
  constexpr std::array kInputs{1, 2, 3, 64, 127, 130};
  size_t i = 0;
  for (const uint32_t rows : kRows) {
    for (const uint32_t columns : kColumns) {
      for (const Op op : kOps) {
        if (device.emulated && op != kOps[i / kOps.size() % kOps.size()]) {
          ++i;  // each op runs a third of the shapes
          continue;
        }
        const Case c{op, rows, static_cast<uint32_t>(kInputs[i++ % kInputs.size()]), columns,
                     uint32_t(i % 5)};
        agrees(device, c, random_values(device, c, random));
      }
    }
  }
}

// More work than a task of one thread, and sums that a kernel may split.
void agrees_on_large_shapes(Device& device) {
  Random random(2);
  size_t shape = 0;
  for (const Op op : kOps) {
    for (const Case& c : {Case{op, 131, 300, 201}, Case{op, 3, 4099, 35}, Case{op, 2, 9001, 17},
                          Case{op, 1, 64, 1030}, Case{op, 310, 40, 70}}) {
      if (device.emulated && op != kOps[shape++ % kOps.size()]) continue;
      agrees(device, c, random_values(device, c, random));
    }
  }
}

// Gates from far below to far above the range of exp, each with an up of 1. First the gates are in
// the input rows; then they are in the weight, so that no s8 row has to hold gate and up together.
void swiglu_agrees_for_any_gate(Device& device) {
  // In s8, a sum adds the products of rotated values, so it is not exact.
  const auto tolerance_of = device.normed == DType::s8 ? tolerance : gate_tolerance;
  const std::vector<float> gates{-1e30f, -3e4f, -200,   -100,    -90, -88,    -87,   -80,  -20,
                                 -5,     -1,    -1e-3f, -1e-30f, 0,   1e-30f, 1e-3f, 1,    5,
                                 20,     80,    87,     88,      90,  100,    200,   3e4f, 1e30f};
  const auto rows = static_cast<uint32_t>(gates.size());
  const Case c{Op::linear_swiglu, rows, 2, 33};
  Values values;
  for (const float gate : gates) values.in.insert(values.in.end(), {gate, 1});
  values.in = rounded(values.in, c.in, device.normed);
  for (uint32_t m = 0; m < 2 * c.out; ++m)
    values.weight.insert(values.weight.end(), {m < c.out ? 1.f : 0.f, m < c.out ? 0.f : 1.f});
  agrees(device, c, values, tolerance_of);
  for (const float gate : gates) {
    const Case alone{Op::linear_swiglu, 1, 1, 3};
    const DType dtype = weight_dtype(device, alone);
    agrees(device, alone,
           {rounded({1}, 1, device.normed), rounded({gate, gate, gate, 1, 1, 1}, 1, dtype), {}},
           tolerance_of);
  }
}

std::vector<float> rows_of(const std::vector<float>& matrix, uint32_t cols,
                           const std::vector<uint32_t>& rows) {
  std::vector<float> picked;
  for (const uint32_t r : rows) {
    const auto first = matrix.begin() + size_t{r} * cols;
    picked.insert(picked.end(), first, first + cols);
  }
  return picked;
}

// Few rows, more rows than a task has, and sums long enough to be split.
void row_alone_is_row_in_any_batch(const BackendEntry& entry) {
  for (const Op op : kOps) {
    const uint32_t many = entry.emulated ? 140 : 310;
    for (const Case& whole :
         {Case{op, 29, 66, 70}, Case{op, many, 131, 70}, Case{op, 29, 700, 40}}) {
      Random random(3);
      Device first(entry, 0);
      const Values values = random_values(first, whole, random);
      const std::vector<float> wanted = run(first, whole, values);
      Device device(entry, entry.open.size() - 1);
      const auto same = [&](const std::vector<uint32_t>& rows, uint32_t gap,
                            const std::string& when) {
        const Case part{op, static_cast<uint32_t>(rows.size()), whole.in, whole.out, gap};
        const Values picked{rows_of(values.in, whole.in, rows), values.weight,
                            rows_of(values.x, whole.out, rows)};
        expect_same_bits(run(device, part, picked), rows_of(wanted, whole.out, rows), whole.out,
                         part.text() + ", " + when);
      };
      same(random.permutation(whole.rows), 3, "in another order, with other threads");
      same(random.permutation(whole.rows), 16, "with another stride");
      for (uint32_t r = 0; r < whole.rows; r += whole.rows / (entry.emulated ? 3 : 29))
        same({r}, 0, "row " + std::to_string(r) + " alone");
    }
  }
}

void bad_rows_fail_alone(Device& device) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const Op op : kOps) {
    Random random(4);
    const Case c{op, 14, 66, 40};
    Values values = random_values(device, c, random);
    std::vector<float> wanted = run(device, c, values);
    for (const auto& [row, poison] : {std::pair{2u, kNaN}, {7u, kInfinity}, {13u, -kInfinity}}) {
      for (uint32_t k = 0; k < c.in; k += 5) values.in[row * c.in + k] = poison;
    }
    // In s8 a value that is not finite makes its whole row non-finite.
    values.in = rounded(values.in, c.in, c.input(device));
    std::vector<float> actual = run(device, c, values);
    for (const uint32_t row : {2u, 7u, 13u}) {
      for (uint32_t m = 0; m < c.out; ++m) {
        expect(op == Op::linear_swiglu || !std::isfinite(actual[row * c.out + m]),
               c.text() + ": a row with NaN or infinity has a finite result");
        actual[row * c.out + m] = wanted[row * c.out + m] = 0;
      }
    }
    expect_same_bits(actual, wanted, c.out, c.text() + " with NaN and infinity in other rows");
  }
}

}  // namespace

void add_linear_tests(Tests& tests, const BackendEntry& entry) {
  add_on_last_variant(tests, entry, "linear ops: ragged shapes", agrees_on_ragged_shapes);
  add_on_last_variant(tests, entry, "linear ops: large shapes", agrees_on_large_shapes);
  add_on_last_variant(tests, entry, "linear_swiglu: any gate", swiglu_agrees_for_any_gate);
  add_on_last_variant(tests, entry, "linear ops: NaN and infinity stay in their row",
                      bad_rows_fail_alone);
  tests.push_back(
      {entry.name +
           ": linear ops: a row alone has the bits of the row in any batch, on any threads",
       [entry] { row_alone_is_row_in_any_batch(entry); }});
}

}  // namespace qwen3::test
