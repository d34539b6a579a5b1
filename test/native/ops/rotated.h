// Rotated rows of int8, computed in double from their definition. The reference for the kernels
// that write and read them.
//
//   r = H x over each `order` columns, where H is the Hadamard matrix of that order
//   scale = max |r| / 127, q = round(r / scale)
//   x = H (q scale) / order, since H H = order I
#pragma once
#include <cstdint>
#include <vector>

namespace qwen3::test {

struct QuantizedRow {
  std::vector<int8_t> values;
  float scale;  // infinite if any value of the row is not finite
};

// The largest power of two that divides `cols`, at most 4,096.
uint32_t rotation_order(uint32_t cols);

QuantizedRow quantized(const float* row, uint32_t cols);
std::vector<float> dequantized(const QuantizedRow& row);

}  // namespace qwen3::test
