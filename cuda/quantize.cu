// int8 quantization: a scale per row, after a rotation that spreads outliers.
//
//   r = H x           H: Hadamard matrix of 1 and -1, on blocks of `order` columns
//   scale = max |r| / 127,  q = round(r / scale)
//   in weight^T = (H in) (H weight)^T / order
//
// Weights are stored as H weight, with 1 / order in their scales.
//
// Without H, a value of 16,000 in a row of ones would round the ones to 0; H spreads it over a
// block.
//
// Weights of linear_add are column-scaled first: each column is divided by its norm, and the
// input's column is multiplied by it. Models pair massive gated values with columns of tiny
// weights, which a scale per row would round to 0.
//
// One block of 256 threads per row. Shared memory: the row in f32, element i at i + i / 8, so that
// butterflies over neighbors and over distances of 8 and more have no bank conflicts.
#include "kernels.h"
#include "reduce.cuh"

namespace qwen3::cuda {
namespace {

constexpr uint32_t kLargestOrderBits = 12;  // 4,096: an outlier shrinks to 1/64
constexpr float kLargest = 127;
constexpr float kSmallestPeak = 0x1p-100f;  // rows below it are zeros
constexpr size_t kSharedLimit = 99 * 1024;  // per block, on every GPU from sm_80

__host__ __device__ constexpr uint32_t slot(uint32_t i) { return i + i / 8; }

constexpr size_t shared_bytes(uint32_t cols) { return (kRowWarps + slot(cols)) * sizeof(float); }

// log2 of the order: the largest power of two that divides `cols`, at most 4,096.
uint32_t order_bits(uint32_t cols) {
  uint32_t bits = 0;
  while (bits < kLargestOrderBits && cols % (2u << bits) == 0) ++bits;
  return bits;
}

// --- Rotation ------------------------------------------------------------------------------------

// kBits stages of butterflies, on elements 1 << shift apart, then twice as far, and so on.
template <uint32_t kBits>
__device__ __forceinline__ void butterflies(float* row, uint32_t cols, uint32_t shift) {
  constexpr uint32_t kCount = 1 << kBits;
  for (uint32_t group = threadIdx.x; group < cols >> kBits; group += kRowThreads) {
    const uint32_t first = group >> shift << (shift + kBits) | (group & ((1u << shift) - 1));
    float value[kCount];
#pragma unroll
    for (uint32_t i = 0; i < kCount; ++i) value[i] = row[slot(first + (i << shift))];
#pragma unroll
    for (uint32_t apart = 1; apart < kCount; apart *= 2) {
#pragma unroll
      for (uint32_t i = 0; i < kCount; ++i) {
        if (i & apart) continue;
        const float a = value[i], b = value[i + apart];
        value[i] = a + b;
        value[i + apart] = a - b;
      }
    }
#pragma unroll
    for (uint32_t i = 0; i < kCount; ++i) row[slot(first + (i << shift))] = value[i];
  }
  sync_block();
}

__device__ __forceinline__ void rotate(float* row, uint32_t cols, uint32_t bits) {
  uint32_t shift = 0;
  for (; shift + 3 <= bits; shift += 3) butterflies<3>(row, cols, shift);
  if (bits - shift == 2) butterflies<2>(row, cols, shift);
  if (bits - shift == 1) butterflies<1>(row, cols, shift);
}

// --- Sources and destination of rows -------------------------------------------------------------

// RMS-normed rows of the residual.
struct Normed {
  const float* x;
  uint32_t stride;
  const float* gain;
  float eps;

  __device__ __forceinline__ void read(uint32_t index, uint32_t cols, float* row,
                                       float* warps) const {
    const float* from = x + static_cast<size_t>(index) * stride;
    const float scale = inverse_rms(from, cols, eps, warps);
    for (uint32_t i = threadIdx.x; i < cols; i += kRowThreads)
      row[slot(i)] = from[i] * scale * gain[i];
  }
};

// Rows as they are, or column-scaled: a weight's columns divided by their norms, its input's
// multiplied.
enum class ColumnScaling { none, weight, input };

template <typename T, ColumnScaling kScaling>
struct Plain {
  const T* data;
  size_t stride;
  const float* norms;

  __device__ __forceinline__ void read(uint32_t index, uint32_t cols, float* row, float*) const {
    const T* from = data + index * stride;
    for (uint32_t i = threadIdx.x; i < cols; i += kRowThreads) {
      float value = to_float(from[i]);
      if (kScaling == ColumnScaling::input) value *= norms[i];
      if (kScaling == ColumnScaling::weight) value = norms[i] > 0 ? value / norms[i] : 0;
      row[slot(i)] = value;
    }
  }
};

struct Quantized {
  int8_t* data;
  size_t stride;
  float* scales;
  RowOrder order;
  float unit;  // factor of all scales
};

template <typename Source>
__global__ void __launch_bounds__(kRowThreads)
    quantize_kernel(Source source, Quantized out, uint32_t cols, uint32_t bits) {
  let_next_begin();
  wait_for_previous();
  float* const warps = shared_memory<float>();
  float* const row = warps + kRowWarps;
  source.read(blockIdx.x, cols, row, warps);
  sync_block();
  rotate(row, cols, bits);

  float peak = 0;  // infinite where anything is not finite
  for (uint32_t i = threadIdx.x; i < cols; i += kRowThreads) {
    const float size = fabsf(row[slot(i)]);
    peak = fmaxf(peak, size < INFINITY ? size : INFINITY);
  }
  peak = reduce_block(peak, warps, [](float a, float b) { return fmaxf(a, b); });
  const float steps = peak >= kSmallestPeak ? kLargest / peak : 0;
  const uint32_t to_row = out.order.place(blockIdx.x);
  int8_t* to = out.data + to_row * out.stride;
  for (uint32_t i = threadIdx.x; i < cols; i += kRowThreads) {
    to[i] = static_cast<int8_t>(round_to_int(row[slot(i)] * steps));
  }
  if (threadIdx.x == 0) out.scales[to_row] = peak / kLargest * out.unit;
}

template <typename Source>
Failure quantize(Stream stream, const Source& source, const Quantized& out, uint32_t rows,
                 uint32_t cols) {
  return launch(stream, quantize_kernel<Source>, rows, kRowThreads, shared_bytes(cols), source, out,
                cols, order_bits(cols));
}

Quantized activations(Matrix rows) {
  return {static_cast<int8_t*>(rows.data), rows.stride, rows.scales, {0, 0}, 1};
}

Quantized stored(Matrix weight, RowOrder order) {
  return {static_cast<int8_t*>(weight.data), weight_stride(weight.cols, DType::s8),
          weight_scales(weight), order, 1 / static_cast<float>(1u << order_bits(weight.cols))};
}

template <typename T>
Failure store_quantized_from(Stream stream, Matrix weight, RowOrder order, uint32_t rows,
                             const void* from) {
  const Plain<T, ColumnScaling::none> source{static_cast<const T*>(from), weight.cols, nullptr};
  return quantize(stream, source, stored(weight, order), rows, weight.cols);
}

// One thread per column.
template <typename T>
__global__ void __launch_bounds__(kRowThreads)
    column_norms_kernel(const T* weight, uint32_t rows, uint32_t cols, float* norms) {
  const uint32_t col = blockIdx.x * kRowThreads + threadIdx.x;
  if (col >= cols) return;
  float squares = 0;
  for (uint32_t row = 0; row < rows; ++row) {
    const float value = to_float(weight[static_cast<size_t>(row) * cols + col]);
    squares += value * value;
  }
  norms[col] = sqrtf(squares);
}

template <typename T>
Failure store_column_scaled_from(Stream stream, Matrix weight, const void* from) {
  const auto* values = static_cast<const T*>(from);
  float* norms = weight_column_norms(weight);
  const uint32_t blocks = ceil_div(weight.cols, kRowThreads);
  if (const Failure failure = launch(stream, column_norms_kernel<T>, blocks, kRowThreads, 0, values,
                                     weight.rows, weight.cols, norms)) {
    return failure;
  }
  const Plain<T, ColumnScaling::weight> source{values, weight.cols, norms};
  return quantize(stream, source, stored(weight, {0, 0}), weight.rows, weight.cols);
}

}  // namespace

bool fits_int8(uint32_t cols) { return shared_bytes(cols) <= kSharedLimit; }

Failure rms_norm_quantized(Stream stream, Matrix x, const float* gain, float eps, Matrix out) {
  return quantize(stream, Normed{static_cast<const float*>(x.data), x.stride, gain, eps},
                  activations(out), x.rows, x.cols);
}

Failure quantize_input(Stream stream, Matrix in, Matrix weight, Matrix* quantized) {
  *quantized = in;
  quantized->dtype = DType::s8;
  quantized->stride = in.stride * 2;
  if (in.rows == 0) return nullptr;
  const Plain<bf16, ColumnScaling::input> source{static_cast<const bf16*>(in.data), in.stride,
                                                 weight_column_norms(weight)};
  return quantize(stream, source, activations(*quantized), in.rows, in.cols);
}

Failure store_quantized(Stream stream, Matrix weight, RowOrder order, uint32_t rows,
                        const void* from, DType stored) {
  switch (stored) {
    case DType::bf16: return store_quantized_from<bf16>(stream, weight, order, rows, from);
    case DType::f16: return store_quantized_from<f16>(stream, weight, order, rows, from);
    default: return store_quantized_from<float>(stream, weight, order, rows, from);
  }
}

Failure store_column_scaled(Stream stream, Matrix weight, const void* from, DType stored) {
  switch (stored) {
    case DType::bf16: return store_column_scaled_from<bf16>(stream, weight, from);
    case DType::f16: return store_column_scaled_from<f16>(stream, weight, from);
    default: return store_column_scaled_from<float>(stream, weight, from);
  }
}

}  // namespace qwen3::cuda
