// The linear ops on the tensor cores of every GPU from sm_80: cp.async, ldmatrix, mma.sync. bf16
// and f16 have f32 sums; s8 has s32 sums, which are exact.
//
//   sum[T, m] = in[T, n] weight[m, n]^T, times the scales of both rows, then the epilogue:
//     store   out[T, m] = sum                              bf16 or f16
//     add     out[T, m] += sum                             f32
//     swiglu  out[T, m / 2] = silu(sum[2i]) * sum[2i + 1]  bf16 or f16; gate and up rows alternate
//
// A step is 64 bytes of each row (32 elements, or 64 of s8). cp.async loads steps into a ring of
// stages in shared memory. The 16-byte chunk c of a row is stored at c ^ (row / 2 & 3), so the
// eight rows of an ldmatrix are in eight different bank groups. cp.async writes zeros past the
// edges; only the stores check the edges again.
//
//   plan   kernel         block         warps         stages  shared memory  blocks per 100 KiB
//   large  tile_gemm      128 x 128     4 of 64 x 64  4       64 KiB         1
//          tile_gemm      64 x 64       4 of 32 x 32  4       32 KiB         3, for few tiles
//   small  sliced_k_gemm  16..64 x 32   8, K shared   4..2    96 KiB         1
//          tile_gemm      32, 64 x 128  4 of * x 32   8       80, 96 KiB     1, split-K
//
// sliced_k_gemm: warps share a tile's K. Each warp has every eighth step and a ring of its own; the
// eight sums are added in order at the end. Split-K, for weights of 4,096 rows (m) and more: where
// tiles are few, several blocks share a tile's K, and a second kernel adds their partials in order.
// In tile_gemm an element, or its partial, is one chain of mma over the steps, so tile shapes
// change no bit. Gated values can reach 180,000, past f16's 65,504: in f16 they are stored as 1/128
// of their value.
#include "gemm.cuh"

namespace qwen3::cuda {
namespace {

constexpr uint32_t kStepBytes = 64;  // per row
constexpr uint32_t kChunkBytes = 16;
constexpr uint32_t kChunks = kStepBytes / kChunkBytes;
constexpr uint32_t kGroupTiles = 8;
constexpr uint32_t kSplitKTileCols = 128;

template <typename T>
constexpr uint32_t kStepElements = kStepBytes / sizeof(T);
template <typename T>
constexpr uint32_t kChunkElements = kChunkBytes / sizeof(T);

__device__ __forceinline__ uint32_t swizzled_offset(uint32_t row, uint32_t chunk) {
  return row * kStepBytes + ((chunk ^ (row / 2 & 3)) << 4);
}

// --- Copies --------------------------------------------------------------------------------------

// Copies one chunk of row `row` of a matrix to shared memory at `to`, with zeros past its edges.
template <typename T>
__device__ __forceinline__ void load_chunk(uint32_t to, const T* matrix, uint32_t stride,
                                           uint32_t rows, uint32_t inner, uint32_t row,
                                           uint32_t element) {
  const uint32_t inside =
      row < rows && element < inner ? min(inner - element, kChunkElements<T>) : 0;
  const T* from = matrix + static_cast<size_t>(row) * stride + element;
  cp_async_16(to, from, static_cast<int>(inside * sizeof(T)));
}

// --- The pipeline --------------------------------------------------------------------------------

// Issues the loads of the first steps. Those of the weight do not wait for the preceding kernel,
// which does not write it.
template <uint32_t kStages, typename LoadWeight, typename LoadIn>
__device__ __forceinline__ void start_pipeline(uint32_t steps, const LoadWeight& load_weight,
                                               const LoadIn& load_in) {
  for (uint32_t step = 0; step < kStages - 1 && step < steps; ++step) load_weight(step);
  let_next_begin();
  wait_for_previous();
  for (uint32_t step = 0; step < kStages - 1; ++step) {
    if (step < steps) load_in(step);
    cp_async_commit();  // the first group holds the weights of all these steps
  }
}

// Waits for step `step`, then issues the load into the stage of the step before it. `sync` is a
// barrier for all threads that share the ring: after it the copies of all have arrived, and no
// thread still reads the stage that is loaded next.
template <uint32_t kStages, typename LoadWeight, typename LoadIn, typename Sync>
__device__ __forceinline__ void advance_pipeline(uint32_t step, uint32_t steps,
                                                 const LoadWeight& load_weight,
                                                 const LoadIn& load_in, const Sync& sync) {
  cp_async_wait<kStages - 2>();
  sync();
  if (step + kStages - 1 < steps) {
    load_weight(step + kStages - 1);
    load_in(step + kStages - 1);
  }
  cp_async_commit();
}

// --- tile_gemm: the large plan, and split-K in the small plan ------------------------------------

template <uint32_t kRowCount, uint32_t kColCount, uint32_t kWarpRowCount, uint32_t kWarpColCount,
          uint32_t kStageCount, bool kIsPartial = false>
struct Tile {
  static constexpr uint32_t kRows = kRowCount, kCols = kColCount, kStages = kStageCount;
  static constexpr uint32_t kWarpRows = kWarpRowCount, kWarpCols = kWarpColCount;
  static constexpr bool kPartial = kIsPartial;  // stores split-K partials instead of results
  static constexpr uint32_t kStageBytes = (kRows + kCols) * kStepBytes;
};
using Tile128 = Tile<128, 128, 64, 64, 4>;
using Tile64 = Tile<64, 64, 32, 32, 4>;
// K is split only where tiles are few: see splits_of.
template <uint32_t kRows, bool kPartial>
using SplitKTile = Tile<kRows, kSplitKTileCols, kRows, 32, 8, kPartial>;

constexpr uint32_t kTileThreads = 128;

// Block (i, s) computes split s of tile i: an equal share of its steps.
template <typename T, Epilogue kEpilogue, typename Tile>
__global__ void __launch_bounds__(kTileThreads) tile_gemm(Operands<T> x, Result out) {
  constexpr uint32_t kStages = Tile::kStages;
  constexpr uint32_t kRowTiles = Tile::kWarpRows / 16, kColTiles = Tile::kWarpCols / 8;
  constexpr uint32_t kWarpsDown = Tile::kRows / Tile::kWarpRows;
  static_assert(kWarpsDown * (Tile::kCols / Tile::kWarpCols) * 32 == kTileThreads);
  const uint32_t ring = shared_address(shared_memory<uint4>());
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const uint32_t all_steps = ceil_div(x.inner, kStepElements<T>);
  const uint32_t first_step = all_steps * blockIdx.y / gridDim.y;
  const uint32_t steps = all_steps * (blockIdx.y + 1) / gridDim.y - first_step;

  uint32_t tile_row, tile_col;
  tile_of<kGroupTiles>(blockIdx.x, ceil_div(x.rows, Tile::kRows), ceil_div(x.cols, Tile::kCols),
                       &tile_row, &tile_col);
  const uint32_t first_row = tile_row * Tile::kRows, first_col = tile_col * Tile::kCols;
  const uint32_t warp_row = warp % kWarpsDown * Tile::kWarpRows;
  const uint32_t warp_col = warp / kWarpsDown * Tile::kWarpCols;

  const auto in_at = [&](uint32_t step) { return ring + step % kStages * Tile::kStageBytes; };
  const auto weight_at = [&](uint32_t step) { return in_at(step) + Tile::kRows * kStepBytes; };
  const auto element_of = [&](uint32_t step, uint32_t chunk) {
    return (first_step + step) * kStepElements<T> + chunk * kChunkElements<T>;
  };
  const auto load_weight = [&](uint32_t step) {
#pragma unroll
    for (uint32_t task = threadIdx.x; task < Tile::kCols * kChunks; task += kTileThreads) {
      const uint32_t row = task / kChunks, chunk = task % kChunks;
      load_chunk(weight_at(step) + swizzled_offset(row, chunk), x.weight, x.weight_stride, x.cols,
                 x.inner, first_col + row, element_of(step, chunk));
    }
  };
  const auto load_in = [&](uint32_t step) {
#pragma unroll
    for (uint32_t task = threadIdx.x; task < Tile::kRows * kChunks; task += kTileThreads) {
      const uint32_t row = task / kChunks, chunk = task % kChunks;
      load_chunk(in_at(step) + swizzled_offset(row, chunk), x.in, x.in_stride, x.rows, x.inner,
                 first_row + row, element_of(step, chunk));
    }
  };

  typename Kind<T>::Sum sum[kRowTiles][kColTiles][4] = {};
  start_pipeline<kStages>(steps, load_weight, load_in);
  for (uint32_t step = 0; step < steps; ++step) {
    advance_pipeline<kStages>(step, steps, load_weight, load_in, [] { sync_block(); });
#pragma unroll
    for (uint32_t k = 0; k < kChunks; k += 2) {  // 32 bytes of each row, one mma
      uint32_t a[kRowTiles][4], b[kColTiles / 2][4];
#pragma unroll
      for (uint32_t i = 0; i < kRowTiles; ++i) {
        ldmatrix_x4(a[i],
                    in_at(step) + swizzled_offset(warp_row + i * 16 + lane % 16, k + lane / 16));
      }
#pragma unroll
      for (uint32_t j = 0; j < kColTiles / 2; ++j) {
        ldmatrix_x4(b[j],
                    weight_at(step) + swizzled_offset(warp_col + j * 16 + lane % 8 + lane / 16 * 8,
                                                      k + lane / 8 % 2));
      }
#pragma unroll
      for (uint32_t i = 0; i < kRowTiles; ++i) {
#pragma unroll
        for (uint32_t j = 0; j < kColTiles; ++j)
          mma<T>(sum[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
      }
    }
  }

#pragma unroll
  for (uint32_t i = 0; i < kRowTiles; ++i) {
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      const uint32_t row = first_row + warp_row + i * 16 + half * 8 + lane / 4;
      if (row >= x.rows) continue;
      const float scale = x.row_scale(row);
#pragma unroll
      for (uint32_t j = 0; j < kColTiles; ++j) {
        const uint32_t col = first_col + warp_col + j * 8 + lane % 4 * 2;
        if (col >= x.cols) continue;
        const auto a = sum[i][j][half * 2], b = sum[i][j][half * 2 + 1];
        if constexpr (Tile::kPartial) {
          auto* to = static_cast<typename Kind<T>::Sum*>(out.data) +
                     (static_cast<size_t>(blockIdx.y) * x.rows + row) * out.stride + col;
          to[0] = a;
          to[1] = b;
        } else {
          apply_epilogue<T, kEpilogue>(x, out, row, col, scale, a, b);
        }
      }
    }
  }
}

// Adds the partials of all splits in order, then applies the epilogue. One thread per two columns.
template <typename T, Epilogue kEpilogue>
__global__ void __launch_bounds__(kTileThreads)
    add_partials_kernel(const typename Kind<T>::Sum* partials, uint32_t count, uint32_t stride,
                        Operands<T> x, Result out) {
  let_next_begin();
  wait_for_previous();
  const uint32_t row = blockIdx.y, col = (blockIdx.x * kTileThreads + threadIdx.x) * 2;
  if (col >= x.cols) return;
  typename Kind<T>::Sum a = 0, b = 0;
  for (uint32_t split = 0; split < count; ++split) {
    const auto* from = partials + (static_cast<size_t>(split) * x.rows + row) * stride + col;
    a += from[0];
    if (col + 1 < x.cols) b += from[1];
  }
  apply_epilogue<T, kEpilogue>(x, out, row, col, x.row_scale(row), a, b);
}

// --- sliced_k_gemm: the small plan ---------------------------------------------------------------

constexpr uint32_t kSlicedKWarps = 8;
constexpr uint32_t kSlicedKThreads = kSlicedKWarps * 32;
constexpr uint32_t kSlicedKCols = 32;
constexpr uint32_t kSlicedKSharedBytes = 96 * 1024;
// Row stride of the warps' sums, in elements. The 8 extra put the rows of a fragment in different
// banks.
constexpr uint32_t kSlicedKSumStride = kSlicedKCols + 8;

template <uint32_t kTiles16>
constexpr uint32_t kSlicedKStageBytes = (kTiles16 * 16 + kSlicedKCols) * kStepBytes;
template <uint32_t kTiles16>
constexpr uint32_t kSlicedKStages =
    kSlicedKSharedBytes / kSlicedKWarps / kSlicedKStageBytes<kTiles16>;

template <typename T, Epilogue kEpilogue, uint32_t kTiles16>
__global__ void __launch_bounds__(kSlicedKThreads) sliced_k_gemm(Operands<T> x, Result out) {
  constexpr uint32_t kRows = kTiles16 * 16;
  constexpr uint32_t kStages = kSlicedKStages<kTiles16>;
  constexpr uint32_t kTiles8 = kSlicedKCols / 8;
  static_assert(kStages >= 2, "one stage is read while another arrives");
  static_assert(kSlicedKWarps * kRows * kSlicedKSumStride * 4 <= kSlicedKSharedBytes,
                "the sums take the ring's place");
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const uint32_t ring =
      shared_address(shared_memory<uint4>()) + warp * kStages * kSlicedKStageBytes<kTiles16>;
  const uint32_t steps = ceil_div(x.inner, kStepElements<T>);
  // Steps warp, warp + 8, ...
  const uint32_t own_steps = (steps + kSlicedKWarps - 1 - warp) / kSlicedKWarps;
  const uint32_t first_row = blockIdx.y * kRows, first_col = blockIdx.x * kSlicedKCols;

  const uint32_t chunk = lane % kChunks;
  const auto element_of = [&](uint32_t own_step) {
    return (own_step * kSlicedKWarps + warp) * kStepElements<T> + chunk * kChunkElements<T>;
  };
  const auto load_weight = [&](uint32_t own_step) {
    const uint32_t weight =
        ring + own_step % kStages * kSlicedKStageBytes<kTiles16> + kRows * kStepBytes;
#pragma unroll
    for (uint32_t row = lane / kChunks; row < kSlicedKCols; row += 32 / kChunks) {
      load_chunk(weight + swizzled_offset(row, chunk), x.weight, x.weight_stride, x.cols, x.inner,
                 first_col + row, element_of(own_step));
    }
  };
  const auto load_in = [&](uint32_t own_step) {
    const uint32_t in = ring + own_step % kStages * kSlicedKStageBytes<kTiles16>;
#pragma unroll
    for (uint32_t row = lane / kChunks; row < kRows; row += 32 / kChunks) {
      load_chunk(in + swizzled_offset(row, chunk), x.in, x.in_stride, x.rows, x.inner,
                 first_row + row, element_of(own_step));
    }
  };

  typename Kind<T>::Sum sum[kTiles16][kTiles8][4] = {};
  start_pipeline<kStages>(own_steps, load_weight, load_in);
  for (uint32_t own_step = 0; own_step < own_steps; ++own_step) {
    advance_pipeline<kStages>(own_step, own_steps, load_weight, load_in, [] { sync_warp(); });
    const uint32_t in = ring + own_step % kStages * kSlicedKStageBytes<kTiles16>;
    const uint32_t weight = in + kRows * kStepBytes;
#pragma unroll
    for (uint32_t k = 0; k < kChunks; k += 2) {
      uint32_t b[kTiles8 / 2][4];
#pragma unroll
      for (uint32_t j = 0; j < kTiles8 / 2; ++j) {
        ldmatrix_x4(b[j],
                    weight + swizzled_offset(j * 16 + lane % 8 + lane / 16 * 8, k + lane / 8 % 2));
      }
#pragma unroll
      for (uint32_t i = 0; i < kTiles16; ++i) {
        uint32_t a[4];
        ldmatrix_x4(a, in + swizzled_offset(i * 16 + lane % 16, k + lane / 16));
#pragma unroll
        for (uint32_t j = 0; j < kTiles8; ++j)
          mma<T>(sum[i][j], a, b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
      }
    }
  }

  // Every warp stores its sums to shared memory, in place of the rings.
  sync_block();
  using Sum = typename Kind<T>::Sum;
  Sum* partial = shared_memory<Sum>();
#pragma unroll
  for (uint32_t i = 0; i < kTiles16; ++i) {
#pragma unroll
    for (uint32_t j = 0; j < kTiles8; ++j) {
#pragma unroll
      for (uint32_t half = 0; half < 2; ++half) {
        const uint32_t row = i * 16 + half * 8 + lane / 4, col = j * 8 + lane % 4 * 2;
        Sum* to = partial + (warp * kRows + row) * kSlicedKSumStride + col;
        to[0] = sum[i][j][half * 2];
        to[1] = sum[i][j][half * 2 + 1];
      }
    }
  }
  sync_block();
  for (uint32_t pair = threadIdx.x; pair < kRows * kSlicedKCols / 2; pair += kSlicedKThreads) {
    const uint32_t local_row = pair / (kSlicedKCols / 2), local_col = pair % (kSlicedKCols / 2) * 2;
    const uint32_t row = first_row + local_row, col = first_col + local_col;
    if (row >= x.rows || col >= x.cols) continue;
    Sum a = 0, b = 0;
    for (uint32_t w = 0; w < kSlicedKWarps; ++w) {
      const Sum* from = partial + (w * kRows + local_row) * kSlicedKSumStride + local_col;
      a += from[0];
      b += from[1];
    }
    apply_epilogue<T, kEpilogue>(x, out, row, col, x.row_scale(row), a, b);
  }
}

// --- Split-K -------------------------------------------------------------------------------------

// The number of splits, which depends on the weight's shape alone. If it is over 1, there are at
// most `split_k_blocks` blocks per tile row.
template <typename T>
uint32_t splits_of(const Tuning& tuning, const Operands<T>& x) {
  const uint32_t col_tiles = ceil_div(x.cols, kSplitKTileCols);
  if (col_tiles >= tuning.split_k_tiles) return 1;
  const uint32_t most = ceil_div(x.inner, kStepElements<T>) / tuning.split_k_steps;
  return max(min(tuning.split_k_blocks / col_tiles, most), 1u);
}

// --- Launchers -----------------------------------------------------------------------------------

template <typename T, Epilogue kEpilogue, typename Tile>
Failure launch_tiles(Stream stream, const Operands<T>& x, const Result& out, uint32_t splits = 1) {
  const dim3 grid(ceil_div(x.rows, Tile::kRows) * ceil_div(x.cols, Tile::kCols), splits);
  return launch(stream, tile_gemm<T, kEpilogue, Tile>, grid, kTileThreads,
                Tile::kStages * Tile::kStageBytes, x, out);
}

template <typename T, Epilogue kEpilogue, bool kPartial>
Failure launch_split_k_tiles(Stream stream, const Operands<T>& x, const Result& out,
                             uint32_t splits) {
  if (x.rows <= 32)
    return launch_tiles<T, kEpilogue, SplitKTile<32, kPartial>>(stream, x, out, splits);
  return launch_tiles<T, kEpilogue, SplitKTile<64, kPartial>>(stream, x, out, splits);
}

template <typename T, Epilogue kEpilogue>
Failure launch_split_k(Stream stream, const Gpu& gpu, const Operands<T>& x, const Result& out) {
  const uint32_t splits = splits_of(gpu.tuning, x);
  if (splits == 1) return launch_split_k_tiles<T, kEpilogue, false>(stream, x, out, 1);
  if (x.rows > kSmallBatchTokens) return "a batch of the small plan has too many rows";
  const uint32_t stride = ceil_div(x.cols, kSplitKTileCols) * kSplitKTileCols;
  const Failure failure = launch_split_k_tiles<T, Epilogue::store, true>(
      stream, x, {gpu.partials, stride, nullptr}, splits);
  if (failure) return failure;
  const dim3 grid(ceil_div(x.cols, 2 * kTileThreads), x.rows);
  return launch(stream, add_partials_kernel<T, kEpilogue>, grid, kTileThreads, 0,
                static_cast<const typename Kind<T>::Sum*>(gpu.partials), splits, stride, x, out);
}

template <typename T, Epilogue kEpilogue, uint32_t kTiles16>
Failure launch_sliced_k(Stream stream, const Operands<T>& x, const Result& out) {
  const dim3 grid(ceil_div(x.cols, kSlicedKCols), ceil_div(x.rows, kTiles16 * 16));
  return launch(stream, sliced_k_gemm<T, kEpilogue, kTiles16>, grid, kSlicedKThreads,
                kSlicedKSharedBytes, x, out);
}

template <typename T, Epilogue kEpilogue>
Failure gemm_with(Stream stream, Plan plan, const Gpu& gpu, const Operands<T>& x,
                  const Result& out) {
  if (plan == Plan::small) {
    // For large weights, tiles of 32 columns would read as many bytes of `in` from the L2 cache as
    // of the weight from memory.
    if (x.cols >= gpu.tuning.split_k_rows) return launch_split_k<T, kEpilogue>(stream, gpu, x, out);
    if (x.rows <= 16) return launch_sliced_k<T, kEpilogue, 1>(stream, x, out);
    if (x.rows <= 32) return launch_sliced_k<T, kEpilogue, 2>(stream, x, out);
    return launch_sliced_k<T, kEpilogue, 4>(stream, x, out);
  }
  const uint32_t tiles128 = ceil_div(x.rows, Tile128::kRows) * ceil_div(x.cols, Tile128::kCols);
  return tiles128 >= gpu.multiprocessors ? launch_tiles<T, kEpilogue, Tile128>(stream, x, out)
                                         : launch_tiles<T, kEpilogue, Tile64>(stream, x, out);
}

template <typename T>
Failure gemm_of(Stream stream, Plan plan, Epilogue epilogue, const Gpu& gpu, Matrix in,
                Matrix weight, Matrix out) {
  const Operands<T> x{static_cast<const T*>(in.data),
                      static_cast<const T*>(weight.data),
                      in.stride,
                      weight_stride(weight.cols, weight.dtype),
                      in.rows,
                      weight.rows,
                      weight.cols,
                      in.scales,
                      sizeof(T) == 1 ? weight_scales(weight) : nullptr};
  const Result result{out.data, out.stride, out.scales};
  // The choice must not depend on the number of rows: otherwise a row's bits would depend on its
  // batch.
  if (gpu.has_wgmma && plan == Plan::large) return gemm_wgmma(stream, epilogue, gpu, x, result);
  switch (epilogue) {
    case Epilogue::store: return gemm_with<T, Epilogue::store>(stream, plan, gpu, x, result);
    case Epilogue::add: return gemm_with<T, Epilogue::add>(stream, plan, gpu, x, result);
    case Epilogue::swiglu: break;
  }
  return gemm_with<T, Epilogue::swiglu>(stream, plan, gpu, x, result);
}

}  // namespace

// One sum per block, row and column of its tile.
size_t partials_bytes(const Tuning& tuning) {
  return sizeof(float) * kSmallBatchTokens * kSplitKTileCols * tuning.split_k_blocks;
}

Failure gemm(Stream stream, Plan plan, Epilogue epilogue, const Gpu& gpu, Matrix in, Matrix weight,
             Matrix out) {
  if (in.rows == 0) return nullptr;
  switch (in.dtype) {
    case DType::s8: return gemm_of<int8_t>(stream, plan, epilogue, gpu, in, weight, out);
    case DType::f16: return gemm_of<f16>(stream, plan, epilogue, gpu, in, weight, out);
    default: return gemm_of<bf16>(stream, plan, epilogue, gpu, in, weight, out);
  }
}

}  // namespace qwen3::cuda
