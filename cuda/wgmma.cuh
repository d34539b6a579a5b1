// wgmma, part of ptx.cuh, its only includer. Each sum needs an asm operand of its own; macros
// generate the lists.
#pragma once
#include <cstdint>

namespace qwen3::cuda {

struct bf16;
struct f16;

// d[64, cols] (+)= a[64, k] b[cols, k]^T, where k is 32 bytes of values and cols is 2 kSums. Both
// operands are in shared memory, given by descriptors. Element i of thread t of the warpgroup is
//   row 16 (t / 32) + t % 32 / 4 + 8 (i / 2 % 2), column 8 (i / 4) + 2 (t % 4) + i % 2.
// The sums are valid after wgmma_wait and must not be accessed before. Without `accumulate` they
// start at 0.
template <typename T, typename Sum, uint32_t kSums>
__device__ __forceinline__ void wgmma(Sum (&d)[kSums], uint64_t a, uint64_t b, bool accumulate);

// d[64, 128] (+)= a[64, 16] b[16, 128] of 16-bit values. Warp w of the warpgroup holds rows 16w to
// 16w + 15 of a in the layout of mma. b is in shared memory, row by row, in two panels of 64
// columns.
template <typename T>
__device__ __forceinline__ void wgmma_registers(float (&d)[64], const uint32_t (&a)[4], uint64_t b,
                                                bool accumulate);

#define QWEN3_SUMS_8 "%0, %1, %2, %3, %4, %5, %6, %7"
#define QWEN3_SUMS_16 QWEN3_SUMS_8 ", %8, %9, %10, %11, %12, %13, %14, %15"
#define QWEN3_SUMS_32 \
  QWEN3_SUMS_16 ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define QWEN3_SUMS_64                                                                \
  QWEN3_SUMS_32                                                                      \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47" \
  ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define QWEN3_SUMS_128                                                                           \
  QWEN3_SUMS_64                                                                                  \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"             \
  ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"             \
  ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111" \
  ", %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, " \
  "%127"

#define QWEN3_OPERANDS_4(kind, d, i) kind(d[i]), kind(d[i + 1]), kind(d[i + 2]), kind(d[i + 3])
#define QWEN3_OPERANDS_8(kind, d, i) QWEN3_OPERANDS_4(kind, d, i), QWEN3_OPERANDS_4(kind, d, i + 4)
#define QWEN3_OPERANDS_16(kind, d, i) QWEN3_OPERANDS_8(kind, d, i), QWEN3_OPERANDS_8(kind, d, i + 8)
#define QWEN3_OPERANDS_32(kind, d, i) \
  QWEN3_OPERANDS_16(kind, d, i), QWEN3_OPERANDS_16(kind, d, i + 16)
#define QWEN3_OPERANDS_64(kind, d, i) \
  QWEN3_OPERANDS_32(kind, d, i), QWEN3_OPERANDS_32(kind, d, i + 32)
#define QWEN3_OPERANDS_128(kind, d, i) \
  QWEN3_OPERANDS_64(kind, d, i), QWEN3_OPERANDS_64(kind, d, i + 64)

// Sets predicate p to (operand `at` != 0), then begins the instruction.
#define QWEN3_WGMMA(at) "{.reg .pred p; setp.ne.b32 p, %" #at ", 0;\nwgmma.mma_async.sync.aligned."
// a_at, b_at, p_at: numbers of the operands that follow the sums.
#define QWEN3_WGMMA_SHARED(T, Sum, kind, sums, shape, flags, a_at, b_at, p_at)                 \
  template <>                                                                                  \
  __device__ __forceinline__ void wgmma<T>(Sum(&d)[sums], uint64_t a, uint64_t b,              \
                                           bool accumulate) {                                  \
    asm volatile(QWEN3_WGMMA(p_at) shape " {" QWEN3_SUMS_##sums "}, %" #a_at ", %" #b_at flags \
                 : QWEN3_OPERANDS_##sums(kind, d, 0)                                           \
                 : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)));                         \
  }
#define QWEN3_WGMMA_TYPES(sums, cols, a_at, b_at, p_at)                                           \
  QWEN3_WGMMA_SHARED(bf16, float, "+f", sums, "m64n" #cols "k16.f32.bf16.bf16",                   \
                     ", p, 1, 1, 0, 0;}", a_at, b_at, p_at)                                       \
  QWEN3_WGMMA_SHARED(f16, float, "+f", sums, "m64n" #cols "k16.f32.f16.f16", ", p, 1, 1, 0, 0;}", \
                     a_at, b_at, p_at)                                                            \
  QWEN3_WGMMA_SHARED(int8_t, int32_t, "+r", sums, "m64n" #cols "k32.s32.s8.s8", ", p;}", a_at,    \
                     b_at, p_at)
QWEN3_WGMMA_TYPES(64, 128, 64, 65, 66)
QWEN3_WGMMA_TYPES(128, 256, 128, 129, 130)

#define QWEN3_WGMMA_REGISTERS(T, type)                                                     \
  template <>                                                                              \
  __device__ __forceinline__ void wgmma_registers<T>(float(&d)[64], const uint32_t(&a)[4], \
                                                     uint64_t b, bool accumulate) {        \
    asm volatile(QWEN3_WGMMA(69) "m64n128k16.f32." type "." type " {" QWEN3_SUMS_64        \
                                 "}, {%64, %65, %66, %67}, %68, p, 1, 1, 1;}"              \
                 : QWEN3_OPERANDS_64("+f", d, 0)                                           \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b),                     \
                   "r"(static_cast<int>(accumulate)));                                     \
  }
QWEN3_WGMMA_REGISTERS(bf16, "bf16")
QWEN3_WGMMA_REGISTERS(f16, "f16")

#undef QWEN3_WGMMA_REGISTERS
#undef QWEN3_WGMMA_TYPES
#undef QWEN3_WGMMA_SHARED
#undef QWEN3_WGMMA
#undef QWEN3_OPERANDS_128
#undef QWEN3_OPERANDS_64
#undef QWEN3_OPERANDS_32
#undef QWEN3_OPERANDS_16
#undef QWEN3_OPERANDS_8
#undef QWEN3_OPERANDS_4
#undef QWEN3_SUMS_128
#undef QWEN3_SUMS_64
#undef QWEN3_SUMS_32
#undef QWEN3_SUMS_16
#undef QWEN3_SUMS_8

}  // namespace qwen3::cuda
