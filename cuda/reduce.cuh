// Reductions over the threads of a block.
#pragma once
#include "ptx.cuh"

namespace qwen3::cuda {

constexpr uint32_t kRowThreads = 256;  // of a block that computes one row
constexpr uint32_t kRowWarps = kRowThreads / 32;

// Combines the values of all threads. Every thread gets the same bits. `warps` is kRowWarps floats
// of shared memory.
template <typename Combine>
__device__ __forceinline__ float reduce_block(float value, float* warps, Combine combine) {
  for (int mask = 16; mask > 0; mask /= 2) value = combine(value, shuffle_xor(value, mask));
  sync_block();  // an earlier reduction may still be reading `warps`
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
  sync_block();
  value = warps[0];
  for (uint32_t warp = 1; warp < kRowWarps; ++warp) value = combine(value, warps[warp]);
  return value;
}

__device__ __forceinline__ float sum_of_block(float value, float* warps) {
  return reduce_block(value, warps, [](float a, float b) { return a + b; });
}

// 1 / sqrt(mean(row^2) + eps)
__device__ __forceinline__ float inverse_rms(const float* row, uint32_t cols, float eps,
                                             float* warps) {
  float squares = 0;
  for (uint32_t i = threadIdx.x; i < cols; i += kRowThreads) squares += row[i] * row[i];
  return 1 / sqrtf(sum_of_block(squares, warps) / static_cast<float>(cols) + eps);
}

}  // namespace qwen3::cuda
