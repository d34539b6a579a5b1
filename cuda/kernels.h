// What the backend calls: one launcher per op, each in the file of its kernels. They enqueue and return; matrices are
// as in backend.h. Linear weights are row-major with rows padded to kWeightRowElements, gate and up rows in turn.
#pragma once
#include "backend.h"
#include "runtime.h"

namespace qwen3::cuda {

constexpr uint32_t kWeightRowElements = 8;  // 16 bytes, what cp.async copies
constexpr uint32_t weight_stride(uint32_t cols) {
  return (cols + kWeightRowElements - 1) / kWeightRowElements * kWeightRowElements;
}

// How linear ops divide their sums. Within a plan a row's bits depend on nothing but the row.
enum class Plan : uint8_t {
  large,  // one sum over all of `in`
  small,  // eight, added at the end: for so few rows that reading the weights is what takes the time
};

enum class Epilogue : uint8_t { store, add, swiglu };

// A vector to be made, in host memory that kernels can reach.
struct PooledRow {
  uint32_t row, dimensions;
  float* out;
  uint32_t finite;  // written
};

// row_ops.cu
Failure gather(Stream stream, const uint32_t* ids, Matrix table, Matrix out);
Failure rms_norm(Stream stream, Matrix x, const float* gain, float eps, Matrix out);
Failure pool(Stream stream, Matrix x, const float* gain, float eps, PooledRow* rows, uint32_t count);

// rope.cu
Failure norm_rope(Stream stream, Matrix query, const float* gain, Heads heads, Spans spans);
Failure norm_rope_store(Stream stream, Matrix key_value, const float* gain, Heads heads, Spans spans,
                        void* pages);

// gemm_mma.cu
Failure gemm(Stream stream, Plan plan, Epilogue epilogue, int multiprocessors, Matrix in, Matrix weight,
             Matrix out);

// attention_mma.cu
Failure attention(Stream stream, Matrix query, Heads heads, Spans spans, const void* pages, Matrix out);

// weights.cu: rows [first_row, first_row + rows) of `weight` from row-major values in host memory that kernels can
// reach. Row r goes to row r, or, for gate_up, gate row i to 2i and up row i to 2i + 1.
Failure store_rows(Stream stream, Matrix weight, WeightUse use, uint32_t first_row, uint32_t rows,
                   const void* from, DType stored);

}  // namespace qwen3::cuda
