// The linear ops of the large plan on Hopper: copies by tensor map (TMA), products of whole warpgroups (wgmma).
//
//   sum[T, m] = in[T, n] weight[m, n]^T, then the epilogues of gemm.cuh
//
// One skeleton for bf16, f16 (f32 sums) and s8 (s32 sums), because it counts in bytes: a step is 128 bytes of each row,
// 64 elements or 128, which lie swizzled in shared memory as both TMA and wgmma want them.
//
//   tile       warpgroups                        stages  shared memory    sums in registers
//   128 x 256  1 that copies, 2 of 64 x 256 each  4      4 x 48 KiB       128 of a thread
//   128 x 128  1 that copies, 2 of 64 x 128 each  4      4 x 32 KiB       64
//
// A block stays on its multiprocessor and takes every gridDim.x-th tile. One thread of the first warpgroup fills the ring
// of stages, across tiles; the other two multiply. Two mbarriers for every stage: `full` when the bytes have come, `empty`
// when both warpgroups have read them. Edges need no care: TMA fills with zeros what is past them, only stores look.
//
// Every element is one chain of wgmma over the steps, whatever the tile: tile shapes change no bit.
#include "gemm.cuh"
#include "hopper.cuh"

namespace qwen3::cuda {
namespace {

constexpr uint32_t kStepBytes = kSwizzledRowBytes;  // of a row
constexpr uint32_t kStages = 4;
constexpr uint32_t kTileRows = 128, kWideCols = 256, kNarrowCols = 128;
constexpr uint32_t kMultipliers = 2;  // warpgroups, each with its share of the tile's rows
constexpr uint32_t kThreads = (1 + kMultipliers) * kWarpgroupThreads;
[[maybe_unused]] constexpr uint32_t kGroupTiles = 16;  // 2048 rows

// Of a thread. The sums of a wide tile leave those that multiply no room in the 168 that each has at first.
constexpr int kCopyRegisters = 40, kMultiplyRegisters = 232;

constexpr uint32_t kInBytes = kTileRows * kStepBytes;
template <uint32_t kCols>
constexpr uint32_t kStageBytes = kInBytes + kCols* kStepBytes;
template <uint32_t kCols>
constexpr uint32_t kSharedBytes = kStages*(kStageBytes<kCols> + 2 * sizeof(uint64_t));

// Shared memory: the stages, then the mbarriers.
template <uint32_t kCols>
struct Ring {
  uint32_t start;

  __device__ __forceinline__ uint32_t in(uint32_t stage) const { return start + stage * kStageBytes<kCols>; }
  __device__ __forceinline__ uint32_t weight(uint32_t stage) const { return in(stage) + kInBytes; }
  __device__ __forceinline__ uint32_t full(uint32_t stage) const {
    return start + kStages * kStageBytes<kCols> + stage * sizeof(uint64_t);
  }
  __device__ __forceinline__ uint32_t empty(uint32_t stage) const { return full(kStages + stage); }
};

struct Steps {
  uint32_t row_tiles, col_tiles, steps;  // steps of a tile
};

template <typename T, uint32_t kCols>
__device__ __forceinline__ void copy_tiles(const Ring<kCols>& ring, const Steps& all, const TensorMap* in_map,
                                           const TensorMap* weight_map) {
  constexpr uint32_t kStepElements = kStepBytes / sizeof(T);
  Turn<kStages> turn;
  for (uint32_t tile = blockIdx.x; tile < all.row_tiles * all.col_tiles; tile += gridDim.x) {
    uint32_t tile_row, tile_col;
    tile_of<kGroupTiles>(tile, all.row_tiles, all.col_tiles, &tile_row, &tile_col);
    for (uint32_t step = 0; step < all.steps; ++step, turn.advance()) {
      const uint32_t full = ring.full(turn.stage);
      const auto element = static_cast<int32_t>(step * kStepElements);
      mbarrier_wait(ring.empty(turn.stage), turn.parity ^ 1);  // passes in the first round
      mbarrier_arrive_expecting(full, kStageBytes<kCols>);
      tma_load_2d(ring.in(turn.stage), in_map, full, element, static_cast<int32_t>(tile_row * kTileRows));
      tma_load_2d(ring.weight(turn.stage), weight_map, full, element, static_cast<int32_t>(tile_col * kCols));
    }
  }
}

template <typename T, Epilogue kEpilogue, uint32_t kCols>
__device__ __forceinline__ void multiply_tiles(const Ring<kCols>& ring, const Steps& all,
                                               const Operands<T>& x, const Result& out) {
  constexpr uint32_t kWarpgroupRows = kTileRows / kMultipliers;
  constexpr uint32_t kProductBytes = 32;  // of a row, in one wgmma
  const uint32_t warpgroup = threadIdx.x / kWarpgroupThreads - 1, thread = threadIdx.x % kWarpgroupThreads;
  const uint32_t own_row = warpgroup * kWarpgroupRows + thread / 32 * 16 + thread % 32 / 4;
  const uint32_t own_col = thread % 4 * 2;
  const bool elected = thread == 0;
  Turn<kStages> turn;
  for (uint32_t tile = blockIdx.x; tile < all.row_tiles * all.col_tiles; tile += gridDim.x) {
    typename Kind<T>::Sum sum[kCols / 2];
    uint32_t previous = 0;
    for (uint32_t step = 0; step < all.steps; ++step, turn.advance()) {
      mbarrier_wait(ring.full(turn.stage), turn.parity);
      const uint32_t in = ring.in(turn.stage) + warpgroup * kWarpgroupRows * kStepBytes;
      const uint32_t weight = ring.weight(turn.stage);
      wgmma_fence();
#pragma unroll
      for (uint32_t byte = 0; byte < kStepBytes; byte += kProductBytes) {
        wgmma<T>(sum, descriptor(in + byte), descriptor(weight + byte), step + byte > 0);
      }
      wgmma_commit();
      wgmma_wait<1>();  // this step goes on while the one before has been read
      if (elected && step > 0) mbarrier_arrive(ring.empty(previous));
      previous = turn.stage;
    }
    wgmma_wait<0>();
    if (elected) mbarrier_arrive(ring.empty(previous));

    uint32_t tile_row, tile_col;
    tile_of<kGroupTiles>(tile, all.row_tiles, all.col_tiles, &tile_row, &tile_col);
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      const uint32_t row = tile_row * kTileRows + own_row + half * 8;
      if (row >= x.rows) continue;
      const float scale = x.row_scale(row);
#pragma unroll
      for (uint32_t i = 0; i < kCols / 8; ++i) {
        const uint32_t col = tile_col * kCols + i * 8 + own_col;
        if (col >= x.cols) continue;
        finish<T, kEpilogue>(x, out, row, col, scale, sum[i * 4 + half * 2], sum[i * 4 + half * 2 + 1]);
      }
    }
  }
}

template <typename T, Epilogue kEpilogue, uint32_t kCols>
__global__ void __launch_bounds__(kThreads, 1)
    wgmma_gemm(const __grid_constant__ TensorMap in_map, const __grid_constant__ TensorMap weight_map,
               Operands<T> x, Result out) {
  if constexpr (kHasWgmma) {
    const Ring<kCols> ring{shared_address(shared_memory<SwizzledRows>())};
    const Steps all{tiles(x.rows, kTileRows), tiles(x.cols, kCols), tiles(x.inner, kStepBytes / sizeof(T))};
    if (threadIdx.x == 0) {
      for (uint32_t stage = 0; stage < kStages; ++stage) {
        mbarrier_init(ring.full(stage), 1);
        mbarrier_init(ring.empty(stage), kMultipliers);
      }
      fence_mbarrier_init();
    }
    sync_block();
    if (threadIdx.x < kWarpgroupThreads) {
      release_registers<kCopyRegisters>();
      if (threadIdx.x == 0) copy_tiles<T>(ring, all, &in_map, &weight_map);
    } else {
      claim_registers<kMultiplyRegisters>();
      multiply_tiles<T, kEpilogue>(ring, all, x, out);
    }
  } else {
    trap();  // built without the code that this card needs: better than sums that nobody made
  }
}

// --- Launchers ---------------------------------------------------------------------------------------------------------------

template <typename T, Epilogue kEpilogue, uint32_t kCols>
Failure launch_tiles(Stream stream, const Card& card, const Operands<T>& x, const Result& out) {
  TensorMap in_map, weight_map;
  if (const Failure failure =
          make_tensor_map(&in_map, x.in, sizeof(T), x.rows, x.inner, x.in_stride, kTileRows)) {
    return failure;
  }
  if (const Failure failure =
          make_tensor_map(&weight_map, x.weight, sizeof(T), x.cols, x.inner, x.weight_stride, kCols)) {
    return failure;
  }
  const uint32_t blocks = tiles(x.rows, kTileRows) * tiles(x.cols, kCols);
  return launch(stream, wgmma_gemm<T, kEpilogue, kCols>,
                blocks < card.multiprocessors ? blocks : card.multiprocessors, kThreads, kSharedBytes<kCols>,
                in_map, weight_map, x, out);
}

// Narrow tiles read more for every product, but leave fewer multiprocessors idle in the last round: they are taken where
// that saves an eighth of the time.
template <typename T, Epilogue kEpilogue>
Failure launch_best(Stream stream, const Card& card, const Operands<T>& x, const Result& out) {
  const auto rounds = [&](uint32_t cols) {
    return tiles(tiles(x.rows, kTileRows) * tiles(x.cols, cols), card.multiprocessors);
  };
  const bool narrow = rounds(kNarrowCols) * kNarrowCols * 8 <= rounds(kWideCols) * kWideCols * 7;
  return narrow ? launch_tiles<T, kEpilogue, kNarrowCols>(stream, card, x, out)
                : launch_tiles<T, kEpilogue, kWideCols>(stream, card, x, out);
}

}  // namespace

template <typename T>
Failure gemm_wgmma(Stream stream, Epilogue epilogue, const Card& card, const Operands<T>& x,
                   const Result& out) {
  switch (epilogue) {
    case Epilogue::store: return launch_best<T, Epilogue::store>(stream, card, x, out);
    case Epilogue::add: return launch_best<T, Epilogue::add>(stream, card, x, out);
    case Epilogue::swiglu: break;
  }
  return launch_best<T, Epilogue::swiglu>(stream, card, x, out);
}

template Failure gemm_wgmma(Stream, Epilogue, const Card&, const Operands<bf16>&, const Result&);
template Failure gemm_wgmma(Stream, Epilogue, const Card&, const Operands<f16>&, const Result&);
template Failure gemm_wgmma(Stream, Epilogue, const Card&, const Operands<int8_t>&, const Result&);

}  // namespace qwen3::cuda
