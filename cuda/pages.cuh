// The layout of keys and values in pages, and the span of a row. Shared by rope.cu and attention.
//
// A page is [key | value][kv head][slot][dim]: the keys (or values) of one head are kPageTokens
// consecutive rows of 256 bytes, which attention copies to shared memory as one block.
#pragma once
#include "kernels.h"
#include "ptx.cuh"

namespace qwen3::cuda {

constexpr uint32_t kHeadDim = 128;

// Number of pages for `tokens` tokens.
__device__ __forceinline__ uint32_t pages_of(uint32_t tokens) {
  return ceil_div(tokens, kPageTokens);
}

enum class Part : uint32_t { key, value };

// Index, within the memory of all pages, of the first row of one head in the page that has token
// `token` of a run.
__device__ __forceinline__ size_t first_page_row(const KeyValueRun& run, uint32_t layer,
                                                 uint32_t token, uint32_t kv_heads, Part part,
                                                 uint32_t head) {
  const size_t page =
      run.pages[token / kPageTokens] + static_cast<size_t>(layer) * run.layer_stride;
  return ((page * 2 + static_cast<uint32_t>(part)) * kv_heads + head) * kPageTokens;
}

// Address of that row.
template <typename T>
__device__ __forceinline__ T* page_rows(T* pages, const KeyValueRun& run, uint32_t layer,
                                        uint32_t token, uint32_t kv_heads, Part part,
                                        uint32_t head) {
  return pages + first_page_row(run, layer, token, kv_heads, part, head) * kHeadDim;
}

// The last i in [0, count) with start(i) <= at. start must be ascending, with start(0) <= at.
template <typename Start>
__device__ __forceinline__ uint32_t last_at_or_before(uint32_t count, uint32_t at, Start start) {
  uint32_t low = 0, high = count;
  while (high - low > 1) {
    const uint32_t middle = (low + high) / 2;
    if (start(middle) <= at) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace qwen3::cuda
