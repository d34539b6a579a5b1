// store_weight: converts rows of a weight from checkpoint values to the layout that the other
// kernels read. A thread converts one element at a time, about 8 in total; more where kMostBlocks
// limits the grid. int8 rows are converted by quantize.cu.
#include "kernels.h"
#include "ptx.cuh"

namespace qwen3::cuda {
namespace {

constexpr uint32_t kThreads = 256;
constexpr uint32_t kElementsPerThread = 8;
// Blocks wait for host memory; more would take the GPU from batches that run at the same time.
constexpr uint32_t kMostBlocks = 64;

__device__ __forceinline__ void convert(float from, float* to) { *to = from; }
template <typename T>
__device__ __forceinline__ void convert(float from, T* to) {
  *to = from_float<T>(from);
}

template <typename From, typename To>
__global__ void __launch_bounds__(kThreads)
    store_kernel(const From* from, To* to, size_t stride, uint32_t cols, RowOrder order,
                 uint32_t count) {
  for (uint32_t i = blockIdx.x * kThreads + threadIdx.x; i < count; i += gridDim.x * kThreads) {
    convert(to_float(from[i]), to + order.place(i / cols) * stride + i % cols);
  }
}

template <typename From, typename To>
Failure store(Stream stream, Matrix weight, RowOrder order, size_t stride, uint32_t rows,
              const void* from) {
  const uint32_t count = rows * weight.cols;
  const uint32_t per_block = kThreads * kElementsPerThread;
  const uint32_t blocks = min(ceil_div(count, per_block), kMostBlocks);
  return launch(stream, store_kernel<From, To>, blocks, kThreads, 0, static_cast<const From*>(from),
                static_cast<To*>(weight.data), stride, weight.cols, order, count);
}

template <typename From>
Failure store_from(Stream stream, Matrix weight, RowOrder order, size_t stride, uint32_t rows,
                   const void* from) {
  switch (weight.dtype) {
    case DType::bf16: return store<From, bf16>(stream, weight, order, stride, rows, from);
    case DType::f16: return store<From, f16>(stream, weight, order, stride, rows, from);
    default: return store<From, float>(stream, weight, order, stride, rows, from);
  }
}

}  // namespace

Failure store_rows(Stream stream, Matrix weight, WeightUse use, uint32_t first_row, uint32_t rows,
                   const void* from, DType stored) {
  const RowOrder order{first_row, use == WeightUse::gate_up ? weight.rows / 2 : 0};
  if (weight.dtype == DType::s8) return store_quantized(stream, weight, order, rows, from, stored);
  const size_t stride = is_linear(use) ? weight_stride(weight.cols, weight.dtype) : weight.stride;
  switch (stored) {
    case DType::bf16: return store_from<bf16>(stream, weight, order, stride, rows, from);
    case DType::f16: return store_from<f16>(stream, weight, order, stride, rows, from);
    default: return store_from<float>(stream, weight, order, stride, rows, from);
  }
}

}  // namespace qwen3::cuda
