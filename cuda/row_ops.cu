// gather, rms_norm and pool: one block per row, consecutive threads on consecutive columns.
//
//   gather    out[i] = table[ids[i]]
//   rms_norm  out[t] = x[t] / sqrt(mean(x[t]^2) + eps) * gain
//   pool      y = rms_norm of x[row], cut to `dimensions`; out = y / |y|
//
// Threads load and store single elements, which coalesce into whole sectors, so rows need no
// alignment. A thread sums every kRowThreads-th column, then the block sums its threads: the order
// depends on the width alone.
#include "kernels.h"
#include "reduce.cuh"

namespace qwen3::cuda {
namespace {

constexpr float kSmallestNorm = 1e-12f;  // as torch.nn.functional.normalize

template <typename T>
__global__ void __launch_bounds__(kRowThreads)
    gather_kernel(const uint32_t* ids, const T* table, uint32_t table_stride, float* out,
                  uint32_t out_stride, uint32_t cols) {
  let_next_begin();
  wait_for_previous();
  const T* from = table + static_cast<size_t>(ids[blockIdx.x]) * table_stride;
  float* to = out + static_cast<size_t>(blockIdx.x) * out_stride;
  for (uint32_t i = threadIdx.x; i < cols; i += kRowThreads) to[i] = to_float(from[i]);
}

template <typename T>
__global__ void __launch_bounds__(kRowThreads)
    rms_norm_kernel(const float* x, uint32_t x_stride, const float* gain, float eps, T* out,
                    uint32_t out_stride, uint32_t cols) {
  let_next_begin();
  wait_for_previous();
  const float* row = x + static_cast<size_t>(blockIdx.x) * x_stride;
  T* to = out + static_cast<size_t>(blockIdx.x) * out_stride;
  const float scale = inverse_rms(row, cols, eps, shared_memory<float>());
  for (uint32_t i = threadIdx.x; i < cols; i += kRowThreads)
    to[i] = from_float<T>(row[i] * scale * gain[i]);
}

__global__ void __launch_bounds__(kRowThreads)
    pool_kernel(const float* x, uint32_t x_stride, const float* gain, float eps, PooledRow* rows,
                uint32_t cols) {
  let_next_begin();
  wait_for_previous();
  const PooledRow pooled = rows[blockIdx.x];
  const float* row = x + static_cast<size_t>(pooled.row) * x_stride;
  const float scale = inverse_rms(row, cols, eps, shared_memory<float>());
  float squares = 0;
  for (uint32_t i = threadIdx.x; i < pooled.dimensions; i += kRowThreads) {
    const float value = row[i] * scale * gain[i];
    squares += value * value;
  }
  squares = sum_of_block(squares, shared_memory<float>());
  // The whole row is checked: an infinity past the cut makes the scale 0, a NaN makes it NaN.
  const bool finite = scale > 0 && squares < INFINITY;
  const float norm = fmaxf(sqrtf(squares), kSmallestNorm);
  for (uint32_t i = threadIdx.x; i < pooled.dimensions; i += kRowThreads) {
    pooled.out[i] = finite ? row[i] * scale * gain[i] / norm : 0;
  }
  if (threadIdx.x == 0) rows[blockIdx.x].finite = finite;
}

template <typename T>
Failure gather_from(Stream stream, const uint32_t* ids, Matrix table, Matrix out) {
  return launch(stream, gather_kernel<T>, out.rows, kRowThreads, 0, ids,
                static_cast<const T*>(table.data), table.stride, static_cast<float*>(out.data),
                out.stride, out.cols);
}

template <typename T>
Failure rms_norm_to(Stream stream, Matrix x, const float* gain, float eps, Matrix out) {
  return launch(stream, rms_norm_kernel<T>, x.rows, kRowThreads, kRowWarps * sizeof(float),
                static_cast<const float*>(x.data), x.stride, gain, eps, static_cast<T*>(out.data),
                out.stride, x.cols);
}

}  // namespace

Failure check_device(int* capability) { return check_kernel(pool_kernel, capability); }

Failure gather(Stream stream, const uint32_t* ids, Matrix table, Matrix out) {
  if (out.rows == 0) return nullptr;
  switch (table.dtype) {
    case DType::bf16: return gather_from<bf16>(stream, ids, table, out);
    case DType::f16: return gather_from<f16>(stream, ids, table, out);
    default: return gather_from<float>(stream, ids, table, out);
  }
}

Failure rms_norm(Stream stream, Matrix x, const float* gain, float eps, Matrix out) {
  if (x.rows == 0) return nullptr;
  switch (out.dtype) {
    case DType::s8: return rms_norm_quantized(stream, x, gain, eps, out);
    case DType::f16: return rms_norm_to<f16>(stream, x, gain, eps, out);
    default: return rms_norm_to<bf16>(stream, x, gain, eps, out);
  }
}

Failure pool(Stream stream, Matrix x, const float* gain, float eps, PooledRow* rows,
             uint32_t count) {
  if (count == 0) return nullptr;
  return launch(stream, pool_kernel, count, kRowThreads, kRowWarps * sizeof(float),
                static_cast<const float*>(x.data), x.stride, gain, eps, rows, x.cols);
}

}  // namespace qwen3::cuda
