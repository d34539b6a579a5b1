// Causal attention over pages on the tensor cores of every GPU from sm_80. Scores are never stored.
//
//   out[row, h] = softmax(query[row, h] key^T / sqrt(dim)) value
//
// over the row's positions 0 to its own. Query head h reads key/value head h / (query heads / kv
// heads).
//
// A block has 64 rows of one span and one query head, a warp 16 of them. It loops over the pages of
// the prefix run, then of its own run, 64 tokens at a time, with an online softmax (Dao et al.,
// FlashAttention, 2022): per row it keeps row_max, row_sum = sum of exp(score - row_max), and the
// weighted sum of values, and rescales both sums when row_max grows.
//
//   threads        128
//   shared memory  64 KiB: two stages of 64 keys and 64 values, 256 bytes each; chunk c of a row is
//                  stored at c ^ (row & 7)
//   registers      queries, as mma fragments; the scores of two 8-column tiles become the
//                  probability fragment of one step
//
// A fully masked page changes none of a row's bits: row_max stays, both sums are scaled by 1 and
// have 0 added. (A NaN among the values of later tokens would break this.) So a row's bits depend
// neither on the other rows of its block nor on where the engine's chunks begin.
#include "attention.cuh"

namespace qwen3::cuda {
namespace {

constexpr uint32_t kThreads = 128;
constexpr uint32_t kRows = 64;  // per block
constexpr uint32_t kWarpRows = 16;
constexpr uint32_t kChunkElements = 8;
constexpr uint32_t kChunks = kHeadDim / kChunkElements;
constexpr uint32_t kTileBytes = kPageTokens * kHeadDim * 2;
constexpr uint32_t kSharedBytes = 4 * kTileBytes;
constexpr uint32_t kDimSteps = kHeadDim / 16, kTokenSteps = kPageTokens / 16;
static_assert(kPageTokens == 64, "a stage is a page");

__device__ __forceinline__ uint32_t swizzled_offset(uint32_t row, uint32_t chunk) {
  return row * kHeadDim * 2 + ((chunk ^ (row & 7)) << 4);
}

template <typename T>
struct Rows {
  T* data;
  uint32_t stride;
};

template <typename T>
__global__ void __launch_bounds__(kThreads)
    attention_kernel(Rows<const T> query, Heads heads, Spans spans, const T* pages, float scale,
                     Rows<T> out) {
  let_next_begin();
  wait_for_previous();
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const uint32_t head = blockIdx.y, kv_head = head / (heads.query / heads.key_value);
  // From the chunk's last row back, so within a text the rows with the most keys come first.
  const Tile tile = tile_of(spans, gridDim.x - 1 - blockIdx.x, kRows);
  if (tile.rows == 0) return;
  const Span& span = *tile.span;

  // Own tokens visible to the tile's last row, and the pages of both runs.
  const uint32_t own_tokens = span.position + tile.first + tile.rows - span.prefix.tokens;
  const uint32_t prefix_pages = pages_of(span.prefix.tokens);
  const uint32_t page_count = prefix_pages + pages_of(own_tokens);

  const uint32_t ring = shared_address(shared_memory<uint4>());
  const auto stage_of = [&](uint32_t page) { return ring + page % 2 * 2 * kTileBytes; };
  const auto load = [&](uint32_t page) {
    const bool in_prefix = page < prefix_pages;
    const KeyValueRun& run = in_prefix ? span.prefix : span.own;
    const uint32_t token = (in_prefix ? page : page - prefix_pages) * kPageTokens;
    // Slots past these may be unwritten. They are not read but filled with zeros.
    const uint32_t tokens = (in_prefix ? run.tokens : own_tokens) - token;
    const T* keys = page_rows(pages, run, spans.layer, token, heads.key_value, Part::key, kv_head);
    const T* values =
        page_rows(pages, run, spans.layer, token, heads.key_value, Part::value, kv_head);
    const uint32_t stage = stage_of(page);
#pragma unroll 4
    for (uint32_t task = threadIdx.x; task < kPageTokens * kChunks; task += kThreads) {
      const uint32_t row = task / kChunks, chunk = task % kChunks;
      const int bytes = row < tokens ? 16 : 0;
      const uint32_t offset = row * kHeadDim + chunk * kChunkElements;
      cp_async_16(stage + swizzled_offset(row, chunk), keys + offset, bytes);
      cp_async_16(stage + kTileBytes + swizzled_offset(row, chunk), values + offset, bytes);
    }
  };
  load(0);
  cp_async_commit();

  // The lane's two rows of queries, as mma fragments.
  const uint32_t first = warp * kWarpRows + lane / 4;
  const bool warp_has_rows = warp * kWarpRows < tile.rows;
  uint32_t fragment[kDimSteps][4];
#pragma unroll
  for (uint32_t d = 0; d < kDimSteps; ++d) {
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      const uint32_t row = first + i % 2 * 8;
      const uint32_t col = head * kHeadDim + d * 16 + i / 2 * 8 + lane % 4 * 2;
      const size_t at = static_cast<size_t>(span.first_row + tile.first + row) * query.stride + col;
      fragment[d][i] = row < tile.rows ? *reinterpret_cast<const uint32_t*>(query.data + at) : 0;
    }
  }

  float sum[kHeadDim / 8][4] = {}, row_max[2] = {-INFINITY, -INFINITY}, row_sum[2] = {};
  for (uint32_t page = 0; page < page_count; ++page) {
    if (page + 1 < page_count) load(page + 1);
    cp_async_commit();
    cp_async_wait<1>();
    sync_block();
    if (warp_has_rows) {
      const uint32_t keys = stage_of(page), values = keys + kTileBytes;

      // score = query key^T
      float score[kPageTokens / 8][4] = {};
#pragma unroll
      for (uint32_t d = 0; d < kDimSteps; ++d) {
#pragma unroll
        for (uint32_t t = 0; t < kTokenSteps; ++t) {
          uint32_t key[4];
          ldmatrix_x4(
              key, keys + swizzled_offset(t * 16 + lane % 8 + lane / 16 * 8, d * 2 + lane / 8 % 2));
          mma<T>(score[2 * t], fragment[d], key[0], key[1]);
          mma<T>(score[2 * t + 1], fragment[d], key[2], key[3]);
        }
      }

      // Scale, mask, row_max.
      const bool in_prefix = page < prefix_pages;
      const uint32_t page_first = (in_prefix ? page : page - prefix_pages) * kPageTokens;
      float new_max[2] = {row_max[0], row_max[1]};
#pragma unroll
      for (uint32_t half = 0; half < 2; ++half) {
        const uint32_t own_position =
            span.position + tile.first + first + half * 8 - span.prefix.tokens;
        // Number of the run's tokens that the row sees.
        const uint32_t visible = in_prefix ? span.prefix.tokens : own_position + 1;
#pragma unroll
        for (uint32_t j = 0; j < kPageTokens / 8; ++j) {
#pragma unroll
          for (uint32_t e = 0; e < 2; ++e) {
            float& s = score[j][half * 2 + e];
            s = page_first + j * 8 + lane % 4 * 2 + e < visible ? s * scale : -INFINITY;
            new_max[half] = fmaxf(new_max[half], s);
          }
        }
        new_max[half] = fmaxf(new_max[half], shuffle_xor(new_max[half], 1));
        new_max[half] = fmaxf(new_max[half], shuffle_xor(new_max[half], 2));
      }

      // Online softmax: rescale the sums to the new row_max; scores become probabilities.
#pragma unroll
      for (uint32_t half = 0; half < 2; ++half) {
        const float rescale = exp2_approx(row_max[half] - new_max[half]);
        row_max[half] = new_max[half];
        row_sum[half] *= rescale;
#pragma unroll
        for (uint32_t d = 0; d < kHeadDim / 8; ++d) {
          sum[d][half * 2] *= rescale;
          sum[d][half * 2 + 1] *= rescale;
        }
#pragma unroll
        for (uint32_t j = 0; j < kPageTokens / 8; ++j) {
#pragma unroll
          for (uint32_t e = 0; e < 2; ++e) {
            float& s = score[j][half * 2 + e];
            s = exp2_approx(s - new_max[half]);
            row_sum[half] += s;
          }
        }
      }

      // Weighted sum of values.
#pragma unroll
      for (uint32_t t = 0; t < kTokenSteps; ++t) {
        const uint32_t probability[4] = {pack<T>(score[2 * t][0], score[2 * t][1]),
                                         pack<T>(score[2 * t][2], score[2 * t][3]),
                                         pack<T>(score[2 * t + 1][0], score[2 * t + 1][1]),
                                         pack<T>(score[2 * t + 1][2], score[2 * t + 1][3])};
#pragma unroll
        for (uint32_t d = 0; d < kDimSteps; ++d) {
          uint32_t value[4];
          ldmatrix_x4_trans(value, values + swizzled_offset(t * 16 + lane % 16, d * 2 + lane / 16));
          mma<T>(sum[2 * d], probability, value[0], value[1]);
          mma<T>(sum[2 * d + 1], probability, value[2], value[3]);
        }
      }
    }
    sync_block();  // the stage is free for page + 2
  }
  // Epilogue: normalize and store.
  if (!warp_has_rows) return;
#pragma unroll
  for (uint32_t half = 0; half < 2; ++half) {
    row_sum[half] += shuffle_xor(row_sum[half], 1);
    row_sum[half] += shuffle_xor(row_sum[half], 2);
    const uint32_t row = first + half * 8;
    if (row >= tile.rows) continue;
    T* to = out.data + static_cast<size_t>(span.first_row + tile.first + row) * out.stride +
            head * kHeadDim;
    const float inverse = 1 / row_sum[half];
#pragma unroll
    for (uint32_t d = 0; d < kHeadDim / 8; ++d) {
      *reinterpret_cast<uint32_t*>(to + d * 8 + lane % 4 * 2) =
          pack<T>(sum[d][half * 2] * inverse, sum[d][half * 2 + 1] * inverse);
    }
  }
}

template <typename T>
Rows<T> rows_of(Matrix matrix) {
  return {static_cast<T*>(matrix.data), matrix.stride};
}

template <typename T>
Failure attention_of(Stream stream, Matrix query, Heads heads, Spans spans, const void* pages,
                     Matrix out) {
  return launch(stream, attention_kernel<T>,
                dim3(tile_count(query.rows, spans.count, kRows), heads.query), kThreads,
                kSharedBytes, rows_of<const T>(query), heads, spans, static_cast<const T*>(pages),
                kScoreScale, rows_of<T>(out));
}

}  // namespace

Failure attention(Stream stream, Plan plan, const Gpu& gpu, Matrix query, Heads heads, Spans spans,
                  const void* pages, Matrix out) {
  if (query.rows == 0 || spans.count == 0) return nullptr;
  // The choice must not depend on the number of rows: otherwise a row's bits would depend on its
  // batch.
  if (plan == Plan::large && gpu.has_wgmma && fits_wgmma(heads)) {
    return attention_wgmma(stream, gpu, query, heads, spans, pages, out);
  }
  return query.dtype == DType::f16 ? attention_of<f16>(stream, query, heads, spans, pages, out)
                                   : attention_of<bf16>(stream, query, heads, spans, pages, out);
}

}  // namespace qwen3::cuda
