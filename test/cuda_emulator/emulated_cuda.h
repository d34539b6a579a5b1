// Lets g++ compile the project's .cu files as C++20. It is force-included before each of them and
// replaces CUDA's keywords and built-in types, cuda/ptx.cuh and cuda/runtime.h. Kernels then run on
// the CPU: every CUDA thread is a fiber, and every load and store is checked. No file of
// cuda/ includes it; see docs/cuda.md.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

// Those of the running thread; set at every switch.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

template <typename T>
constexpr T min(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}

#include "ptx.h"
#include "runtime.h"
