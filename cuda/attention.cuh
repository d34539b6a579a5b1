// What attention_mma.cu and attention_wgmma.cu have in common: how spans are cut into tiles. And which of the two it is.
#pragma once
#include "kernels.h"
#include "pages.cuh"

namespace qwen3::cuda {

// Some rows of a span. A span s has the tiles from first_row / tile_rows + s on: more than it needs, so that no list of
// tiles has to be made. What is left over has no rows.
struct Tile {
  const Span* span;
  uint32_t first;  // row of the span
  uint32_t rows;
};

// What scores are multiplied with: log2(e) / sqrt(kHeadDim), so that they are powers of two.
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

// attention_wgmma.cu: for cards that have wgmma, and so few query heads to a head of keys and values that a token of all of
// them fits in a tile.
bool fits_wgmma(Heads heads);
Failure attention_wgmma(Stream stream, const Gpu& gpu, Matrix query, Heads heads, Spans spans,
                        const void* pages, Matrix out);

}  // namespace qwen3::cuda
