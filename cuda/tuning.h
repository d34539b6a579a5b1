// The numbers that choose between kernels and that only measuring settles. QWEN3_EMBED_CUDA_TUNING in
// the environment overrides them, so that a GPU can try others without a build.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace qwen3::cuda {

enum class TileForm : uint8_t { automatic, wide, narrow };  // of gemm_wgmma.cu

struct Tuning {
  // Large plan on Hopper; they change no bit. `automatic` takes the form that costs less, in halves of a
  // wide tile's step: 512 cycles of the tensor cores, 128 bytes of every row.
  TileForm tile = TileForm::automatic;
  double narrow_step = 11.0 / 8;  // a narrow tile's step
  // Finishing a wide tile, by epilogue; in int8 epilogue_int8 besides.
  double epilogue_store = 2, epilogue_add = 4, epilogue_swiglu = 5, epilogue_int8 = 3;

  // Small plan: they decide how sums are divided, for all texts of a backend alike.
  uint32_t small_tokens = 64;     // the largest batch it takes, at most kSmallBatchTokens
  uint32_t split_k_cols = 4096;   // rows of the smallest weight that takes tiles of 128, not of 32
  uint32_t split_k_tiles = 48;    // of 128: fewer are divided into parts,
  uint32_t split_k_blocks = 128;  // to at most so many blocks,
  uint32_t split_k_steps = 4;     // each of at least so many steps of 64 bytes
};

// Changes what `words` name, as in "tile=wide,narrow_step=1.25". False: something in it is not known or
// out of range, and `message` says what there is, cut to fit.
bool parse_tuning(std::string_view words, Tuning* tuning, char* message, size_t message_bytes);

}  // namespace qwen3::cuda
