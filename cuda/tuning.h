// Numbers that choose between kernels and that only measurements can settle. The environment
// variable QWEN3_EMBED_CUDA_TUNING overrides them, so that a GPU can try others without a build.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace qwen3::cuda {

enum class TileForm : uint8_t { automatic, wide, narrow };  // of gemm_wgmma.cu

struct Tuning {
  // Large plan on Hopper. No bit depends on these. `automatic` takes the form with the lower cost,
  // in units of half a wide tile's step: 512 cycles of the tensor cores, 128 bytes of every row.
  TileForm tile = TileForm::automatic;
  double narrow_step = 11.0 / 8;  // cost of a narrow tile's step
  // Cost of a wide tile's epilogue; epilogue_int8 is added for int8.
  double epilogue_store = 2, epilogue_add = 4, epilogue_swiglu = 5, epilogue_int8 = 3;

  // Small plan. These decide how sums are split, for all texts of a backend alike.
  uint32_t small_tokens = 64;  // largest batch of the plan, at most kSmallBatchTokens
  // Weights of at least this many rows have tiles of 128 columns, smaller ones of 32.
  uint32_t split_k_rows = 4096;
  uint32_t split_k_tiles = 48;    // with at least this many tiles of 128 columns, K is not split
  uint32_t split_k_blocks = 128;  // most blocks that split tiles make
  uint32_t split_k_steps = 4;     // fewest steps of 64 bytes per block
};

// Applies settings such as "tile=wide,narrow_step=1.25". False if one is unknown or out of range;
// `message` then lists what is valid, truncated to fit.
bool parse_tuning(std::string_view words, Tuning* tuning, char* message, size_t message_bytes);

}  // namespace qwen3::cuda
