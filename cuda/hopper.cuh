// Shared by the kernels for Hopper: the layout of wgmma operands in shared memory, the ring of
// stages.
#pragma once
#include "ptx.cuh"

namespace qwen3::cuda {

constexpr uint32_t kWarpgroupThreads = 128, kWarpgroupWarps = 4;
constexpr uint32_t kSwizzledRowBytes = 128;

// Blocks have a producer warpgroup and two consumer warpgroups. Each thread starts with 168
// registers; a consumer's sums need more, the producer needs fewer.
constexpr uint32_t kConsumers = 2;
constexpr uint32_t kThreads = (1 + kConsumers) * kWarpgroupThreads;
constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
constexpr uint32_t kProductBytes = 32;  // of each row, per wgmma

// Eight rows of 128 bytes; 16-byte chunk c of a row is stored at c ^ row. TMA and wgmma derive the
// row from the address, hence the alignment.
struct alignas(1024) SwizzledRows {
  unsigned char bytes[8 * kSwizzledRowBytes];
};

// wgmma's matrix descriptor: start address, a stride of 1024 bytes per eight rows, 128-byte
// swizzle.
[[maybe_unused]] __device__ __forceinline__ uint64_t descriptor(uint32_t address) {
  constexpr uint64_t kStride = sizeof(SwizzledRows) >> 4, kSwizzle128 = 1;
  constexpr uint32_t kOwnShared = (1 << 18) - 1;  // higher bits select a block of the cluster
  return (address & kOwnShared) >> 4 | kStride << 32 | kSwizzle128 << 62;
}

// The same for an operand stored with one row per k (MN-major), in panels of 64 columns that are
// `panel_bytes` apart.
[[maybe_unused]] __device__ __forceinline__ uint64_t column_descriptor(uint32_t address,
                                                                       uint32_t panel_bytes) {
  return descriptor(address) | static_cast<uint64_t>(panel_bytes >> 4) << 16;
}

// Index of the thread's warpgroup, warp-uniform for the compiler. Operand addresses derived from it
// then stay in uniform registers, where wgmma needs them: a narrow step of gemm_wgmma takes 50
// instructions instead of 75.
[[maybe_unused]] __device__ __forceinline__ uint32_t warpgroup_index() {
  return first_lane(threadIdx.x / kWarpgroupThreads);
}

// The current stage of a ring, and the parity of its mbarrier phase.
template <uint32_t kStages>
struct PipelineState {
  uint32_t stage = 0, parity = 0;

  __device__ __forceinline__ void advance() {
    if (++stage < kStages) return;
    stage = 0;
    parity ^= 1;
  }
  // Equivalent to calling advance() `steps` times.
  __device__ __forceinline__ void skip(uint32_t steps) {
    stage += steps;
    parity ^= stage / kStages & 1;
    stage %= kStages;
  }
};

}  // namespace qwen3::cuda
