#include "ops/rotated.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace qwen3::test {
namespace {

constexpr double kLargest = 127;
constexpr uint32_t kLargestOrder = 4096;

// x = H x, by recursion: H_1 = 1, H_2n = [H_n H_n; H_n -H_n].
void multiply_by_hadamard(double* x, uint32_t order) {
  if (order == 1) return;
  const uint32_t half = order / 2;
  multiply_by_hadamard(x, half);
  multiply_by_hadamard(x + half, half);
  for (uint32_t i = 0; i < half; ++i) {
    const double upper = x[i], lower = x[i + half];
    x[i] = upper + lower;
    x[i + half] = upper - lower;
  }
}

void rotate(std::vector<double>& row) {
  const uint32_t order = rotation_order(static_cast<uint32_t>(row.size()));
  for (size_t first = 0; first < row.size(); first += order)
    multiply_by_hadamard(&row[first], order);
}

}  // namespace

uint32_t rotation_order(uint32_t cols) {
  uint32_t order = kLargestOrder;
  while (cols % order != 0) order /= 2;
  return order;
}

QuantizedRow quantized(const float* row, uint32_t cols) {
  std::vector<double> rotated(row, row + cols);
  rotate(rotated);
  double largest = 0;
  bool finite = true;
  for (const double value : rotated) {
    finite = finite && std::isfinite(value);
    largest = std::max(largest, std::abs(value));
  }
  QuantizedRow result{std::vector<int8_t>(cols), static_cast<float>(largest / kLargest)};
  if (!finite) result.scale = std::numeric_limits<float>::infinity();
  if (!finite || largest == 0) return result;
  for (uint32_t i = 0; i < cols; ++i) {
    result.values[i] = static_cast<int8_t>(std::nearbyint(rotated[i] * kLargest / largest));
  }
  return result;
}

std::vector<float> dequantized(const QuantizedRow& row) {
  std::vector<double> values(row.values.begin(), row.values.end());
  for (double& value : values) value *= row.scale;
  rotate(values);
  const double order = rotation_order(static_cast<uint32_t>(values.size()));
  std::vector<float> result;
  for (const double value : values) result.push_back(static_cast<float>(value / order));
  return result;
}

}  // namespace qwen3::test
