// Every asm statement and device intrinsic of the project. Kernels use only these names, so that
// test/cuda_emulator/ptx.h can replace this file and run them on a CPU. Register layouts are those
// of the PTX ISA manual.
#ifndef QWEN3_CUDA_PTX_CUH  // not #pragma once: a replacement of this file defines the name
#define QWEN3_CUDA_PTX_CUH
#include <cuda.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "wgmma.cuh"

namespace qwen3::cuda {

// --- Number formats ------------------------------------------------------------------------------

struct bf16 {
  uint16_t bits;
};
struct f16 {
  uint16_t bits;
};

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(bf16 value) {
  return __uint_as_float(static_cast<uint32_t>(value.bits) << 16);
}
__device__ __forceinline__ float to_float(f16 value) {
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
  return result;
}

// Rounds to nearest even. Values too large for f16 become infinities.
template <typename T>
__device__ __forceinline__ T from_float(float value);
template <>
__device__ __forceinline__ bf16 from_float<bf16>(float value) {
  bf16 result;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
  return result;
}
template <>
__device__ __forceinline__ f16 from_float<f16>(float value) {
  f16 result;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
  return result;
}

// Packs two values into one register, `low` in the lower half.
template <typename T>
__device__ __forceinline__ uint32_t pack(float low, float high);
template <>
__device__ __forceinline__ uint32_t pack<bf16>(float low, float high) {
  uint32_t result;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  return result;
}
template <>
__device__ __forceinline__ uint32_t pack<f16>(float low, float high) {
  uint32_t result;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  return result;
}

// Rounds to the nearest integer, ties to even. 0 for NaN.
__device__ __forceinline__ int32_t round_to_int(float value) {
  int32_t result;
  asm("cvt.rni.s32.f32 %0, %1;" : "=r"(result) : "f"(value));
  return result;
}

// 2^x to about 2 ulp; 0 for -infinity.
__device__ __forceinline__ float exp2_approx(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
// 1 / x to 1 ulp; 0 for infinity.
__device__ __forceinline__ float reciprocal_approx(float x) {
  float result;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

// A product that is always rounded. The compiler would fuse `*` into an FMA in some kernels only.
__device__ __forceinline__ float multiply(float a, float b) { return __fmul_rn(a, b); }

// --- Shared memory, threads of a block, lanes of a warp ------------------------------------------

extern __shared__ __align__(1024) unsigned char dynamic_shared_memory[];

template <typename T>
__device__ __forceinline__ T* shared_memory() {
  return reinterpret_cast<T*>(dynamic_shared_memory);
}
// The shared-memory address that the instructions below expect.
__device__ __forceinline__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

__device__ __forceinline__ void sync_block() { __syncthreads(); }
__device__ __forceinline__ void sync_warp() { __syncwarp(); }
// Waits at named barrier `id` (1 to 15) for `threads` threads, a multiple of 32.
__device__ __forceinline__ void sync_threads(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
// Arrives at the named barrier without waiting.
__device__ __forceinline__ void arrive_threads(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
// The value of lane `lane ^ mask`. All lanes of the warp must call it.
__device__ __forceinline__ float shuffle_xor(float value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
// The value of the warp's first lane, which makes it warp-uniform for the compiler. All lanes of
// the warp must call it.
__device__ __forceinline__ uint32_t first_lane(uint32_t value) {
  return __shfl_sync(0xffffffffu, value, 0);
}

// A scheduling barrier for ptxas, which moves no instruction across a branch: later instructions
// stay after the computation of `never`. `never` must be false, and the compiler must not be able
// to prove it.
__device__ __forceinline__ void scheduling_barrier(bool never) {
  if (never) sync_warp();
}

// Atomically adds to a number in device memory. Returns the old value.
__device__ __forceinline__ uint32_t atomic_add(uint32_t* to, uint32_t value) {
  return atomicAdd(to, value);
}

// --- Copies from device to shared memory ---------------------------------------------------------

// Copies `bytes` (0 to 16) and zeros the rest of the 16. Both addresses are 16-byte aligned. With 0
// bytes the source is not read.
__device__ __forceinline__ void cp_async_16(uint32_t to, const void* from, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void cp_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits for all but the latest kGroupsLeft groups of this thread. Other threads' copies are visible
// only after a barrier that follows this wait.
template <int kGroupsLeft>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroupsLeft) : "memory");
}

// --- Tensor cores --------------------------------------------------------------------------------

// Loads four 8x8 matrices of 16-bit values. Lane l passes the address of row l % 8 of matrix l / 8.
// It receives, of each matrix, row l / 4, columns 2 (l % 4) and the next; with _trans, column l /
// 4, rows 2 (l % 4) and the next.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

// sum[16, 8] += a[16, k] b[8, k]^T, where k is 32 bytes: 16 values of 16 bits or 32 of 8 bits.
// Fragments, with g = lane / 4 and q = lane % 4:
//   a[i]    row g + 8 (i % 2), bytes 4q + 16 (i / 2) to + 3
//   b0, b1  row g, bytes 4q to + 3, and 4q + 16 to + 3
//   sum[i]  row g + 8 (i / 2), column 2q + i % 2
template <typename T>
__device__ __forceinline__ void mma(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0,
                                    uint32_t b1);
template <typename T>
__device__ __forceinline__ void mma(int32_t (&sum)[4], const uint32_t (&a)[4], uint32_t b0,
                                    uint32_t b1);
template <>
__device__ __forceinline__ void mma<bf16>(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0,
                                          uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
__device__ __forceinline__ void mma<f16>(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0,
                                         uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
__device__ __forceinline__ void mma<int8_t>(int32_t (&sum)[4], const uint32_t (&a)[4], uint32_t b0,
                                            uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+r"(sum[0]), "+r"(sum[1]), "+r"(sum[2]), "+r"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// --- Programmatic dependent launch ---------------------------------------------------------------

// A kernel that is launched with `Stream::overlaps` may start before the preceding kernel has
// ended. wait_for_previous returns when that kernel has ended and its writes are visible. Every
// thread calls it before it writes anything and before it reads anything that kernels of a batch
// write. Every kernel does so, so the preceding kernel has itself waited for its predecessor: all
// earlier kernels have ended too. Weights, which no kernel of a batch writes, may be read before
// the wait. For other launches, and below compute capability 9.0, it does nothing.
__device__ __forceinline__ void wait_for_previous() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
// The next kernel may start once every block of this one has called this or has ended.
__device__ __forceinline__ void let_next_begin() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// --- Hopper: mbarriers, TMA, wgmma ---------------------------------------------------------------

// Whether the code is compiled for compute capability 9.0 only (sm_90a). No other GPU has wgmma,
// and ptxas rejects it elsewhere. Kernels that use the functions below trap without it.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
constexpr bool kHasWgmma = true;
#else
constexpr bool kHasWgmma = false;
#endif
// Makes the launch fail.
__device__ __forceinline__ void trap() { __trap(); }

// An mbarrier is 8 bytes of shared memory. A phase ends after `arrivals` arrivals and when all
// expected bytes have been copied. Phases are numbered from 0. TMA may use it only after
// fence_mbarrier_init.
__device__ __forceinline__ void mbarrier_init(uint32_t barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
__device__ __forceinline__ void fence_mbarrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
__device__ __forceinline__ void mbarrier_arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
__device__ __forceinline__ void mbarrier_arrive_expecting(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}
// Waits while the current phase has this parity; returns at once if it has the other one. So parity
// 1 passes on a new barrier.
//
// With QWEN3_CUDA_WATCHDOG, a wait of about 15 seconds counts as a hang: the thread writes to an
// invalid address, and compute-sanitizer reports block and thread. The address ends in the parity
// and the barrier's address. A call such as printf is no alternative: ptxas serializes wgmma around
// calls.
__device__ __forceinline__ void mbarrier_wait(uint32_t barrier, uint32_t parity) {
#ifdef QWEN3_CUDA_WATCHDOG
  constexpr uint64_t kNoMemory = 0xdead000000000000;
  constexpr uint32_t kLongest = 3;  // times 2^32 ns
  uint32_t start, now, done;
  asm volatile("mov.u32 %0, %globaltimer_hi;" : "=r"(start));
  do {
    asm volatile(
        "{\n.reg .pred done;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%2], %3;\n"
        "selp.u32 %0, 1, 0, done;\nmov.u32 %1, %globaltimer_hi;\n}"
        : "=r"(done), "=r"(now)
        : "r"(barrier), "r"(parity)
        : "memory");
    if (now - start > kLongest) {
      *reinterpret_cast<volatile uint32_t*>(kNoMemory | uint64_t{parity} << 32 | barrier) = 0;
    }
  } while (!done);
#else
  asm volatile(
      "{\n.reg .pred done;\n"
      "again:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@done bra over;\nbra again;\n"
      "over:\n}" ::"r"(barrier),
      "r"(parity)
      : "memory");
#endif
}

// Copies the box that starts at column x of row y to shared memory, and reports its bytes to the
// mbarrier. Elements past the matrix's edges are zero and are counted too.
__device__ __forceinline__ void tma_load_2d(uint32_t to, const CUtensorMap* map, uint32_t barrier,
                                            int32_t x, int32_t y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4}], [%2];" ::"r"(to),
      "l"(map), "r"(barrier), "r"(x), "r"(y)
      : "memory");
}
// Stores the box at `from` to the matrix, or adds it (f32; subnormals, below 2^-126, count as 0).
// Elements past the edges are dropped.
__device__ __forceinline__ void tma_store_2d(const CUtensorMap* map, uint32_t from, int32_t x,
                                             int32_t y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%2, %3}], [%1];" ::"l"(map),
      "r"(from), "r"(x), "r"(y)
      : "memory");
}
__device__ __forceinline__ void tma_add_2d(const CUtensorMap* map, uint32_t from, int32_t x,
                                           int32_t y) {
  asm volatile(
      "cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group "
      "[%0, {%2, %3}], [%1];" ::"l"(map),
      "r"(from), "r"(x), "r"(y)
      : "memory");
}
__device__ __forceinline__ void tma_commit() {
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}
// Waits until all but the latest kGroupsLeft groups of this thread's stores have been read from
// shared memory.
template <int kGroupsLeft>
__device__ __forceinline__ void tma_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kGroupsLeft) : "memory");
}
// Makes this thread's writes to shared memory, and those it has seen, visible to TMA and wgmma.
__device__ __forceinline__ void fence_proxy_async() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Required before the first wgmma that uses registers that the thread has accessed.
__device__ __forceinline__ void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// Waits for all but the latest kGroupsLeft groups of the warpgroup.
template <int kGroupsLeft>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kGroupsLeft) : "memory");
}
// Lowers or raises the register count of each thread of the warpgroup, a multiple of 8.
template <int kRegisters>
__device__ __forceinline__ void release_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ __forceinline__ void claim_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

}  // namespace qwen3::cuda
#endif
