// The launchers that the backend calls, one per op, each defined in the file of its kernels. They
// enqueue and return. Matrices are as in backend.h. Linear weights are row-major, with rows padded
// to kWeightRowBytes and gate and up rows interleaved.
#pragma once
#include "backend/backend.h"
#include "runtime.h"
#include "tuning.h"

namespace qwen3::cuda {

__host__ __device__ constexpr uint32_t ceil_div(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

// Rows of linear weights are padded to this: one cp.async copies 16 bytes.
constexpr uint32_t kWeightRowBytes = 16;
constexpr uint32_t weight_stride(uint32_t cols, DType dtype) {
  const auto elements = static_cast<uint32_t>(kWeightRowBytes / bytes_of(dtype));
  return ceil_div(cols, elements) * elements;
}

// After the rows of an s8 weight: a scale per row; then, for linear_add, the norm of every column.
inline float* weight_scales(Matrix weight) {
  return reinterpret_cast<float*>(static_cast<char*>(weight.data) +
                                  size_t{weight.rows} * weight_stride(weight.cols, DType::s8));
}
inline float* weight_column_norms(Matrix weight) { return weight_scales(weight) + weight.rows; }

// Destination of consecutive checkpoint rows, starting at row `first`: gate and up rows are
// interleaved.
struct RowOrder {
  uint32_t first;
  uint32_t gates;  // number of gate rows, followed by as many up rows; 0: keep the order

  __device__ size_t place(uint32_t index) const {
    const uint32_t row = first + index;
    if (gates == 0) return row;
    return row < gates ? 2 * row : 2 * (row - gates) + 1;
  }
};

// How linear ops split their sums, and which attention kernel runs on Hopper. Within a plan, a
// row's bits depend on the row alone.
enum class Plan : uint8_t {
  large,  // one sum over K
  small,  // K is split by the weight's shape: for few rows, where reading weights dominates
};

constexpr uint32_t kSmallBatchTokens = 64;  // upper bound of Tuning::small_tokens

enum class Epilogue : uint8_t { store, add, swiglu };

// The GPU's properties that launchers depend on, and device memory that they share.
struct Gpu {
  uint32_t multiprocessors;
  bool has_wgmma;     // and QWEN3_EMBED_HOPPER does not turn it off
  void* partials;     // partials_bytes(tuning) of device memory for split-K sums
  uint32_t* tickets;  // tile scheduler's counter in device memory, 0 between launches
  Tuning tuning;
};

// One vector to pool, in host memory that kernels can access.
struct PooledRow {
  uint32_t row, dimensions;
  float* out;
  uint32_t finite;  // output
};

// row_ops.cu
//
// check_device fails if the library has no code for the current device. `capability` is what the
// code was compiled for.
Failure check_device(int* capability);
Failure gather(Stream stream, const uint32_t* ids, Matrix table, Matrix out);
Failure rms_norm(Stream stream, Matrix x, const float* gain, float eps, Matrix out);
Failure pool(Stream stream, Matrix x, const float* gain, float eps, PooledRow* rows,
             uint32_t count);

// rope.cu
Failure norm_rope(Stream stream, Matrix query, const float* gain, Heads heads, Spans spans);
Failure norm_rope_store(Stream stream, Matrix key_value, const float* gain, Heads heads,
                        Spans spans, void* pages);

// gemm_mma.cu
size_t partials_bytes(const Tuning& tuning);
Failure gemm(Stream stream, Plan plan, Epilogue epilogue, const Gpu& gpu, Matrix in, Matrix weight,
             Matrix out);

// attention_mma.cu
Failure attention(Stream stream, Plan plan, const Gpu& gpu, Matrix query, Heads heads, Spans spans,
                  const void* pages, Matrix out);

// quantize.cu
bool fits_int8(uint32_t cols);  // whether a row of `cols` values fits in shared memory
Failure rms_norm_quantized(Stream stream, Matrix x, const float* gain, float eps, Matrix out);
// Quantizes the input of `weight` in place, from bf16 to s8. `quantized` is the s8 matrix.
Failure quantize_input(Stream stream, Matrix in, Matrix weight, Matrix* quantized);
// Rows of a weight for linear and linear_swiglu.
Failure store_quantized(Stream stream, Matrix weight, RowOrder order, uint32_t rows,
                        const void* from, DType stored);
// All rows of a weight for linear_add.
Failure store_column_scaled(Stream stream, Matrix weight, const void* from, DType stored);

// weights.cu: stores rows [first_row, first_row + rows) of `weight` from row-major values in host
// memory that kernels can access.
Failure store_rows(Stream stream, Matrix weight, WeightUse use, uint32_t first_row, uint32_t rows,
                   const void* from, DType stored);

}  // namespace qwen3::cuda
