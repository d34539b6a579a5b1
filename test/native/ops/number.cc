#include "ops/number.h"

#include <algorithm>

#include "ops/rotated.h"

namespace qwen3::test {
namespace {

// Rounds a scale to five bits, so that every value of a row is exact in f32: 7 bits are the
// integer's, 12 the largest rotation order's.
float short_scale(float scale) {
  if (!std::isfinite(scale)) return scale;
  int exponent;
  const float fraction = std::frexp(scale, &exponent);
  return std::ldexp(std::nearbyint(fraction * 32), exponent - 5);
}

}  // namespace

uint16_t to_f16(float value) {
  const auto sign = static_cast<uint16_t>(bits_of(value) >> 16 & 0x8000);
  if (std::isnan(value)) return sign | 0x7e00;
  const double size = std::abs(double{value});
  if (size >= 65520) return sign | 0x7c00;
  // The spacing of f16 numbers is 2^-10 of their power of two; below 2^-14 it stays 2^-24.
  const int exponent = size < 0x1p-14 ? -14 : std::ilogb(size);
  const auto steps = static_cast<int>(std::nearbyint(std::ldexp(size, 10 - exponent)));
  return static_cast<uint16_t>(sign + ((exponent + 14) << 10) + steps);
}

float from_f16(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const float sign = bits >> 15 ? -1.f : 1.f;
  if (exponent == 31) return sign * (fraction ? NAN : INFINITY);
  const int steps = exponent == 0 ? fraction : 1024 + fraction;
  return sign * std::ldexp(static_cast<float>(steps), std::max(exponent, 1) - 25);
}

std::vector<float> rounded(std::vector<float> values, size_t cols, DType dtype) {
  switch (dtype) {
    case DType::f32: break;
    case DType::bf16:
      for (float& value : values) value = from_bf16(to_bf16(value));
      break;
    case DType::f16:
      for (float& value : values) value = from_f16(to_f16(value));
      break;
    case DType::s8:
      for (size_t first = 0; first < values.size(); first += cols) {
        QuantizedRow row = quantized(&values[first], static_cast<uint32_t>(cols));
        row.scale = short_scale(row.scale);
        const std::vector<float> exact = dequantized(row);
        std::copy(exact.begin(), exact.end(), values.begin() + static_cast<std::ptrdiff_t>(first));
      }
  }
  return values;
}

std::vector<double> rounding_errors(const std::vector<float>& values, size_t cols, DType dtype,
                                    double f16_scale) {
  std::vector<double> errors(values.size());
  for (size_t i = 0; i < values.size(); ++i) errors[i] = unit_roundoff(dtype) * std::abs(values[i]);
  if (dtype == DType::f16) {
    for (double& error : errors) error = std::max(error, 0x1p-25 * f16_scale);
  }
  if (dtype == DType::s8) {
    constexpr double kSmallestPeak = 0x1p-100;  // rows below it are zeros
    const double order = rotation_order(static_cast<uint32_t>(cols));
    for (size_t first = 0; first < values.size(); first += cols) {
      const double scale = quantized(&values[first], static_cast<uint32_t>(cols)).scale;
      const double error = scale * std::min(0.5, 6 / std::sqrt(12 * order));
      std::fill_n(&errors[first], cols, std::max(error, kSmallestPeak));
    }
  }
  return errors;
}

std::vector<double> column_scaled_errors(const std::vector<float>& in,
                                         const std::vector<float>& weight, size_t cols) {
  struct Row {
    double step, length;
  };
  std::vector<double> squares(cols);
  for (size_t i = 0; i < weight.size(); ++i) squares[i % cols] += double{weight[i]} * weight[i];
  const auto column_scaled = [&](const std::vector<float>& matrix, double power) {
    std::vector<Row> rows;
    for (size_t first = 0; first < matrix.size(); first += cols) {
      std::vector<float> row(cols);
      for (size_t j = 0; j < cols; ++j) {
        const double factor = squares[j] > 0 ? std::pow(squares[j], power / 2) : 0;
        row[j] = static_cast<float>(matrix[first + j] * factor);
      }
      rows.push_back(
          {quantized(row.data(), static_cast<uint32_t>(cols)).scale, norm(row.data(), cols)});
    }
    return rows;
  };
  const std::vector<Row> x = column_scaled(in, 1), w = column_scaled(weight, -1);
  const double order = rotation_order(static_cast<uint32_t>(cols));
  std::vector<double> errors;
  for (const Row& a : x) {
    for (const Row& b : w) {
      const double single = (a.step * b.length + b.step * a.length) / std::sqrt(12 * order);
      errors.push_back(
          6 * (single + a.step * b.step * std::sqrt(static_cast<double>(cols)) / (12 * order)));
    }
  }
  return errors;
}

}  // namespace qwen3::test
