// What the kernels for Hopper have in common: how operands of wgmma lie in shared memory, and the ring of stages.
#pragma once
#include "ptx.cuh"

namespace qwen3::cuda {

constexpr uint32_t kWarpgroupThreads = 128, kWarpgroupWarps = 4;
constexpr uint32_t kSwizzledRowBytes = 128;

// Eight rows of 128 bytes, whose 16-byte chunks lie at chunk ^ row. TMA and wgmma go by the address.
struct alignas(1024) SwizzledRows {
  unsigned char bytes[8 * kSwizzledRowBytes];
};

// How wgmma finds an operand: where it starts, 1024 bytes from eight rows to the next eight, the 128-byte swizzle.
[[maybe_unused]] __device__ __forceinline__ uint64_t descriptor(uint32_t address) {
  constexpr uint64_t kStride = sizeof(SwizzledRows) >> 4, kSwizzle128 = 1;
  constexpr uint32_t kOwnShared = (1 << 18) - 1;  // the rest says which block of a cluster
  return (address & kOwnShared) >> 4 | kStride << 32 | kSwizzle128 << 62;
}

// The same for an operand that lies row by row of the sum's columns, 64 of them in a panel, `panel_bytes` from one panel
// to the next.
[[maybe_unused]] __device__ __forceinline__ uint64_t column_descriptor(uint32_t address,
                                                                       uint32_t panel_bytes) {
  return descriptor(address) | static_cast<uint64_t>(panel_bytes >> 4) << 16;
}

// The number of the thread's warpgroup, known to be the whole warp's: addresses of operands that are made of it stay where
// wgmma wants them, in the registers of the warp. A step of gemm_wgmma is 50 instructions, without it 75.
[[maybe_unused]] __device__ __forceinline__ uint32_t warpgroup_index() {
  return first_lane(threadIdx.x / kWarpgroupThreads);
}

// The stage whose turn it is, and the parity of the round that it is in.
template <uint32_t kStages>
struct RingPosition {
  uint32_t stage = 0, parity = 0;

  __device__ __forceinline__ void advance() {
    if (++stage < kStages) return;
    stage = 0;
    parity ^= 1;
  }
  // As so many times advance().
  __device__ __forceinline__ void skip(uint32_t steps) {
    stage += steps;
    parity ^= stage / kStages & 1;
    stage %= kStages;
  }
};

}  // namespace qwen3::cuda
