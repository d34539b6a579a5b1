// Number formats as the tests understand them: rounding, decoding, and how far rounding may lead.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "harness.h"

namespace qwen3::test {

inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// To nearest, ties to even; a NaN stays one.
inline uint16_t to_bf16(float value) {
  const uint32_t bits = bits_of(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float from_bf16(uint16_t bits) { return float_of(uint32_t{bits} << 16); }

uint16_t to_f16(float value);
float from_f16(uint16_t bits);

// Rows of `cols` values that `dtype` holds exactly, near those given: rounded once more, they are the same bits. In s8
// a row may be longer or shorter as a whole by a thirtieth.
std::vector<float> rounded(std::vector<float> values, size_t cols, DType dtype);

// Half the distance from 1 to the next number: what rounding once may change, relatively. s8 has no such number.
constexpr double unit_roundoff(DType dtype) {
  switch (dtype) {
    case DType::f32: return 0x1p-24;
    case DType::bf16: return 0x1p-8;
    case DType::f16: return 0x1p-11;
    case DType::s8: break;
  }
  return 0;
}

// How far rounding once to `dtype` may move each value of rows of `cols`.
//
// f16 rounds absolutely below 2^-14; `f16_scale` is what its values are divided by.
// In s8 each rotated value r errs by at most scale / 2, evenly. A value is the mean of `order` of them with signs, so
// it errs by no more, and as a random walk by scale / sqrt(12 order): six times that is one in 10^9, and more values
// than a thousandth of it are never compared.
std::vector<double> rounding_errors(const std::vector<float>& values, size_t cols, DType dtype,
                                    double f16_scale = 1);

// How far int8's linear_add may be from the sums of `in` [rows, cols] and `weight` [outputs, cols]: [rows, outputs]. Its
// columns are levelled: x'_j = x_j l_j, w'_j = w_j / l_j with the length l_j of the weight's column; then both are rotated
// and rounded to steps s of a 127th of their peaks. A sum is the mean of `order` times the products of rotated values, so
// it errs by s_x |w'| / sqrt(12 order), by s_w |x'| / sqrt(12 order) and by s_x s_w sqrt(cols) / (12 order): six times that.
std::vector<double> levelled_errors(const std::vector<float>& in, const std::vector<float>& weight,
                                    size_t cols);

constexpr double kRoundoff = unit_roundoff(DType::f32);

// How far the f32 sum of n products a[i] b[i] may be from the true one, in any order of summing. Every partial sum is
// at most |a| |b| (Cauchy-Schwarz), so each of the n additions errs by at most u |a| |b|. Roundings have no common
// sign: n of them add up like a random walk, sqrt(n), and 4 standard deviations make the bound. (An error in one
// product is about |a| |b| / n, far above that for the sizes tested.)
inline double sum_error(size_t n, double norm_product) {
  return 4 * std::sqrt(static_cast<double>(n)) * kRoundoff * norm_product;
}

inline double norm(const float* x, size_t n) {
  double squares = 0;
  for (size_t i = 0; i < n; ++i) squares += double{x[i]} * x[i];
  return std::sqrt(squares);
}

// Every value within its tolerance; two NaN are equal.
inline void expect_close(const std::vector<float>& actual, const std::vector<float>& wanted,
                         const std::vector<double>& tolerance, size_t cols) {
  expect(actual.size() == wanted.size(), "wrong size");
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (std::isnan(wanted[i]) && std::isnan(actual[i])) continue;
    if (actual[i] == wanted[i] || std::abs(double{actual[i]} - wanted[i]) <= tolerance[i]) continue;
    char message[160];
    std::snprintf(message, sizeof message,
                  "row %zu column %zu: %.9g, not %.9g: off by %.3g, %.3g is allowed", i / cols,
                  i % cols, actual[i], wanted[i], std::abs(double{actual[i]} - wanted[i]),
                  tolerance[i]);
    throw Failure(message);
  }
}

// Bit for bit, NaN included.
inline void expect_same_bits(const std::vector<float>& actual, const std::vector<float>& wanted,
                             size_t cols, const std::string& when) {
  expect(actual.size() == wanted.size(), when + ": wrong size");
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (bits_of(actual[i]) == bits_of(wanted[i])) continue;
    char message[200];
    std::snprintf(message, sizeof message, "%s: row %zu column %zu: %.9g (%08x), not %.9g (%08x)",
                  when.c_str(), i / cols, i % cols, actual[i], bits_of(actual[i]), wanted[i],
                  bits_of(wanted[i]));
    throw Failure(message);
  }
}

}  // namespace qwen3::test
