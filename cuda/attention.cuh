// Shared by attention_mma.cu and attention_wgmma.cu: how spans are divided into tiles.
#pragma once
#include "kernels.h"
#include "pages.cuh"

namespace qwen3::cuda {

// Some rows of a span. Tiles are numbered across spans; those of span s begin at first_row /
// tile_rows + s. Some numbers have no rows, so no list of tiles is needed.
struct Tile {
  const Span* span;
  uint32_t first;  // row of the span
  uint32_t rows;
};

// log2(e) / sqrt(kHeadDim): scaled scores are exponents of 2.
constexpr float kScoreScale = 0.127517431f;

__device__ __forceinline__ Tile tile_of(Spans spans, uint32_t index, uint32_t tile_rows) {
  const auto start = [&](uint32_t s) { return spans.data[s].first_row / tile_rows + s; };
  const uint32_t s = last_at_or_before(spans.count, index, start);
  const Span* span = spans.data + s;
  const uint32_t first = (index - start(s)) * tile_rows;
  return {span, first, first < span->rows ? min(tile_rows, span->rows - first) : 0};
}

__host__ __device__ constexpr uint32_t tile_count(uint32_t rows, uint32_t spans,
                                                  uint32_t tile_rows) {
  return rows / tile_rows + spans;
}

// attention_wgmma.cu: for GPUs with wgmma, and models with at most 128 query heads per key/value
// head.
bool fits_wgmma(Heads heads);
Failure attention_wgmma(Stream stream, const Gpu& gpu, Matrix query, Heads heads, Spans spans,
                        const void* pages, Matrix out);

}  // namespace qwen3::cuda
