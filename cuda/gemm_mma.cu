// The linear ops on the tensor cores of every card from sm_80 on: cp.async, ldmatrix, mma.sync; bf16 and f16 with f32
// sums, s8 with s32 ones, which are exact.
//
//   sum[T, m] = in[T, n] weight[m, n]^T, times the scales of both rows, then the epilogue:
//     store   out[T, m] = sum                              bf16 or f16
//     add     out[T, m] += sum                             f32
//     swiglu  out[T, m / 2] = silu(sum[2i]) * sum[2i + 1]  gate and up rows of the weight take turns; bf16 or f16
//
// Both operands are cut into steps of 64 bytes of each row (32 elements or 64), which cp.async brings to a ring of stages in
// shared memory. A chunk of 16 bytes lies at chunk ^ (row / 2 & 3), so that the eight rows of an ldmatrix lie in eight
// different bank groups. What is past an edge arrives as zeros; only the stores look at the edges again.
//
//   plan   block          warps      stages  shared memory  blocks per 100 KiB
//   large  128 x 128      4 of 64^2  4       64 KiB         1    many tiles
//          64 x 64        4 of 32^2  4       32 KiB         3    few tiles, or rows that cp.async cannot read
//   small  16..64 x 32    8          4..2    96 KiB         1    each warp has every eighth step and a ring of its
//                                                                own; the eight sums are added in order at the end
//
// In the large plan every element is one chain of mma over the steps, whatever the tile: tile shapes change no bit.
// f16 holds gated values to 65,504, and some models reach 180,000: they are stored as 1/128 of themselves.
#include "gemm.cuh"

namespace qwen3::cuda {
namespace {

constexpr uint32_t kStepBytes = 64;  // of a row
constexpr uint32_t kChunkBytes = 16;
constexpr uint32_t kChunks = kStepBytes / kChunkBytes;
constexpr uint32_t kGroupTiles = 8;

template <typename T>
constexpr uint32_t kStepElements = kStepBytes / sizeof(T);
template <typename T>
constexpr uint32_t kChunkElements = kChunkBytes / sizeof(T);

__device__ __forceinline__ uint32_t place(uint32_t row, uint32_t chunk) {
  return row * kStepBytes + ((chunk ^ (row / 2 & 3)) << 4);
}

// --- Copies ------------------------------------------------------------------------------------------------------------

// Brings one chunk of row `row` of a matrix to shared memory at `to`, zeros for what is past its edges.
template <bool kAligned, typename T>
__device__ __forceinline__ void load_chunk(uint32_t to, const T* matrix, uint32_t stride, uint32_t rows,
                                           uint32_t inner, uint32_t row, uint32_t element) {
  const uint32_t inside = row < rows && element < inner ? min(inner - element, kChunkElements<T>) : 0;
  const T* from = matrix + static_cast<size_t>(row) * stride + element;
  if constexpr (kAligned) {
    cp_async_16(to, from, static_cast<int>(inside * sizeof(T)));
  } else {
    T* chunk = shared_memory<T>() + (to - shared_address(shared_memory<T>())) / sizeof(T);
    for (uint32_t i = 0; i < kChunkElements<T>; ++i) chunk[i] = i < inside ? from[i] : T{0};
  }
}

// --- The large plan --------------------------------------------------------------------------------------------------------

struct Tile128 {
  static constexpr uint32_t kSide = 128;
  static constexpr bool kAligned = true;
};
struct Tile64 {
  static constexpr uint32_t kSide = 64;
  static constexpr bool kAligned = true;
};
struct Tile64Unaligned {
  static constexpr uint32_t kSide = 64;
  static constexpr bool kAligned = false;
};

constexpr uint32_t kLargeThreads = 128;
constexpr uint32_t kLargeStages = 4;

template <typename Tile>
constexpr uint32_t kLargeSharedBytes = kLargeStages * 2 * Tile::kSide* kStepBytes;

template <typename T, Epilogue kEpilogue, typename Tile>
__global__ void __launch_bounds__(kLargeThreads) large_gemm(Operands<T> x, Result out) {
  constexpr uint32_t kSide = Tile::kSide;
  constexpr uint32_t kWarpSide = kSide / 2;
  constexpr uint32_t kTiles16 = kWarpSide / 16, kTiles8 = kWarpSide / 8;
  constexpr uint32_t kOperandBytes = kSide * kStepBytes;
  const uint32_t ring = shared_address(shared_memory<uint4>());
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const uint32_t steps = (x.inner + kStepElements<T> - 1) / kStepElements<T>;

  uint32_t tile_row, tile_col;
  tile_of<kGroupTiles>(blockIdx.x, (x.rows + kSide - 1) / kSide, (x.cols + kSide - 1) / kSide, &tile_row,
                       &tile_col);
  const uint32_t first_row = tile_row * kSide, first_col = tile_col * kSide;
  const uint32_t warp_row = warp % 2 * kWarpSide, warp_col = warp / 2 * kWarpSide;

  const auto load = [&](uint32_t step) {
    const uint32_t in = ring + step % kLargeStages * 2 * kOperandBytes, weight = in + kOperandBytes;
#pragma unroll
    for (uint32_t i = 0; i < kSide * kChunks / kLargeThreads; ++i) {
      const uint32_t task = i * kLargeThreads + threadIdx.x;
      const uint32_t row = task / kChunks, chunk = task % kChunks;
      const uint32_t element = step * kStepElements<T> + chunk * kChunkElements<T>;
      load_chunk<Tile::kAligned>(in + place(row, chunk), x.in, x.in_stride, x.rows, x.inner, first_row + row,
                                 element);
      load_chunk<true>(weight + place(row, chunk), x.weight, x.weight_stride, x.cols, x.inner,
                       first_col + row, element);
    }
  };

  typename Kind<T>::Sum sum[kTiles16][kTiles8][4] = {};
  for (uint32_t step = 0; step < kLargeStages - 1; ++step) {
    if (step < steps) load(step);
    cp_async_commit();
  }
  for (uint32_t step = 0; step < steps; ++step) {
    cp_async_wait<kLargeStages - 2>();
    sync_block();
    if (step + kLargeStages - 1 < steps) load(step + kLargeStages - 1);
    cp_async_commit();

    const uint32_t in = ring + step % kLargeStages * 2 * kOperandBytes, weight = in + kOperandBytes;
#pragma unroll
    for (uint32_t k = 0; k < kChunks; k += 2) {  // 32 bytes
      uint32_t a[kTiles16][4], b[kTiles16][4];
#pragma unroll
      for (uint32_t i = 0; i < kTiles16; ++i) {
        ldmatrix_x4(a[i], in + place(warp_row + i * 16 + lane % 16, k + lane / 16));
        ldmatrix_x4(b[i], weight + place(warp_col + i * 16 + lane % 8 + lane / 16 * 8, k + lane / 8 % 2));
      }
#pragma unroll
      for (uint32_t i = 0; i < kTiles16; ++i) {
#pragma unroll
        for (uint32_t j = 0; j < kTiles8; ++j)
          mma<T>(sum[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
      }
    }
  }

#pragma unroll
  for (uint32_t i = 0; i < kTiles16; ++i) {
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      const uint32_t row = first_row + warp_row + i * 16 + half * 8 + lane / 4;
      if (row >= x.rows) continue;
      const float scale = x.row_scale(row);
#pragma unroll
      for (uint32_t j = 0; j < kTiles8; ++j) {
        const uint32_t col = first_col + warp_col + j * 8 + lane % 4 * 2;
        if (col >= x.cols) continue;
        finish<T, kEpilogue>(x, out, row, col, scale, sum[i][j][half * 2], sum[i][j][half * 2 + 1]);
      }
    }
  }
}

// --- The small plan --------------------------------------------------------------------------------------------------------

constexpr uint32_t kSmallWarps = 8;
constexpr uint32_t kSmallThreads = kSmallWarps * 32;
constexpr uint32_t kSmallCols = 32;
constexpr uint32_t kSmallSharedBytes = 96 * 1024;
constexpr uint32_t kPartialStride = kSmallCols + 8;  // sums; rows of a fragment then lie in different banks

template <uint32_t kTiles16>
constexpr uint32_t kSmallStageBytes = (kTiles16 * 16 + kSmallCols) * kStepBytes;
template <uint32_t kTiles16>
constexpr uint32_t kSmallStages = kSmallSharedBytes / kSmallWarps / kSmallStageBytes<kTiles16>;

template <typename T, Epilogue kEpilogue, uint32_t kTiles16, bool kAligned>
__global__ void __launch_bounds__(kSmallThreads) small_gemm(Operands<T> x, Result out) {
  constexpr uint32_t kRows = kTiles16 * 16;
  constexpr uint32_t kStages = kSmallStages<kTiles16>;
  constexpr uint32_t kTiles8 = kSmallCols / 8;
  static_assert(kStages >= 2, "one stage is read while another arrives");
  static_assert(kSmallWarps * kRows * kPartialStride * 4 <= kSmallSharedBytes,
                "the sums take the ring's place");
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const uint32_t ring = shared_address(shared_memory<uint4>()) + warp * kStages * kSmallStageBytes<kTiles16>;
  const uint32_t steps = (x.inner + kStepElements<T> - 1) / kStepElements<T>;
  const uint32_t mine = (steps + kSmallWarps - 1 - warp) / kSmallWarps;  // steps warp, warp + 8, ...
  const uint32_t first_row = blockIdx.y * kRows, first_col = blockIdx.x * kSmallCols;

  const uint32_t chunk = lane % kChunks;
  const auto element_of = [&](uint32_t turn) {
    return (turn * kSmallWarps + warp) * kStepElements<T> + chunk * kChunkElements<T>;
  };
  const auto load_weight = [&](uint32_t turn) {
    const uint32_t weight = ring + turn % kStages * kSmallStageBytes<kTiles16> + kRows * kStepBytes;
#pragma unroll
    for (uint32_t row = lane / kChunks; row < kSmallCols; row += 32 / kChunks) {
      load_chunk<true>(weight + place(row, chunk), x.weight, x.weight_stride, x.cols, x.inner,
                       first_col + row, element_of(turn));
    }
  };
  const auto load_in = [&](uint32_t turn) {
    const uint32_t in = ring + turn % kStages * kSmallStageBytes<kTiles16>;
#pragma unroll
    for (uint32_t row = lane / kChunks; row < kRows; row += 32 / kChunks) {
      load_chunk<kAligned>(in + place(row, chunk), x.in, x.in_stride, x.rows, x.inner, first_row + row,
                           element_of(turn));
    }
  };

  typename Kind<T>::Sum sum[kTiles16][kTiles8][4] = {};
  for (uint32_t turn = 0; turn < kStages - 1 && turn < mine; ++turn) load_weight(turn);
  let_next_begin();
  wait_for_previous();
  for (uint32_t turn = 0; turn < kStages - 1; ++turn) {
    if (turn < mine) load_in(turn);
    cp_async_commit();  // the first group has the weights of all these turns
  }
  for (uint32_t turn = 0; turn < mine; ++turn) {
    cp_async_wait<kStages - 2>();
    sync_warp();  // the other lanes' copies have arrived too, and nobody reads the stage that is loaded next
    if (turn + kStages - 1 < mine) {
      load_weight(turn + kStages - 1);
      load_in(turn + kStages - 1);
    }
    cp_async_commit();

    const uint32_t in = ring + turn % kStages * kSmallStageBytes<kTiles16>, weight = in + kRows * kStepBytes;
#pragma unroll
    for (uint32_t k = 0; k < kChunks; k += 2) {
      uint32_t b[kTiles8 / 2][4];
#pragma unroll
      for (uint32_t j = 0; j < kTiles8 / 2; ++j) {
        ldmatrix_x4(b[j], weight + place(j * 16 + lane % 8 + lane / 16 * 8, k + lane / 8 % 2));
      }
#pragma unroll
      for (uint32_t i = 0; i < kTiles16; ++i) {
        uint32_t a[4];
        ldmatrix_x4(a, in + place(i * 16 + lane % 16, k + lane / 16));
#pragma unroll
        for (uint32_t j = 0; j < kTiles8; ++j)
          mma<T>(sum[i][j], a, b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
      }
    }
  }

  // Every warp's sums to shared memory, where the rings are no longer needed.
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
        Sum* to = partial + (warp * kRows + row) * kPartialStride + col;
        to[0] = sum[i][j][half * 2];
        to[1] = sum[i][j][half * 2 + 1];
      }
    }
  }
  sync_block();
  for (uint32_t pair = threadIdx.x; pair < kRows * kSmallCols / 2; pair += kSmallThreads) {
    const uint32_t local_row = pair / (kSmallCols / 2), local_col = pair % (kSmallCols / 2) * 2;
    const uint32_t row = first_row + local_row, col = first_col + local_col;
    if (row >= x.rows || col >= x.cols) continue;
    Sum a = 0, b = 0;
    for (uint32_t w = 0; w < kSmallWarps; ++w) {
      const Sum* from = partial + (w * kRows + local_row) * kPartialStride + local_col;
      a += from[0];
      b += from[1];
    }
    finish<T, kEpilogue>(x, out, row, col, x.row_scale(row), a, b);
  }
}

// --- Launchers ---------------------------------------------------------------------------------------------------------------

template <typename T, Epilogue kEpilogue, typename Tile>
Failure launch_large(Stream stream, const Operands<T>& x, const Result& out) {
  return launch(stream, large_gemm<T, kEpilogue, Tile>,
                tiles(x.rows, Tile::kSide) * tiles(x.cols, Tile::kSide), kLargeThreads,
                kLargeSharedBytes<Tile>, x, out);
}

template <typename T, Epilogue kEpilogue, uint32_t kTiles16, bool kAligned = true>
Failure launch_small(Stream stream, const Operands<T>& x, const Result& out) {
  const dim3 grid(tiles(x.cols, kSmallCols), tiles(x.rows, kTiles16 * 16));
  return launch(stream, small_gemm<T, kEpilogue, kTiles16, kAligned>, grid, kSmallThreads, kSmallSharedBytes,
                x, out);
}

// Whether cp.async and TMA can read the rows of `in`; those of weights they always can.
template <typename T>
bool is_aligned(const Operands<T>& x) {
  return reinterpret_cast<uintptr_t>(x.in) % 16 == 0 && x.in_stride % kChunkElements<T> == 0;
}

template <typename T, Epilogue kEpilogue>
Failure gemm_with(Stream stream, Plan plan, const Card& card, const Operands<T>& x, const Result& out) {
  const bool aligned = is_aligned(x);
  if (plan == Plan::small) {
    if (!aligned) return launch_small<T, kEpilogue, 4, false>(stream, x, out);
    if (x.rows <= 16) return launch_small<T, kEpilogue, 1>(stream, x, out);
    if (x.rows <= 32) return launch_small<T, kEpilogue, 2>(stream, x, out);
    return launch_small<T, kEpilogue, 4>(stream, x, out);
  }
  if (!aligned) return launch_large<T, kEpilogue, Tile64Unaligned>(stream, x, out);
  const uint32_t tiles128 = tiles(x.rows, Tile128::kSide) * tiles(x.cols, Tile128::kSide);
  return tiles128 >= card.multiprocessors ? launch_large<T, kEpilogue, Tile128>(stream, x, out)
                                          : launch_large<T, kEpilogue, Tile64>(stream, x, out);
}

template <typename T>
Failure gemm_of(Stream stream, Plan plan, Epilogue epilogue, const Card& card, Matrix in, Matrix weight,
                Matrix out) {
  const Operands<T> x{static_cast<const T*>(in.data),
                      static_cast<const T*>(weight.data),
                      in.stride,
                      weight_stride(weight.cols, weight.dtype),
                      in.rows,
                      weight.rows,
                      weight.cols,
                      in.scales,
                      sizeof(T) == 1 ? weight_scales(weight) : nullptr};
  const size_t pair_bytes = 2 * bytes_of(out.dtype);
  const Result result{out.data, out.stride, out.scales,
                      reinterpret_cast<uintptr_t>(out.data) % pair_bytes == 0 && out.stride % 2 == 0};
  // Not by the number of rows: a row's bits would depend on how many others its batch has.
  if (card.has_wgmma && plan == Plan::large && is_aligned(x)) {
    return gemm_wgmma(stream, epilogue, card, x, result);
  }
  switch (epilogue) {
    case Epilogue::store: return gemm_with<T, Epilogue::store>(stream, plan, card, x, result);
    case Epilogue::add: return gemm_with<T, Epilogue::add>(stream, plan, card, x, result);
    case Epilogue::swiglu: break;
  }
  return gemm_with<T, Epilogue::swiglu>(stream, plan, card, x, result);
}

}  // namespace

Failure gemm(Stream stream, Plan plan, Epilogue epilogue, const Card& card, Matrix in, Matrix weight,
             Matrix out) {
  if (in.rows == 0) return nullptr;
  switch (in.dtype) {
    case DType::s8: return gemm_of<int8_t>(stream, plan, epilogue, card, in, weight, out);
    case DType::f16: return gemm_of<f16>(stream, plan, epilogue, card, in, weight, out);
    default: return gemm_of<bf16>(stream, plan, epilogue, card, in, weight, out);
  }
}

}  // namespace qwen3::cuda
