// What the backend calls: one launcher per op, each in the file of its kernels. They enqueue and return; matrices are
// as in backend.h. Linear weights are row-major with rows padded to kWeightRowBytes, gate and up rows in turn.
#pragma once
#include "backend/backend.h"
#include "runtime.h"
#include "tuning.h"

namespace qwen3::cuda {

constexpr uint32_t kWeightRowBytes =
    16;  // what cp.async copies: rows of linear weights are multiples of it
constexpr uint32_t weight_stride(uint32_t cols, DType dtype) {
  const auto elements = static_cast<uint32_t>(kWeightRowBytes / bytes_of(dtype));
  return (cols + elements - 1) / elements * elements;
}

// Behind the rows of an s8 weight: a scale for each, then, where linear_add reads it, the length of every column.
inline float* weight_scales(Matrix weight) {
  return reinterpret_cast<float*>(static_cast<char*>(weight.data) +
                                  size_t{weight.rows} * weight_stride(weight.cols, DType::s8));
}
inline float* weight_column_norms(Matrix weight) { return weight_scales(weight) + weight.rows; }

// Where the rows of a piece go, the first of which is row `first` of the checkpoint's: gate and up rows take turns.
struct RowOrder {
  uint32_t first;
  uint32_t gates;  // gate rows, then as many up rows; 0: rows stay in order

  __device__ size_t place(uint32_t index) const {
    const uint32_t row = first + index;
    if (gates == 0) return row;
    return row < gates ? 2 * row : 2 * (row - gates) + 1;
  }
};

// How linear ops divide their sums, and which kernel attends on Hopper. Within a plan a row's bits depend on nothing but the row.
enum class Plan : uint8_t {
  large,  // one sum over all of `in`
  small,  // several, as the weight's shape says: for so few rows that reading the weights is what takes the time
};

constexpr uint32_t kSmallBatchTokens = 64;  // that the small plan is for

enum class Epilogue : uint8_t { store, add, swiglu };

// What decides between kernels.
struct Gpu {
  uint32_t multiprocessors;
  bool has_wgmma;  // it has, and nobody wants to do without
  void* partials;  // partials_bytes(tuning) of its memory, for sums of a product of the small plan
  uint32_t* tickets;  // in its memory, 0 between launches of attention
  Tuning tuning;
};

// A vector to be made, in host memory that kernels can reach.
struct PooledRow {
  uint32_t row, dimensions;
  float* out;
  uint32_t finite;  // written
};

// row_ops.cu
// Whether the library has code for the current device, and for which compute capability.
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
bool fits_int8(uint32_t cols);  // rows of so many values
Failure rms_norm_quantized(Stream stream, Matrix x, const float* gain, float eps, Matrix out);
// What `weight` is to be multiplied with, in place: bf16 becomes s8. Gives the s8 matrix.
Failure quantize_input(Stream stream, Matrix in, Matrix weight, Matrix* quantized);
// Rows of a weight for linear and linear_swiglu; all rows of one for linear_add.
Failure store_quantized(Stream stream, Matrix weight, RowOrder order, uint32_t rows,
                        const void* from, DType stored);
Failure store_column_scaled(Stream stream, Matrix weight, const void* from, DType stored);

// weights.cu: rows [first_row, first_row + rows) of `weight` from row-major values in host memory that kernels can
// reach.
Failure store_rows(Stream stream, Matrix weight, WeightUse use, uint32_t first_row, uint32_t rows,
                   const void* from, DType stored);

}  // namespace qwen3::cuda
