// The linear ops of the large plan on Hopper: TMA loads and stores tiles, wgmma multiplies.
//
//   sum[T, m] = in[T, n] weight[m, n]^T, then the epilogues of gemm.cuh
//
// One kernel serves bf16, f16 (f32 sums) and s8 (s32 sums), because it counts in bytes: a step is
// 128 bytes of each row (64 or 128 elements), swizzled in shared memory as TMA and wgmma require.
//
//   form    tile       consumer warpgroups                          stages      result boxes
//   wide    128 x 256  cooperative: each has 64 rows of every tile  4 x 48 KiB  2 x 16 KiB
//   narrow  128 x 128  ping-pong: one multiplies its tile while     6 x 32 KiB  2 x 16 KiB
//                      the other runs the epilogue of its own
//
// Blocks are persistent, one per multiprocessor: a block computes every gridDim.x-th tile. One
// thread of warpgroup 0 is the producer. It fills a ring of stages, which continues across tiles.
// Each stage has two mbarriers: `full` when its bytes have arrived, `empty` when its consumers have
// read them. Results go through shared memory in boxes of 64 rows x 128 bytes: TMA stores a box
// while the next one is filled and the next tile is multiplied. Edges need no code: TMA reads zeros
// past them and stores nothing there.
//
// Every element is one chain of wgmma over the steps, in both forms: the form changes no bit.
#include "gemm.cuh"
#include "hopper.cuh"

namespace qwen3::cuda {
namespace {

constexpr uint32_t kStepBytes = kSwizzledRowBytes;  // per row
constexpr uint32_t kTileRows = 128;
[[maybe_unused]] constexpr uint32_t kGroupTiles = 16;  // 2048 rows

constexpr uint32_t kInBytes = kTileRows * kStepBytes;
constexpr uint32_t kRingBytes = 192 * 1024;
struct Wide {
  static constexpr uint32_t kCols = 256;
  [[maybe_unused]] static constexpr uint32_t kSharers = 2;  // warpgroups per tile
};
struct Narrow {
  static constexpr uint32_t kCols = 128;
  [[maybe_unused]] static constexpr uint32_t kSharers = 1;
};
template <typename Form>
constexpr uint32_t kStageBytes = kInBytes + (Form::kCols * kStepBytes);
template <typename Form>
constexpr uint32_t kStages = kRingBytes / kStageBytes<Form>;

constexpr uint32_t kBoxRows = 64, kBoxRowBytes = kSwizzledRowBytes;  // 64 rows: one wgmma
constexpr uint32_t kBoxBytes = kBoxRows * kBoxRowBytes;
constexpr uint32_t kBoxes = 2;  // per consumer: one is filled while the other is stored

template <typename Form>
constexpr uint32_t kSharedBytes = kRingBytes + (kConsumers * kBoxes * kBoxBytes) +
                                  (kStages<Form> * 2 * sizeof(uint64_t));

// Addresses in shared memory: stages, result boxes, mbarriers.
template <typename Form>
struct Shared {
  uint32_t start;

  __device__ __forceinline__ uint32_t in(uint32_t stage) const {
    return start + stage * kStageBytes<Form>;
  }
  __device__ __forceinline__ uint32_t weight(uint32_t stage) const { return in(stage) + kInBytes; }
  __device__ __forceinline__ uint32_t full(uint32_t stage) const {
    return start + kRingBytes + kConsumers * kBoxes * kBoxBytes + stage * sizeof(uint64_t);
  }
  __device__ __forceinline__ uint32_t empty(uint32_t stage) const {
    return full(kStages<Form> + stage);
  }
};

struct Tiles {
  uint32_t rows, cols;  // number of tiles in each direction
  uint32_t steps;       // steps of each tile

  [[maybe_unused]] __device__ __forceinline__ uint32_t count() const { return rows * cols; }
};

template <typename T, typename Form>
__device__ __forceinline__ void produce_tiles(const Shared<Form>& shared, const Tiles& all,
                                              const TensorMap* in_map,
                                              const TensorMap* weight_map) {
  constexpr uint32_t kStepElements = kStepBytes / sizeof(T);
  PipelineState<kStages<Form>> state;
  for (uint32_t tile = blockIdx.x; tile < all.count(); tile += gridDim.x) {
    uint32_t tile_row, tile_col;
    tile_of<kGroupTiles>(tile, all.rows, all.cols, &tile_row, &tile_col);
    for (uint32_t step = 0; step < all.steps; ++step, state.advance()) {
      const uint32_t full = shared.full(state.stage);
      const auto element = static_cast<int32_t>(step * kStepElements);
      // The first wait on each stage passes.
      mbarrier_wait(shared.empty(state.stage), state.parity ^ 1);
      mbarrier_arrive_expecting(full, kStageBytes<Form>);
      tma_load_2d(shared.in(state.stage), in_map, full, element,
                  static_cast<int32_t>(tile_row * kTileRows));
      tma_load_2d(shared.weight(state.stage), weight_map, full, element,
                  static_cast<int32_t>(tile_col * Form::kCols));
    }
  }
}

// --- Epilogue ------------------------------------------------------------------------------------

// Result bytes of two neighboring columns: two values, or one for SwiGLU.
template <Epilogue kEpilogue>
constexpr uint32_t kPairBytes = kEpilogue == Epilogue::add     ? 8
                                : kEpilogue == Epilogue::store ? 4
                                                               : 2;

template <typename T, Epilogue kEpilogue>
__device__ __forceinline__ void put_pair(unsigned char* to, float a, float b, bool has_scales) {
  using Stored = typename Kind<T>::Stored;
  if constexpr (kEpilogue == Epilogue::swiglu) {
    *reinterpret_cast<Stored*>(to) = from_float<Stored>(gated<T>(a, b, has_scales));
  } else if constexpr (kEpilogue == Epilogue::add) {
    *reinterpret_cast<float2*>(to) = {a, b};
  } else {
    *reinterpret_cast<uint32_t*>(to) = pack<Stored>(a, b);
  }
}

// Applies the epilogue to 64 rows of one warpgroup's sums, from `first_row` and `first_col`, and
// stores them. The swizzle makes its 2- and 4-byte writes free of bank conflicts.
template <typename T, Epilogue kEpilogue, uint32_t kSums>
__device__ __forceinline__ void store_rows(const typename Kind<T>::Sum (&sum)[kSums],
                                           uint32_t first_row, uint32_t first_col,
                                           const Operands<T>& x, const Result& out,
                                           const TensorMap* out_map, unsigned char* boxes,
                                           uint32_t row_block) {
  constexpr uint32_t kBoxCols = kBoxRowBytes / kPairBytes<kEpilogue> * 2;  // columns of sums
  constexpr uint32_t kValuesOfPair = kEpilogue == Epilogue::swiglu ? 1 : 2;
  const int barrier = static_cast<int>(warpgroup_index());  // 1 or 2
  const uint32_t thread = threadIdx.x % kWarpgroupThreads;
  const uint32_t own_row = thread / 32 * 16 + thread % 32 / 4;
  const bool elected = thread == 0;

  // Relative to the thread's first column, so that all loads share one base address.
  const uint32_t own_col = first_col + thread % 4 * 2, cols_left = x.cols - min(x.cols, own_col);
  const float* const own_scales = sizeof(T) == 1 ? x.weight_scales + own_col : nullptr;
  const auto col_scale = [&](uint32_t col) {
    return own_scales && col < cols_left ? own_scales[col] : 0;
  };
  float scale[2];
#pragma unroll
  for (uint32_t half = 0; half < 2; ++half) {
    const uint32_t row = first_row + own_row + half * 8;
    scale[half] = row < x.rows ? x.row_scale(row) : 0;
    if (kEpilogue == Epilogue::swiglu && kIsF16<T> && out.scales && first_col == 0 &&
        thread % 4 == 0 && row < x.rows) {
      out.scales[row] = kGatedScale;
    }
  }
#pragma unroll
  for (uint32_t box_col = 0; box_col < kSums * 2; box_col += kBoxCols) {
    unsigned char* box = boxes + (row_block * kSums * 2 + box_col) / kBoxCols % kBoxes * kBoxBytes;
    if (elected) tma_wait_read<kBoxes - 1>();
    sync_threads(barrier, kWarpgroupThreads);  // the previous store has read this box
#pragma unroll
    for (uint32_t col = box_col; col < box_col + kBoxCols; col += 8) {
      const uint32_t pair = (col - box_col) / 2 + thread % 4;
      const float scale_a = col_scale(col), scale_b = col_scale(col + 1);
#pragma unroll
      for (uint32_t half = 0; half < 2; ++half) {
        const uint32_t row = own_row + half * 8;
        const float a = x.value(sum[col / 2 + half * 2], scale[half], scale_a);
        const float b = x.value(sum[col / 2 + half * 2 + 1], scale[half], scale_b);
        put_pair<T, kEpilogue>(
            box + row * kBoxRowBytes + (pair * kPairBytes<kEpilogue> ^ row % 8 * 16), a, b,
            out.scales != nullptr);
      }
    }
    fence_proxy_async();
    sync_threads(barrier, kWarpgroupThreads);
    if (elected) {
      const auto to_col = static_cast<int32_t>((first_col + box_col) / 2 * kValuesOfPair);
      const auto to_row = static_cast<int32_t>(first_row);
      if constexpr (kEpilogue == Epilogue::add) {
        tma_add_2d(out_map, shared_address(box), to_col, to_row);
      } else {
        tma_store_2d(out_map, shared_address(box), to_col, to_row);
      }
      tma_commit();
    }
  }
}

// --- Consumers -----------------------------------------------------------------------------------

template <typename T, Epilogue kEpilogue, typename Form>
__device__ __forceinline__ void consume_tiles(const Shared<Form>& shared, const Tiles& all,
                                              const Operands<T>& x, const Result& out,
                                              const TensorMap* out_map) {
  constexpr bool kPingPong = Form::kSharers == 1;
  constexpr uint32_t kRowBlocks = kTileRows / kBoxRows / Form::kSharers;  // of 64 rows
  constexpr int kTurnBarrier = 1 + kConsumers;  // first named barrier of the ping-pong turns
  constexpr int kTurnThreads = kConsumers * kWarpgroupThreads;
  const uint32_t warpgroup = warpgroup_index() - 1;
  const uint32_t share_row = kPingPong ? 0 : warpgroup * kBoxRows;
  const uint32_t tiles_before = kPingPong ? warpgroup : 0;
  const bool elected = threadIdx.x % kWarpgroupThreads == 0, releases = threadIdx.x % 32 == 0;
  unsigned char* boxes = reinterpret_cast<unsigned char*>(shared_memory<SwizzledRows>()) +
                         kRingBytes + warpgroup * kBoxes * kBoxBytes;
  PipelineState<kStages<Form>> state;
  state.skip(tiles_before * all.steps);
  for (uint32_t tile = blockIdx.x + tiles_before * gridDim.x; tile < all.count();
       tile += kConsumers / Form::kSharers * gridDim.x) {
    // Ping-pong: wait until the other warpgroup has issued its products. The block's first tile
    // does
    // not wait.
    if (kPingPong && tile >= gridDim.x)
      sync_threads(kTurnBarrier + static_cast<int>(warpgroup), kTurnThreads);

    // Main loop.
    typename Kind<T>::Sum sum[kRowBlocks][Form::kCols / 2];
    uint32_t previous = 0;
    for (uint32_t step = 0; step < all.steps; ++step, state.advance()) {
      mbarrier_wait(shared.full(state.stage), state.parity);
      const uint32_t in = shared.in(state.stage) + share_row * kStepBytes;
      const uint32_t weight = shared.weight(state.stage);
      wgmma_fence();
#pragma unroll
      for (uint32_t byte = 0; byte < kStepBytes; byte += kProductBytes) {
#pragma unroll
        for (uint32_t i = 0; i < kRowBlocks; ++i) {
          wgmma<T>(sum[i], descriptor(in + i * kBoxRows * kStepBytes + byte),
                   descriptor(weight + byte), step + byte > 0);
        }
      }
      wgmma_commit();
      wgmma_wait<1>();  // the previous step is done, this one still runs
      if (releases && step > 0) mbarrier_arrive(shared.empty(previous));
      previous = state.stage;
    }

    // Ping-pong: pass the turn on.
    if (kPingPong) {
      if (tile + gridDim.x < all.count()) {  // the other warpgroup has a tile left
        arrive_threads(kTurnBarrier + 1 - static_cast<int>(warpgroup), kTurnThreads);
      }
      state.skip(all.steps);  // the other warpgroup's tile
    }
    wgmma_wait<0>();
    if (releases) mbarrier_arrive(shared.empty(previous));

    // Epilogue.
    uint32_t tile_row, tile_col;
    tile_of<kGroupTiles>(tile, all.rows, all.cols, &tile_row, &tile_col);
#pragma unroll
    for (uint32_t i = 0; i < kRowBlocks; ++i) {
      store_rows<T, kEpilogue>(sum[i], tile_row * kTileRows + share_row + i * kBoxRows,
                               tile_col * Form::kCols, x, out, out_map, boxes, i);
    }
  }
  if (elected) tma_wait_read<0>();
}

template <typename T, Epilogue kEpilogue, typename Form>
__global__ void __launch_bounds__(kThreads, 1)
    wgmma_gemm(const __grid_constant__ TensorMap in_map,
               const __grid_constant__ TensorMap weight_map,
               const __grid_constant__ TensorMap out_map, Operands<T> x, Result out) {
  if constexpr (kHasWgmma) {
    const Shared<Form> shared{shared_address(shared_memory<SwizzledRows>())};
    const Tiles all{ceil_div(x.rows, kTileRows), ceil_div(x.cols, Form::kCols),
                    ceil_div(x.inner, kStepBytes / sizeof(T))};
    if (threadIdx.x == 0) {
      for (uint32_t stage = 0; stage < kStages<Form>; ++stage) {
        mbarrier_init(shared.full(stage), 1);
        mbarrier_init(shared.empty(stage), Form::kSharers * kWarpgroupWarps);
      }
      fence_mbarrier_init();
    }
    sync_block();
    if (threadIdx.x < kWarpgroupThreads) {
      release_registers<kProducerRegisters>();
      if (threadIdx.x == 0) produce_tiles<T>(shared, all, &in_map, &weight_map);
    } else {
      claim_registers<kConsumerRegisters>();
      consume_tiles<T, kEpilogue>(shared, all, x, out, &out_map);
    }
  } else {
    trap();  // compiled without wgmma: fail rather than leave the output unwritten
  }
}

// --- Launchers -----------------------------------------------------------------------------------

template <typename T, Epilogue kEpilogue, typename Form>
Failure launch_form(Stream stream, const Gpu& gpu, const Operands<T>& x, const Result& out) {
  TensorMap in_map, weight_map, out_map;
  if (const Failure failure =
          make_tensor_map(&in_map, x.in, sizeof(T), x.rows, x.inner, x.in_stride, kTileRows)) {
    return failure;
  }
  if (const Failure failure = make_tensor_map(&weight_map, x.weight, sizeof(T), x.cols, x.inner,
                                              x.weight_stride, Form::kCols)) {
    return failure;
  }
  constexpr size_t kOutBytes =
      kEpilogue == Epilogue::add ? sizeof(float) : sizeof(typename Kind<T>::Stored);
  const uint32_t out_cols = kEpilogue == Epilogue::swiglu ? x.cols / 2 : x.cols;
  if (const Failure failure =
          make_tensor_map(&out_map, out.data, kOutBytes, x.rows, out_cols, out.stride, kBoxRows)) {
    return failure;
  }
  const uint32_t blocks = ceil_div(x.rows, kTileRows) * ceil_div(x.cols, Form::kCols);
  return launch(stream, wgmma_gemm<T, kEpilogue, Form>,
                blocks < gpu.multiprocessors ? blocks : gpu.multiprocessors, kThreads,
                kSharedBytes<Form>, in_map, weight_map, out_map, x, out);
}

// Cost of a wide tile's epilogue, in the unit of Tuning.
template <typename T, Epilogue kEpilogue>
double epilogue_steps(const Tuning& tuning) {
  const double epilogue = kEpilogue == Epilogue::store    ? tuning.epilogue_store
                          : kEpilogue == Epilogue::swiglu ? tuning.epilogue_swiglu
                                                          : tuning.epilogue_add;
  return epilogue + (sizeof(T) == 1 ? tuning.epilogue_int8 : 0);
}

// Nothing overlaps the epilogue of a wide tile, whose step costs two units. The epilogue of a
// narrow tile overlaps the other warpgroup's products, except for a block's last tile. Narrow tiles
// leave fewer multiprocessors idle in the last round, but read a third more bytes per product.
// docs/cuda.md derives the costs, which are estimates.
template <typename T, Epilogue kEpilogue>
bool narrow_costs_less(const Gpu& gpu, const Operands<T>& x) {
  const auto rounds = [&](uint32_t cols) {
    return ceil_div(ceil_div(x.rows, kTileRows) * ceil_div(x.cols, cols), gpu.multiprocessors);
  };
  const double epilogue = epilogue_steps<T, kEpilogue>(gpu.tuning);
  const double steps = ceil_div(x.inner, kStepBytes / sizeof(T));
  const double wide = rounds(Wide::kCols) * (2 * steps + epilogue);
  const double narrow = rounds(Narrow::kCols) * steps * gpu.tuning.narrow_step + epilogue;
  return narrow <= wide;
}

template <typename T, Epilogue kEpilogue>
Failure launch_best(Stream stream, const Gpu& gpu, const Operands<T>& x, const Result& out) {
  const TileForm form = gpu.tuning.tile;
  const bool is_narrow = form == TileForm::automatic ? narrow_costs_less<T, kEpilogue>(gpu, x)
                                                     : form == TileForm::narrow;
  return is_narrow ? launch_form<T, kEpilogue, Narrow>(stream, gpu, x, out)
                   : launch_form<T, kEpilogue, Wide>(stream, gpu, x, out);
}

}  // namespace

template <typename T>
Failure gemm_wgmma(Stream stream, Epilogue epilogue, const Gpu& gpu, const Operands<T>& x,
                   const Result& out) {
  switch (epilogue) {
    case Epilogue::store: return launch_best<T, Epilogue::store>(stream, gpu, x, out);
    case Epilogue::add: return launch_best<T, Epilogue::add>(stream, gpu, x, out);
    case Epilogue::swiglu: break;
  }
  return launch_best<T, Epilogue::swiglu>(stream, gpu, x, out);
}

template Failure gemm_wgmma(Stream, Epilogue, const Gpu&, const Operands<bf16>&, const Result&);
template Failure gemm_wgmma(Stream, Epilogue, const Gpu&, const Operands<f16>&, const Result&);
template Failure gemm_wgmma(Stream, Epilogue, const Gpu&, const Operands<int8_t>&, const Result&);

}  // namespace qwen3::cuda
