// store_weight: conversion, pieces, alignment. The weights are read back through the ops, because
// the layouts are the backend's own.
#include <array>
#include <limits>

#include "ops/guarded.h"
#include "ops/number.h"
#include "ops/op_tests.h"
#include "random.h"

namespace qwen3::test {
namespace {

// The weight as linear reads it: row k of the identity returns column k, exactly in any order of
// summation. (In s8 too: a row of the rotation consists of 1 and -1.)
std::vector<float> read_linear(Device& device, Matrix weight) {
  std::vector<float> identity(size_t{weight.cols} * weight.cols);
  for (uint32_t k = 0; k < weight.cols; ++k) identity[size_t{k} * weight.cols + k] = 1;
  const GuardedMatrix in(device, weight.cols, weight.cols, 0, device.normed, &identity);
  const GuardedMatrix out(device, weight.cols, weight.rows, 0, device.output);
  device.backend.linear(in, weight, out);
  device.sync();
  const std::vector<float> transposed = out.read();
  std::vector<float> values(transposed.size());
  for (uint32_t m = 0; m < weight.rows; ++m) {
    for (uint32_t k = 0; k < weight.cols; ++k) {
      values[size_t{m} * weight.cols + k] = transposed[size_t{k} * weight.rows + m];
    }
  }
  return values;
}

// The result of linear_add for three random rows.
std::vector<float> read_linear_add(Device& device, Matrix weight) {
  Random random(8);
  const std::vector<float> values =
      rounded(random.values(3 * weight.cols), weight.cols, device.input);
  const std::vector<float> zeros(3 * weight.rows);
  const GuardedMatrix in(device, 3, weight.cols, 0, device.input, &values);
  const GuardedMatrix x(device, 3, weight.rows, 0, DType::f32, &zeros);
  device.backend.linear_add(in, weight, x);
  device.sync();
  return x.read();
}

// Every row of a table.
std::vector<float> read_table(Device& device, Matrix table) {
  std::vector<uint32_t> ids(table.rows);
  for (uint32_t i = 0; i < table.rows; ++i) ids[i] = i;
  const GuardedArray<uint32_t> list(device, ids);
  const GuardedMatrix out(device, table.rows, table.cols, 0, DType::f32);
  device.backend.gather(list.data(), table, out);
  device.sync();
  return out.read();
}

// The result of linear_swiglu for seven random rows, which depends on both gate and up.
std::vector<float> read_gate_up(Device& device, Matrix weight) {
  Random random(9);
  const std::vector<float> values =
      rounded(random.values(7 * weight.cols), weight.cols, device.normed);
  const GuardedMatrix in(device, 7, weight.cols, 0, device.normed, &values);
  const GuardedMatrix out(device, 7, weight.rows / 2, 0, device.input);
  device.backend.linear_swiglu(in, weight, out);
  device.sync();
  return out.read();
}

template <typename T>
std::vector<unsigned char> bytes_of_values(const std::vector<T>& values) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  return {bytes, bytes + values.size() * sizeof(T)};
}

// Random values: the bytes in which a checkpoint stores them, and their exact value.
struct Stored {
  std::vector<unsigned char> bytes;
  std::vector<float> values;
};

Stored random_stored(Random& random, size_t count, DType dtype) {
  if (dtype == DType::f32) {
    const std::vector<float> values = random.values(count);
    return {bytes_of_values(values), values};
  }
  std::vector<uint16_t> halves(count);
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    if (dtype == DType::bf16) {
      halves[i] = to_bf16(random.uniform(-1, 1));
      values[i] = from_bf16(halves[i]);
    } else {  // sign, exponent of 2^-14 to 2^1, fraction
      halves[i] = static_cast<uint16_t>(random.below(2) << 15 | (1 + random.below(15)) << 10 |
                                        random.below(1024));
      const float magnitude =
          std::ldexp(1024.f + static_cast<float>(halves[i] & 1023), (halves[i] >> 10 & 31) - 25);
      values[i] = halves[i] >> 15 ? -magnitude : magnitude;
    }
  }
  return {bytes_of_values(halves), values};
}

// Checks the values that linear reads from a weight stored as `dtype`. Formats other than s8 have
// one correct rounding. s8 rounds as rows of activations do, and linear rounds to the output's
// dtype.
void expect_stored(Device& device, const std::vector<float>& read, const std::vector<float>& values,
                   size_t cols, DType dtype) {
  if (dtype != DType::s8)
    return expect_same_bits(read, rounded(values, cols, dtype), cols, "linear");
  std::vector<double> tolerance = rounding_errors(values, cols, dtype);
  for (size_t i = 0; i < values.size(); ++i) {
    tolerance[i] += unit_roundoff(device.output) * (std::abs(values[i]) + tolerance[i]);
  }
  expect_close(read, values, tolerance, cols);
}

void stores_every_dtype_in_any_pieces(Device& device) {
  Random random(1);
  struct Shape {
    uint32_t rows, cols;
  };
  for (const DType stored : {DType::f32, DType::bf16, DType::f16}) {
    for (const Shape& shape : {Shape{1, 1}, {15, 3}, {16, 64}, {33, 65}, {70, 37}}) {
      const Stored weight = random_stored(random, size_t{shape.rows} * shape.cols, stored);
      std::vector<float> whole, whole_sums;
      for (const uint32_t piece : {UINT32_MAX, 1u, 3u, 7u, 17u, 32u}) {
        const StoredWeight linear(device, WeightUse::linear, shape.rows, shape.cols,
                                  weight.bytes.data(), stored, piece);
        linear.check();
        const std::vector<float> values = read_linear(device, linear);
        if (piece == UINT32_MAX) {
          whole = values;
          expect_stored(device, values, weight.values, shape.cols, Matrix(linear).dtype);
        }
        expect_same_bits(values, whole, shape.cols, "linear in pieces of " + std::to_string(piece));
        const StoredWeight added(device, WeightUse::linear_add, shape.rows, shape.cols,
                                 weight.bytes.data(), stored, piece);
        added.check();
        const std::vector<float> sums = read_linear_add(device, added);
        if (piece == UINT32_MAX) whole_sums = sums;
        expect_same_bits(sums, whole_sums, shape.rows,
                         "linear_add in pieces of " + std::to_string(piece));
        const StoredWeight table(device, WeightUse::table, shape.rows, shape.cols,
                                 weight.bytes.data(), stored, piece);
        table.check();
        const Matrix table_matrix = table;
        expect_same_bits(read_table(device, table),
                         rounded(weight.values, shape.cols, table_matrix.dtype), shape.cols,
                         "table in pieces of " + std::to_string(piece));
      }
    }
  }
}

void stores_gate_up_in_any_pieces(Device& device) {
  Random random(2);
  for (const DType stored : {DType::f32, DType::bf16, DType::f16}) {
    for (const uint32_t intermediate : {1u, 15u, 16u, 17u, 40u}) {
      constexpr uint32_t kCols = 19;
      const Stored weight = random_stored(random, size_t{2} * intermediate * kCols, stored);
      const auto read_in_pieces = [&](uint32_t piece) {
        const StoredWeight gate_up(device, WeightUse::gate_up, 2 * intermediate, kCols,
                                   weight.bytes.data(), stored, piece);
        gate_up.check();
        return read_gate_up(device, gate_up);
      };
      const std::vector<float> whole = read_in_pieces(UINT32_MAX);
      for (const uint32_t piece : {intermediate, 1u, 3u, 11u}) {
        expect_same_bits(read_in_pieces(piece), whole, intermediate,
                         "pieces of " + std::to_string(piece));
      }
    }
  }
}

// Zeros, ones, the smallest and largest numbers, ties of rounding, infinities and NaN.
void keeps_special_values(Device& device) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values{0.f,
                                  -0.f,
                                  1.f,
                                  -1.f,
                                  1e-45f,
                                  -1e-40f,
                                  1.17549435e-38f,
                                  3.4028235e38f,
                                  -3.3e38f,
                                  float_of(0x3f808000),
                                  float_of(0x3f818000),
                                  float_of(0x3f808001),
                                  float_of(0x3f80ffff),
                                  kInfinity,
                                  -kInfinity};
  const auto count = static_cast<uint32_t>(values.size());
  const StoredWeight table(device, WeightUse::table, 1, count, values);
  const Matrix matrix = table;
  expect_same_bits(read_table(device, table), rounded(values, count, matrix.dtype), count, "table");
  // Each value is a row of a linear weight. Numbers below 2^-126 are left out: BF16 instructions
  // read them as zeros.
  std::vector<float> rows{1, float_of(0x3f808000), float_of(0x3f818000), float_of(0x3f808001),
                          float_of(0x3f80ffff)};
  const DType linear = device.backend.weight_layout(WeightUse::linear, 1, 1, DType::f32).dtype;
  if (linear != DType::s8) rows.insert(rows.end(), {kInfinity, -kInfinity});
  expect_stored(device,
                read_linear(device, StoredWeight(device, WeightUse::linear,
                                                 static_cast<uint32_t>(rows.size()), 1, rows)),
                rows, 1, linear);
  // NaN with single bits at both ends of the fraction: truncation to the upper 16 bits would turn
  // some into infinities.
  for (const uint32_t bits :
       {0x7fc00000u, 0x7f800001u, 0xff800001u, 0x7fffffffu, 0xffffffffu, 0x7f80ffffu}) {
    const std::vector<float> nan{1, float_of(bits), 1};
    const StoredWeight nan_table(device, WeightUse::table, 3, 1, nan);
    const std::vector<float> table_values = read_table(device, nan_table);
    const StoredWeight nan_linear(device, WeightUse::linear, 3, 1, nan);
    const std::vector<float> linear_values = read_linear(device, nan_linear);
    for (const std::vector<float>& read : {table_values, linear_values}) {
      expect(read[0] == 1 && read[2] == 1, "a NaN reached its neighbors");
      expect(std::isnan(read[1]), "a NaN became a number");
    }
  }
}

// All 65,536 f16 numbers, checked by facts about the format instead of a second decoder.
void reads_every_f16(Device& device) {
  std::vector<uint16_t> halves(65536);
  for (uint32_t i = 0; i < 65536; ++i) halves[i] = static_cast<uint16_t>(i);
  const uint32_t cols = device.emulated ? 1024 : 1;
  const StoredWeight table(device, WeightUse::table, 65536 / cols, cols, halves.data(), DType::f16,
                           device.emulated ? 7 : 1000);
  const Matrix matrix = table;
  const std::vector<float> values = read_table(device, table);
  const auto value = [&](uint16_t bits) { return values[bits]; };
  struct Known {
    uint16_t bits;
    float value;
  };
  for (const Known& known : {Known{0x0000, 0},
                             {0x0001, 0x1p-24f},
                             {0x03ff, 1023 * 0x1p-24f},
                             {0x0400, 0x1p-14f},
                             {0x3c00, 1},
                             {0x3c01, 1 + 0x1p-10f},
                             {0x7bff, 65504},
                             {0xc000, -2}}) {
    expect_same_bits({value(known.bits)}, rounded({known.value}, 1, matrix.dtype), 1,
                     "a known f16 number");
  }
  expect(value(0x7c00) == std::numeric_limits<float>::infinity() && value(0xfc00) == -value(0x7c00),
         "infinities");
  for (uint32_t bits = 0x7c01; bits < 0x8000; ++bits) {
    expect(std::isnan(values[bits]) && std::isnan(values[bits | 0x8000]), "a NaN became a number");
  }
  // f16 numbers are evenly spaced between powers of two. Rounding to bf16 may make neighbors
  // equal.
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    expect(bits_of(values[bits | 0x8000]) == (bits_of(values[bits]) ^ 0x80000000u),
           "numbers of opposite sign differ in more than the sign");
    if (bits == 0x7bff || matrix.dtype == DType::bf16) continue;
    const int exponent = static_cast<int>(bits >> 10);
    expect(values[bits + 1] - values[bits] == std::ldexp(1.f, std::max(exponent, 1) - 25),
           "wrong spacing");
  }
}

}  // namespace

void add_weight_tests(Tests& tests, const BackendEntry& entry) {
  add_on_last_variant(tests, entry, "store_weight: every dtype, any pieces",
                      stores_every_dtype_in_any_pieces);
  add_on_last_variant(tests, entry, "store_weight: gate and up in any pieces",
                      stores_gate_up_in_any_pieces);
  add_on_last_variant(tests, entry, "store_weight: special values", keeps_special_values);
  add_on_last_variant(tests, entry, "store_weight: every f16", reads_every_f16);
}

}  // namespace qwen3::test
