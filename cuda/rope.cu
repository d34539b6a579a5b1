// norm_rope and norm_rope_store: RMS norm of each head, then its rotation, in place or into pages.
//
//   h = head / sqrt(mean(head^2) + eps) * gain[dim]
//   out[i]            = h[i] cos_i            - h[i + dim / 2] sin_i
//   out[i + dim / 2]  = h[i + dim / 2] cos_i  + h[i] sin_i
//
// for i < dim / 2, with the angles of the row's position.
//
// One warp per row and head. Lane l holds dims l, l + 32, l + 64, l + 96, so both elements of a
// rotated pair are in one lane, and every load and store of the warp covers 64 consecutive bytes.
#include "kernels.h"
#include "pages.cuh"

namespace qwen3::cuda {
namespace {

constexpr uint32_t kWarps = 4;
constexpr uint32_t kThreads = kWarps * 32;
constexpr uint32_t kPerLane = kHeadDim / 32;
static_assert(kPerLane == 4, "a lane holds two pairs");

// A row's span and its position in the sequence.
struct Place {
  const Span* span;
  uint32_t position;
  bool exists;  // false: the row belongs to no span
};

__device__ __forceinline__ Place place_of(Spans spans, uint32_t row) {
  const uint32_t i =
      last_at_or_before(spans.count, row, [&](uint32_t s) { return spans.data[s].first_row; });
  const Span* span = spans.data + i;
  const uint32_t offset = row - span->first_row;
  return {span, span->position + offset, row >= span->first_row && offset < span->rows};
}

template <typename T>
__device__ __forceinline__ void norm_rope_head(const T* from, const float* gain, float eps,
                                               const float* rotation, T* to) {
  const uint32_t lane = threadIdx.x % 32;
  float value[kPerLane];
  float squares = 0;
  for (uint32_t i = 0; i < kPerLane; ++i) {
    value[i] = to_float(from[lane + 32 * i]);
    squares += value[i] * value[i];
  }
  for (int mask = 16; mask > 0; mask /= 2) squares += shuffle_xor(squares, mask);
  const float scale = 1 / sqrtf(squares / kHeadDim + eps);
  for (uint32_t i = 0; i < kPerLane; ++i) value[i] = value[i] * scale * gain[lane + 32 * i];
  for (uint32_t i = 0; i < kPerLane / 2; ++i) {
    const float cosine = rotation[lane + 32 * i], sine = rotation[kHeadDim / 2 + lane + 32 * i];
    const float x = value[i], y = value[i + kPerLane / 2];
    to[lane + 32 * i] = from_float<T>(x * cosine - y * sine);
    to[kHeadDim / 2 + lane + 32 * i] = from_float<T>(y * cosine + x * sine);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    norm_rope_kernel(T* query, uint32_t stride, uint32_t rows, const float* gain, Heads heads,
                     Spans spans) {
  let_next_begin();
  wait_for_previous();
  const uint32_t task = blockIdx.x * kWarps + threadIdx.x / 32;
  const uint32_t row = task / heads.query, head = task % heads.query;
  if (row >= rows) return;
  const Place place = place_of(spans, row);
  if (!place.exists) return;
  T* at = query + static_cast<size_t>(row) * stride + head * kHeadDim;
  norm_rope_head(at, gain, heads.norm_eps,
                 heads.rotations + static_cast<size_t>(place.position) * kHeadDim, at);
}

// The first heads.key_value heads of a row are its keys, the next as many its values.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    norm_rope_store_kernel(const T* key_value, uint32_t stride, uint32_t rows, const float* gain,
                           Heads heads, Spans spans, T* pages) {
  let_next_begin();
  wait_for_previous();
  const uint32_t task = blockIdx.x * kWarps + threadIdx.x / 32;
  const uint32_t row = task / (2 * heads.key_value), part_head = task % (2 * heads.key_value);
  if (row >= rows) return;
  const Place place = place_of(spans, row);
  if (!place.exists) return;
  const bool is_key = part_head < heads.key_value;
  const uint32_t head = is_key ? part_head : part_head - heads.key_value;
  const uint32_t token = place.position - place.span->prefix.tokens;
  const T* from = key_value + static_cast<size_t>(row) * stride + part_head * kHeadDim;
  T* to = page_rows(pages, place.span->own, spans.layer, token, heads.key_value,
                    is_key ? Part::key : Part::value, head) +
          token % kPageTokens * kHeadDim;
  if (is_key) {
    norm_rope_head(from, gain, heads.norm_eps,
                   heads.rotations + static_cast<size_t>(place.position) * kHeadDim, to);
  } else {
    for (uint32_t i = threadIdx.x % 32; i < kHeadDim; i += 32) to[i] = from[i];
  }
}

template <typename T>
Failure norm_rope_of(Stream stream, Matrix query, const float* gain, Heads heads, Spans spans) {
  return launch(stream, norm_rope_kernel<T>, ceil_div(query.rows * heads.query, kWarps), kThreads,
                0, static_cast<T*>(query.data), query.stride, query.rows, gain, heads, spans);
}

template <typename T>
Failure norm_rope_store_of(Stream stream, Matrix key_value, const float* gain, Heads heads,
                           Spans spans, void* pages) {
  return launch(stream, norm_rope_store_kernel<T>,
                ceil_div(key_value.rows * 2 * heads.key_value, kWarps), kThreads, 0,
                static_cast<const T*>(key_value.data), key_value.stride, key_value.rows, gain,
                heads, spans, static_cast<T*>(pages));
}

}  // namespace

Failure norm_rope(Stream stream, Matrix query, const float* gain, Heads heads, Spans spans) {
  if (query.rows == 0 || spans.count == 0) return nullptr;
  return query.dtype == DType::f16 ? norm_rope_of<f16>(stream, query, gain, heads, spans)
                                   : norm_rope_of<bf16>(stream, query, gain, heads, spans);
}

Failure norm_rope_store(Stream stream, Matrix key_value, const float* gain, Heads heads,
                        Spans spans, void* pages) {
  if (key_value.rows == 0 || spans.count == 0) return nullptr;
  return key_value.dtype == DType::f16
             ? norm_rope_store_of<f16>(stream, key_value, gain, heads, spans, pages)
             : norm_rope_store_of<bf16>(stream, key_value, gain, heads, spans, pages);
}

}  // namespace qwen3::cuda
