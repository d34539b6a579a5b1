// Rows of int8 from their definition, in double: what the kernels that make and read them are compared with.
//
//   r = H x over each `order` columns, H: Hadamard's matrix of that order; scale = max |r| / 127; q = round(r / scale)
//   x = H (q scale) / order, since H H = order I
#pragma once
#include <cstdint>
#include <vector>

namespace qwen3::test {

struct QuantizedRow {
  std::vector<int8_t> values;
  float scale;  // infinite where anything of the row is not finite
};

// The largest power of two that divides `cols`, at most 4,096.
uint32_t rotation_order(uint32_t cols);

QuantizedRow quantized(const float* row, uint32_t cols);
std::vector<float> dequantized(const QuantizedRow& row);

}  // namespace qwen3::test
