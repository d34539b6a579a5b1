// Causal attention on Hopper: TMA loads pages, wgmma multiplies.
//
//   out[row, h] = softmax(query[row, h] key^T / sqrt(dim)) value     as in attention_mma.cu
//
// A tile is 128 rows: the query heads that share a key/value head, for as many tokens of one span
// as fit. Row r is token r / heads, head r % heads. A tile loops over the keys of the prefix run,
// then of its own run, in steps of 128 tokens (two pages).
//
//   warpgroup 0     producer: warps 0 to 2 load one stage each (128 keys, 128 values);
//                   warp 3 is the tile scheduler
//   warpgroups 1, 2 consumers: 64 rows of the tile each; scores, probabilities and sums are in
//                   registers
//   shared memory   225 KiB: queries 32 KiB, 3 stages of 64 KiB, in swizzled panels of 64 columns
//
// Two overlaps hide the softmax, as in FlashAttention-3 (Shah et al., 2024). Within a warpgroup,
// query * key of a step is issued before probability * value of the step before it, so the online
// softmax runs while the latter product executes. Between warpgroups, products alternate
// (ping-pong), so one warpgroup computes exponentials while the other multiplies.
//
// Blocks are persistent, one per multiprocessor. The scheduler draws tickets from a global counter,
// so blocks that get short tiles process more of them. Tiles are ordered by key/value head, so that
// a head's pages stay in L2; within a head, from the last row back.
//
// TMA loads whole pages. Threads copy the last page of a run up to its last token and zero the
// rest: slots past it must not be read, and a probability of 0 times NaN would be NaN.
//
// A step that is fully masked for a row changes none of the row's bits: see attention_mma.cu.
#include "attention.cuh"
#include "hopper.cuh"

namespace qwen3::cuda {
namespace {

constexpr uint32_t kRows = 128;  // per tile
constexpr uint32_t kStepTokens = 128;
[[maybe_unused]] constexpr uint32_t kStepPages = kStepTokens / kPageTokens;
constexpr uint32_t kStages = 3, kParts = 2;
constexpr uint32_t kConsumerRows = kRows / kConsumers;

constexpr uint32_t kChunkElements = 8, kChunks = kHeadDim / kChunkElements;
constexpr uint32_t kPanels = kHeadDim * 2 / kSwizzledRowBytes;
[[maybe_unused]] constexpr uint32_t kPanelChunks = kChunks / kPanels;
[[maybe_unused]] constexpr uint32_t kBoxBytes = kPageTokens * kSwizzledRowBytes;

// One unit of work: a tile and its key/value head.
struct WorkTile {
  Tile tile;  // rows == 0: no work is left
  uint32_t kv_head;
};

// kMatrixRows rows of one head, as panels of 128 bytes of each row.
template <uint32_t kMatrixRows>
struct Panels {
  SwizzledRows panel[kPanels][kMatrixRows / 8];
};

struct Shared {
  Panels<kConsumerRows> query[kConsumers];
  Panels<kStepTokens> stage[kParts][kStages];  // keys, then values
  // mbarriers: full when a stage (or `work`) is written, empty when all its readers are done.
  uint64_t full[kParts][kStages], empty[kParts][kStages], work_full, work_empty;
  WorkTile work;  // next tile of this block
};

// Shared-memory address of 16-byte chunk `chunk` of row `row` in Panels at `start`.
template <uint32_t kMatrixRows>
__device__ __forceinline__ uint32_t swizzled_address(uint32_t start, uint32_t row, uint32_t chunk) {
  return start + (chunk / kPanelChunks * kMatrixRows + row) * kSwizzledRowBytes +
         ((chunk ^ row) % kPanelChunks << 4);
}

template <typename T>
struct Attention {
  const T* query;
  T* out;
  uint32_t query_stride, out_stride;
  uint32_t rows;
  Heads heads;
  Spans spans;
  const T* pages;
  float scale;
  uint32_t* tickets;

  __device__ __forceinline__ uint32_t group() const { return heads.query / heads.key_value; }
  // Offset of a tile row's head in a query or result matrix of the given stride.
  __device__ __forceinline__ size_t head_of(const WorkTile& work, uint32_t row,
                                            uint32_t stride) const {
    const uint32_t token = work.tile.span->first_row + work.tile.first + row / group();
    return static_cast<size_t>(token) * stride +
           (work.kv_head * group() + row % group()) * kHeadDim;
  }
};

// Key steps of a tile: those of the prefix run, then those of its own run.
struct KeySteps {
  uint32_t prefix, total;
  uint32_t own_first, own_last;  // positions in the own run of the tile's first and last token
};

[[maybe_unused]] __device__ __forceinline__ KeySteps key_steps_of(const Tile& tile) {
  const Span& span = *tile.span;
  const uint32_t own_first = span.position + tile.first - span.prefix.tokens;
  const uint32_t own_last = own_first + tile.rows - 1;
  const uint32_t prefix = (span.prefix.tokens + kStepTokens - 1) / kStepTokens;
  return {prefix, prefix + own_last / kStepTokens + 1, own_first, own_last};
}

// The step's first token, counted within its run.
[[maybe_unused]] __device__ __forceinline__ uint32_t first_token(const KeySteps& steps,
                                                                 uint32_t step) {
  return (step < steps.prefix ? step : step - steps.prefix) * kStepTokens;
}

// --- Tile scheduler and producer -----------------------------------------------------------------

template <typename T>
__device__ __forceinline__ WorkTile next_tile(const Attention<T>& a) {
  const uint32_t tile_tokens = kRows / a.group();
  const uint32_t tiles = tile_count(a.rows, a.spans.count, tile_tokens);
  const uint32_t all = tiles * a.heads.key_value;
  for (;;) {
    const uint32_t ticket = atomic_add(a.tickets, 1);
    if (ticket >= all) {
      // The last block to run out of work resets the counter for the next launch.
      if (ticket == all + gridDim.x - 1) atomic_add(a.tickets, 0 - (ticket + 1));
      return {};
    }
    const Tile tile = tile_of(a.spans, tiles - 1 - ticket % tiles, tile_tokens);
    if (tile.rows > 0) return {tile, ticket / tiles};
  }
}

template <typename T>
__device__ __forceinline__ void schedule_tiles(const Attention<T>& a, Shared* shared) {
  for (uint32_t parity = 0;; parity ^= 1) {
    const WorkTile work = next_tile(a);
    mbarrier_wait(shared_address(&shared->work_empty), parity ^ 1);  // passes in the first round
    shared->work = work;
    mbarrier_arrive(shared_address(&shared->work_full));
    if (work.tile.rows == 0) return;
  }
}

[[maybe_unused]] __device__ __forceinline__ WorkTile receive_tile(Shared* shared, uint32_t parity) {
  mbarrier_wait(shared_address(&shared->work_full), parity);
  return shared->work;
}

// Copies the first `tokens` rows of one head of a page and zeros the rest. Returns when the lane's
// own copies have arrived.
template <typename T>
__device__ __forceinline__ void copy_page(uint32_t to, uint32_t first_row, const T* from,
                                          uint32_t tokens) {
#pragma unroll 1
  for (uint32_t i = threadIdx.x % 32; i < kPageTokens * kChunks; i += 32) {
    const uint32_t row = i / kChunks;
    cp_async_16(swizzled_address<kStepTokens>(to, first_row + row, i % kChunks),
                from + i * kChunkElements, row < tokens ? 16 : 0);
  }
  cp_async_commit();
  cp_async_wait<0>();
}

// TMA row of a page that a step does not have: the box ends before the matrix, so TMA writes zeros.
[[maybe_unused]] constexpr uint32_t kNoRow = 0 - kPageTokens;

// Loads every third step into `stage`, across tiles.
template <typename T>
__device__ __forceinline__ void produce_stage(const Attention<T>& a, const TensorMap* map,
                                              Shared* shared, uint32_t stage) {
  const bool elected = threadIdx.x % 32 == 0;
  uint32_t step = stage, parity = 1;  // of `empty`: the first wait passes
  for (uint32_t work_parity = 0;; work_parity ^= 1) {
    const WorkTile work = receive_tile(shared, work_parity);
    sync_warp();
    if (elected) mbarrier_arrive(shared_address(&shared->work_empty));
    if (work.tile.rows == 0) return;
    const Span& span = *work.tile.span;
    const KeySteps steps = key_steps_of(work.tile);
    for (; step < steps.total; step += kStages, parity ^= 1) {
      const bool in_prefix = step < steps.prefix;
      const KeyValueRun& run = in_prefix ? span.prefix : span.own;
      const uint32_t first = first_token(steps, step);
      // Tokens from the step's first: those the tile needs, and those already stored.
      const uint32_t needed = (in_prefix ? run.tokens : steps.own_last + 1) - first;
      const uint32_t stored =
          (in_prefix ? run.tokens : span.position + span.rows - span.prefix.tokens) - first;
      // Index of the page that is only partly filled, if the step has one.
      const uint32_t cut = stored / kPageTokens;
      const bool has_cut = cut < kStepPages && cut * kPageTokens < min(stored, needed);
#pragma unroll 1
      for (uint32_t part = 0; part < kParts; ++part) {
        uint32_t row[kStepPages];  // looked up before waiting for the stage
#pragma unroll
        for (uint32_t page = 0; page < kStepPages; ++page) {
          const uint32_t token = page * kPageTokens;
          row[page] = kNoRow;
          if (token < needed) {
            row[page] = static_cast<uint32_t>(
                first_page_row(run, a.spans.layer, first + token, a.heads.key_value,
                               static_cast<Part>(part), work.kv_head));
          }
        }
        const uint32_t full = shared_address(&shared->full[part][stage]);
        const uint32_t to = shared_address(&shared->stage[part][stage]);
        mbarrier_wait(shared_address(&shared->empty[part][stage]), parity);
        // Otherwise the phase could end before a late lane has tested `empty`, which would then
        // wait for the wrong phase.
        sync_warp();
        if (elected) {
          mbarrier_arrive_expecting(full,
                                    (has_cut ? kStepPages - 1 : kStepPages) * kPanels * kBoxBytes);
        }
#pragma unroll
        for (uint32_t page = 0; page < kStepPages; ++page) {
          if (!elected || (has_cut && page == cut)) continue;
#pragma unroll 1
          for (uint32_t panel = 0; panel < kPanels; ++panel) {
            tma_load_2d(to + (panel * kStepPages + page) * kBoxBytes, map, full,
                        static_cast<int32_t>(panel * kHeadDim / kPanels),
                        static_cast<int32_t>(row[page]));
          }
        }
        if (has_cut) {
          static_assert(kStepPages == 2);
          const size_t from = cut == 0 ? row[0] : row[1];  // not indexed, to stay in registers
          copy_page(to, cut * kPageTokens, a.pages + from * kHeadDim, stored % kPageTokens);
          fence_proxy_async();
          sync_warp();
        }
        if (elected) mbarrier_arrive(full);
      }
    }
    step -= steps.total;
  }
}

// --- Consumers -----------------------------------------------------------------------------------

// Named barriers, one per consumer warpgroup: its turn to issue products; its queries are loaded.
[[maybe_unused]] constexpr int kTurnBarrier = 1, kQueryBarrier = kTurnBarrier + kConsumers;

template <typename T>
__device__ __forceinline__ void load_queries(const Attention<T>& a, const WorkTile& work,
                                             uint32_t to, uint32_t warpgroup, uint32_t thread) {
  const uint32_t rows = work.tile.rows * a.group();
#pragma unroll 4
  for (uint32_t i = thread; i < kConsumerRows * kChunks; i += kWarpgroupThreads) {
    const uint32_t row = i / kChunks, chunk = i % kChunks;
    const uint32_t tile_row = warpgroup * kConsumerRows + row;
    const bool exists = tile_row < rows;
    const size_t at =
        exists ? a.head_of(work, tile_row, a.query_stride) + chunk * kChunkElements : 0;
    cp_async_16(swizzled_address<kConsumerRows>(to, row, chunk), a.query + at, exists ? 16 : 0);
  }
  cp_async_commit();
}

// score[64, 128] = query[64, 128] key[128, 128]^T
template <typename T>
__device__ __forceinline__ void multiply_keys(float (&score)[kStepTokens / 2], uint32_t query,
                                              uint32_t keys) {
#pragma unroll
  for (uint32_t panel = 0; panel < kPanels; ++panel) {
#pragma unroll
    for (uint32_t byte = 0; byte < kSwizzledRowBytes; byte += kProductBytes) {
      wgmma<T>(score, descriptor(query + panel * kConsumerRows * kSwizzledRowBytes + byte),
               descriptor(keys + panel * kStepTokens * kSwizzledRowBytes + byte), panel + byte > 0);
    }
  }
  wgmma_commit();
}

// sum[64, 128] += probability[64, 128] value[128, 128]
template <typename T>
__device__ __forceinline__ void multiply_values(float (&sum)[kHeadDim / 2],
                                                const uint32_t (&probability)[kStepTokens / 16][4],
                                                uint32_t values) {
#pragma unroll
  for (uint32_t t = 0; t < kStepTokens / 16; ++t) {
    wgmma_registers<T>(
        sum, probability[t],
        column_descriptor(values + t * 16 * kSwizzledRowBytes, kStepTokens * kSwizzledRowBytes),
        true);
  }
  wgmma_commit();
}

// State of the thread's two rows, which are 8 apart: index `half`.
struct Softmax {
  float row_max[2] = {-INFINITY, -INFINITY};
  float row_sum[2] = {};  // over the lane's own columns only
};

// Replaces scores by exp(score - row_max) and returns in `rescale` the factor for earlier sums.
// `scale` includes log2(e), so that exp2 can be used.
[[maybe_unused]] __device__ __forceinline__ void online_softmax(Softmax& softmax,
                                                                float (&score)[kStepTokens / 2],
                                                                float scale, float (&rescale)[2]) {
  float new_max[2] = {softmax.row_max[0], softmax.row_max[1]}, offset[2];
#pragma unroll
  for (uint32_t i = 0; i < kStepTokens / 2; ++i)
    new_max[i / 2 % 2] = fmaxf(new_max[i / 2 % 2], score[i]);
#pragma unroll
  for (uint32_t half = 0; half < 2; ++half) {
    new_max[half] = fmaxf(new_max[half], shuffle_xor(new_max[half], 1));
    new_max[half] = fmaxf(new_max[half], shuffle_xor(new_max[half], 2));
    rescale[half] = exp2_approx((softmax.row_max[half] - new_max[half]) * scale);
    offset[half] = new_max[half] * scale;
    softmax.row_max[half] = new_max[half];
    softmax.row_sum[half] *= rescale[half];
  }
#pragma unroll
  for (uint32_t i = 0; i < kStepTokens / 2; ++i) {
    score[i] = exp2_approx(score[i] * scale - offset[i / 2 % 2]);
    softmax.row_sum[i / 2 % 2] += score[i];
  }
}

// Probabilities as register operands of the product with values.
template <typename T>
__device__ __forceinline__ void pack_scores(uint32_t (&probability)[kStepTokens / 16][4],
                                            const float (&score)[kStepTokens / 2]) {
#pragma unroll
  for (uint32_t i = 0; i < kStepTokens / 4; ++i) {
    probability[i / 4][i % 4] = pack<T>(score[2 * i], score[2 * i + 1]);
  }
}

template <typename T>
__device__ __forceinline__ void consume(const Attention<T>& a, Shared* shared) {
  const uint32_t warpgroup = warpgroup_index() - 1, thread = threadIdx.x % kWarpgroupThreads;
  const uint32_t own_row = warpgroup * kConsumerRows + thread / 32 * 16 + thread % 32 / 4;
  const uint32_t own_col = thread % 4 * 2;
  const uint32_t query = shared_address(&shared->query[warpgroup]);
  const auto begin_turn = [&] {
    sync_threads(kTurnBarrier + static_cast<int>(warpgroup), kConsumers * kWarpgroupThreads);
    wgmma_fence();
  };
  const auto end_turn = [&] {
    arrive_threads(kTurnBarrier + 1 - static_cast<int>(warpgroup), kConsumers * kWarpgroupThreads);
  };
  const auto wait_for = [&](Part part, const PipelineState<kStages>& state) {
    mbarrier_wait(shared_address(&shared->full[static_cast<uint32_t>(part)][state.stage]),
                  state.parity);
  };
  const auto start_of = [&](Part part, const PipelineState<kStages>& state) {
    return shared_address(&shared->stage[static_cast<uint32_t>(part)][state.stage]);
  };
  const auto release = [&](Part part, const PipelineState<kStages>& state) {
    if (thread % 32 != 0) return;
    mbarrier_arrive(shared_address(&shared->empty[static_cast<uint32_t>(part)][state.stage]));
  };

  if (warpgroup == 1) end_turn();  // warpgroup 0 has the first turn
  PipelineState<kStages> state;
  uint32_t work_parity = 0;
  WorkTile work = receive_tile(shared, work_parity);
  if (work.tile.rows > 0) load_queries(a, work, query, warpgroup, thread);
  while (work.tile.rows > 0) {
    // Queries have arrived; the scheduler may replace the tile.
    cp_async_wait<0>();
    fence_proxy_async();
    sync_threads(kQueryBarrier + static_cast<int>(warpgroup), kWarpgroupThreads);
    if (thread == 0) mbarrier_arrive(shared_address(&shared->work_empty));
    work_parity ^= 1;

    const KeySteps steps = key_steps_of(work.tile);
    const uint32_t prefix_tokens = work.tile.span->prefix.tokens;
    // Mask: hides keys past the row's own token and past the prefix's end. Steps whose keys all
    // rows
    // see need none.
    const auto mask = [&](float(&score)[kStepTokens / 2], uint32_t step) {
      const bool in_prefix = step < steps.prefix;
      const uint32_t first = first_token(steps, step);
      const uint32_t visible_to_all = in_prefix ? prefix_tokens : steps.own_first + 1;
      if (first + kStepTokens <= visible_to_all) return;
#pragma unroll
      for (uint32_t half = 0; half < 2; ++half) {
        const uint32_t token = steps.own_first + (own_row + half * 8) / a.group();
        const uint32_t visible = in_prefix ? prefix_tokens : token + 1;
#pragma unroll
        for (uint32_t i = half * 2; i < kStepTokens / 2; i += 4) {
#pragma unroll
          for (uint32_t e = 0; e < 2; ++e) {
            if (first + i / 4 * 8 + own_col + e >= visible) score[i + e] = -INFINITY;
          }
        }
      }
    };

    float score[kStepTokens / 2], sum[kHeadDim / 2] = {}, rescale[2];
    uint32_t probability[kStepTokens / 16][4];
    Softmax softmax;

    // First step: scores and softmax, with no earlier product to overlap.
    wait_for(Part::key, state);
    begin_turn();
    multiply_keys<T>(score, query, start_of(Part::key, state));
    end_turn();
    wgmma_wait<0>();
    release(Part::key, state);
    mask(score, 0);
    online_softmax(softmax, score, a.scale, rescale);
    pack_scores<T>(probability, score);

    // Main loop: scores of this step, values of the previous one.
    for (uint32_t step = 1; step < steps.total; ++step) {
      const PipelineState<kStages> previous = state;
      state.advance();
      wait_for(Part::key, state);
      wait_for(Part::value, previous);
      begin_turn();
      multiply_keys<T>(score, query, start_of(Part::key, state));
      multiply_values<T>(sum, probability, start_of(Part::value, previous));
      end_turn();
      wgmma_wait<1>();
      release(Part::key, state);
      mask(score, step);
      online_softmax(softmax, score, a.scale, rescale);
      // Without this ptxas moves the wait above the exponentials, which should overlap the product.
      scheduling_barrier(softmax.row_sum[0] + softmax.row_sum[1] < 0);
      wgmma_wait<0>();
      release(Part::value, previous);

      // Rescale the sums to the new row_max.
#pragma unroll
      for (uint32_t i = 0; i < kHeadDim / 2; ++i) sum[i] *= rescale[i / 2 % 2];
      pack_scores<T>(probability, score);
    }

    // Values of the last step. The next tile's queries load meanwhile.
    wait_for(Part::value, state);
    begin_turn();
    multiply_values<T>(sum, probability, start_of(Part::value, state));
    end_turn();
    const WorkTile next = receive_tile(shared, work_parity);
    if (next.tile.rows > 0) load_queries(a, next, query, warpgroup, thread);
    wgmma_wait<0>();
    release(Part::value, state);
    state.advance();

    // Epilogue: normalize and store.
#pragma unroll
    for (uint32_t half = 0; half < 2; ++half) {
      float total = softmax.row_sum[half];
      total += shuffle_xor(total, 1);
      total += shuffle_xor(total, 2);
      const uint32_t row = own_row + half * 8;
      if (row >= work.tile.rows * a.group()) continue;
      T* to = a.out + a.head_of(work, row, a.out_stride);
      const float inverse = 1 / total;
#pragma unroll
      for (uint32_t i = half * 2; i < kHeadDim / 2; i += 4) {
        *reinterpret_cast<uint32_t*>(to + i / 4 * 8 + own_col) =
            pack<T>(sum[i] * inverse, sum[i + 1] * inverse);
      }
    }
    work = next;
  }
  // Warpgroup 1's last end_turn offers a turn that is not used: complete that barrier.
  if (warpgroup == 0) sync_threads(kTurnBarrier, kConsumers * kWarpgroupThreads);
}

template <typename T>
__global__ void __launch_bounds__(kThreads, 1)
    wgmma_attention(const __grid_constant__ TensorMap page_map, Attention<T> a) {
  if constexpr (kHasWgmma) {
    Shared* shared = shared_memory<Shared>();
    if (threadIdx.x == 0) {
      for (uint32_t part = 0; part < kParts; ++part) {
        for (uint32_t i = 0; i < kStages; ++i) {
          // Two arrivals: the expected TMA bytes, and the threads' copies.
          mbarrier_init(shared_address(&shared->full[part][i]), 2);
          mbarrier_init(shared_address(&shared->empty[part][i]), kConsumers * kWarpgroupWarps);
        }
      }
      mbarrier_init(shared_address(&shared->work_full), 1);
      mbarrier_init(shared_address(&shared->work_empty), kStages + kConsumers);
      fence_mbarrier_init();
    }
    sync_block();
    if (threadIdx.x < kWarpgroupThreads) {
      release_registers<kProducerRegisters>();
      const uint32_t warp = threadIdx.x / 32;
      if (warp < kStages) {
        produce_stage(a, &page_map, shared, warp);
      } else if (threadIdx.x % 32 == 0) {
        schedule_tiles(a, shared);
      }
    } else {
      claim_registers<kConsumerRegisters>();
      consume(a, shared);
    }
  } else {
    trap();  // compiled without wgmma: fail rather than leave the output unwritten
  }
}

// --- Launchers -----------------------------------------------------------------------------------

template <typename T>
Failure attention_of(Stream stream, const Gpu& gpu, Matrix query, Heads heads, Spans spans,
                     const void* pages, Matrix out) {
  size_t bytes;
  if (const Failure failure = bytes_from(pages, &bytes)) return failure;
  TensorMap map;
  if (const Failure failure = make_tensor_map(&map, pages, sizeof(T),
                                              static_cast<uint32_t>(bytes / (kHeadDim * sizeof(T))),
                                              kHeadDim, kHeadDim, kPageTokens)) {
    return failure;
  }
  const uint32_t tiles =
      tile_count(query.rows, spans.count, kRows / (heads.query / heads.key_value)) *
      heads.key_value;
  const Attention<T> a{static_cast<const T*>(query.data),
                       static_cast<T*>(out.data),
                       query.stride,
                       out.stride,
                       query.rows,
                       heads,
                       spans,
                       static_cast<const T*>(pages),
                       kScoreScale,
                       gpu.tickets};
  return launch(stream, wgmma_attention<T>,
                tiles < gpu.multiprocessors ? tiles : gpu.multiprocessors, kThreads, sizeof(Shared),
                map, a);
}

}  // namespace

bool fits_wgmma(Heads heads) { return heads.query / heads.key_value <= kRows; }

Failure attention_wgmma(Stream stream, const Gpu& gpu, Matrix query, Heads heads, Spans spans,
                        const void* pages, Matrix out) {
  return query.dtype == DType::f16
             ? attention_of<f16>(stream, gpu, query, heads, spans, pages, out)
             : attention_of<bf16>(stream, gpu, query, heads, spans, pages, out);
}

}  // namespace qwen3::cuda
