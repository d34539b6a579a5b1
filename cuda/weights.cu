// Loading: rows of a weight from checkpoint values to what the other kernels read. One thread per element at a time.
#include "kernels.h"
#include "ptx.cuh"

namespace qwen3::cuda {
namespace {

constexpr uint32_t kThreads = 256;
constexpr uint32_t kElementsPerThread = 8;

__device__ __forceinline__ void convert(float from, float* to) { *to = from; }
template <typename T>
__device__ __forceinline__ void convert(float from, T* to) {
  *to = from_float<T>(from);
}

template <typename From, typename To>
__global__ void __launch_bounds__(kThreads)
    store_kernel(const From* from, To* to, uint32_t stride, uint32_t cols, uint32_t first_row, uint32_t count,
                 uint32_t gates) {
  for (uint32_t i = blockIdx.x * kThreads + threadIdx.x; i < count; i += gridDim.x * kThreads) {
    const uint32_t row = first_row + i / cols;
    uint32_t to_row = row;
    if (gates > 0) to_row = row < gates ? 2 * row : 2 * (row - gates) + 1;
    convert(to_float(from[i]), to + static_cast<size_t>(to_row) * stride + i % cols);
  }
}

template <typename From, typename To>
Failure store(Stream stream, Matrix weight, WeightUse use, uint32_t first_row, uint32_t rows,
              const void* from) {
  const uint32_t count = rows * weight.cols;
  const uint32_t per_block = kThreads * kElementsPerThread;
  const uint32_t stride =
      use == WeightUse::linear || use == WeightUse::gate_up ? weight_stride(weight.cols) : weight.stride;
  return launch(stream, store_kernel<From, To>, (count + per_block - 1) / per_block, kThreads, 0,
                static_cast<const From*>(from), static_cast<To*>(weight.data), stride, weight.cols, first_row,
                count, use == WeightUse::gate_up ? weight.rows / 2 : 0);
}

template <typename From>
Failure store_from(Stream stream, Matrix weight, WeightUse use, uint32_t first_row, uint32_t rows,
                   const void* from) {
  switch (weight.dtype) {
    case DType::bf16: return store<From, bf16>(stream, weight, use, first_row, rows, from);
    case DType::f16: return store<From, f16>(stream, weight, use, first_row, rows, from);
    case DType::f32: break;
  }
  return store<From, float>(stream, weight, use, first_row, rows, from);
}

}  // namespace

Failure store_rows(Stream stream, Matrix weight, WeightUse use, uint32_t first_row, uint32_t rows,
                   const void* from, DType stored) {
  switch (stored) {
    case DType::bf16: return store_from<bf16>(stream, weight, use, first_row, rows, from);
    case DType::f16: return store_from<f16>(stream, weight, use, first_row, rows, from);
    case DType::f32: break;
  }
  return store_from<float>(stream, weight, use, first_row, rows, from);
}

}  // namespace qwen3::cuda
