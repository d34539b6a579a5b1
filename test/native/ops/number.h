// Number formats, implemented independently for the tests: rounding, decoding, and error bounds.
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

// Rounds to nearest, ties to even. A NaN stays a NaN.
inline uint16_t to_bf16(float value) {
  const uint32_t bits = bits_of(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float from_bf16(uint16_t bits) { return float_of(uint32_t{bits} << 16); }

uint16_t to_f16(float value);
float from_f16(uint16_t bits);

// Rounds rows of `cols` values to values that are exact in `dtype`: rounding again returns the same
// bits. In s8 this may scale a whole row by up to a thirtieth more or less.
std::vector<float> rounded(std::vector<float> values, size_t cols, DType dtype);

// Unit roundoff: the maximum relative error of rounding once, half the distance from 1 to the next
// number. 0 for s8, which has none.
constexpr double unit_roundoff(DType dtype) {
  switch (dtype) {
    case DType::f32: return 0x1p-24;
    case DType::bf16: return 0x1p-8;
    case DType::f16: return 0x1p-11;
    case DType::s8: break;
  }
  return 0;
}

// The maximum error of rounding once to `dtype`, for each value of rows of `cols`.
//
// f16: the error is absolute below 2^-14. Values are divided by `f16_scale` before rounding.
// s8: the error of a rotated value is uniform, at most scale / 2. A value is the mean of `order` of
// them with signs, so its error is at most as large, and its standard deviation (a random walk) is
// scale / sqrt(12 order). Six times that is exceeded once in 10^9 values; tests compare less than a
// thousandth of that number.
std::vector<double> rounding_errors(const std::vector<float>& values, size_t cols, DType dtype,
                                    double f16_scale = 1);

// The maximum error [rows, outputs] of int8's linear_add for `in` [rows, cols] and `weight`
// [outputs, cols], compared with the exact sums. The op scales the columns: x'_j = x_j l_j and
// w'_j = w_j / l_j, where l_j is the length of the weight's column. Then it rotates both and rounds
// them to steps s of peak / 127. A sum is 1 / order times the sum of the products of rotated
// values, so the standard deviations of its errors are s_x |w'| / sqrt(12 order), s_w |x'| /
// sqrt(12 order) and s_x s_w sqrt(cols) / (12 order). The bound is six times their sum.
std::vector<double> column_scaled_errors(const std::vector<float>& in,
                                         const std::vector<float>& weight, size_t cols);

constexpr double kRoundoff = unit_roundoff(DType::f32);

// The maximum error of an f32 sum of n products a[i] b[i], in any order of summation. Every partial
// sum is at most |a| |b| (Cauchy-Schwarz), so the error of each of the n additions is at most
// u |a| |b|. Rounding errors have no common sign: n of them add up as a random walk, to sqrt(n)
// times one of them. The bound is 4 standard deviations. (A wrong product changes the sum by about
// |a| |b| / n, far more than the bound for the sizes tested.)
inline double sum_error(size_t n, double norm_product) {
  return 4 * std::sqrt(static_cast<double>(n)) * kRoundoff * norm_product;
}

inline double norm(const float* x, size_t n) {
  double squares = 0;
  for (size_t i = 0; i < n; ++i) squares += double{x[i]} * x[i];
  return std::sqrt(squares);
}

// Fails unless every value is within its tolerance. Two NaN are equal.
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

// Fails unless all bits are equal, those of NaN included.
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
