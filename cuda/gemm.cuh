// Shared by gemm_mma.cu and gemm_wgmma.cu: operands, the order of tiles, the epilogues.
#pragma once
#include "kernels.h"
#include "ptx.cuh"

namespace qwen3::cuda {

constexpr float kGatedScale = 128;  // f16 then represents gated values up to 8.4 million

template <typename T>
constexpr bool kIsF16 = false;
template <>
constexpr bool kIsF16<f16> = true;

// The type of sums of T, and the 16-bit format of results.
template <typename T>
struct Kind {
  using Sum = float;
  using Stored = T;
};
template <>
struct Kind<int8_t> {
  using Sum = int32_t;
  using Stored = bf16;
};

template <typename T>
struct Operands {
  const T *in, *weight;
  uint32_t in_stride, weight_stride;
  uint32_t rows, cols, inner;  // T, m, n
  const float *in_scales, *weight_scales;

  __device__ __forceinline__ float row_scale(uint32_t row) const {
    return in_scales ? in_scales[row] : 1;
  }
  __device__ __forceinline__ float col_scale(uint32_t col) const {
    if constexpr (sizeof(T) == 1) return weight_scales[col];
    return 1;
  }
  template <typename Sum>
  __device__ __forceinline__ float value(Sum sum, float row_scale, float col_scale) const {
    const float value = multiply(static_cast<float>(sum), row_scale);
    return sizeof(T) == 1 ? multiply(value, col_scale) : value;
  }
};

struct Result {
  void* data;
  uint32_t stride;
  float* scales;
};

// Row and column of a tile. kGroupTiles rows of tiles traverse all columns together, so their `in`
// stays in the L2 cache and they share one pass over the weight.
template <uint32_t kGroupTiles>
__device__ __forceinline__ void tile_of(uint32_t index, uint32_t row_tiles, uint32_t col_tiles,
                                        uint32_t* row, uint32_t* col) {
  const uint32_t first = index / (kGroupTiles * col_tiles) * kGroupTiles;
  const uint32_t height = min(kGroupTiles, row_tiles - first);
  const uint32_t within = index - first * col_tiles;
  *row = first + within % height;
  *col = within / height;
}

// silu(gate) * up, in units of kGatedScale if the row has scales.
template <typename T>
__device__ __forceinline__ float gated(float gate, float up, bool has_scales) {
  constexpr float kLog2E = 1.44269504f;
  const float value = gate * reciprocal_approx(1 + exp2_approx(-kLog2E * gate)) * up;
  return kIsF16<T> ? value * (has_scales ? 1 / kGatedScale : 1) : value;
}

// Applies the epilogue to the sums of columns `col`, which is even, and col + 1, and stores the
// result.
template <typename T, Epilogue kEpilogue>
__device__ __forceinline__ void apply_epilogue(const Operands<T>& x, const Result& out,
                                               uint32_t row, uint32_t col, float row_scale,
                                               typename Kind<T>::Sum first,
                                               typename Kind<T>::Sum second) {
  using Stored = typename Kind<T>::Stored;
  const bool both = col + 1 < x.cols;
  const float a = x.value(first, row_scale, x.col_scale(col));
  const float b = both ? x.value(second, row_scale, x.col_scale(col + 1)) : 0;
  if constexpr (kEpilogue == Epilogue::swiglu) {
    if (kIsF16<T> && out.scales && col == 0) out.scales[row] = kGatedScale;
    static_cast<Stored*>(out.data)[static_cast<size_t>(row) * out.stride + col / 2] =
        from_float<Stored>(gated<T>(a, b, out.scales != nullptr));
  } else if constexpr (kEpilogue == Epilogue::add) {
    float* to = static_cast<float*>(out.data) + static_cast<size_t>(row) * out.stride + col;
    if (both) {
      float2 sum = *reinterpret_cast<float2*>(to);
      sum.x += a;
      sum.y += b;
      *reinterpret_cast<float2*>(to) = sum;
    } else {
      to[0] += a;
    }
  } else {
    Stored* to = static_cast<Stored*>(out.data) + static_cast<size_t>(row) * out.stride + col;
    if (both) {
      *reinterpret_cast<uint32_t*>(to) = pack<Stored>(a, b);
    } else {
      to[0] = from_float<Stored>(a);
    }
  }
}

// gemm_wgmma.cu: for GPUs with wgmma.
template <typename T>
Failure gemm_wgmma(Stream stream, Epilogue epilogue, const Gpu& gpu, const Operands<T>& x,
                   const Result& out);

}  // namespace qwen3::cuda
