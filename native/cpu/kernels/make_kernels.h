// Instantiates the templates for one instruction set.
#pragma once
#include "cpu/kernels/attention.h"
#include "cpu/kernels/gemm.h"
#include "cpu/kernels/row_ops.h"

namespace qwen3::cpu {

// Weights: the panel format of linear ops. Pages: the panel format of keys and values.
// Blocks: the largest task, kRows rows x kPanels panels of a linear op or kQueryRows rows of
// attention.
template <class Weights, class Pages, class Blocks>
constexpr Kernels make_kernels(const char* name) {
  using Attend = Attention<Pages, Blocks::kQueryRows>;
  constexpr size_t partial =
      size_t{Blocks::kRows} * Blocks::kPanels * Weights::kWidth * sizeof(float);
  return {
      .name = name,
      .weights = Weights::kFormat,
      .input = Pages::kInput,
      .width = Weights::kWidth,
      .block_rows = Blocks::kRows,
      .block_panels = Blocks::kPanels,
      .query_rows = Blocks::kQueryRows,
      .scratch_bytes =
          partial > sizeof(typename Attend::Scratch) ? partial : sizeof(typename Attend::Scratch),
      .multiply = Multiply<Weights>::run,
      .rms_norm = RowOps<Pages>::rms_norm,
      .norm_rope = RowOps<Pages>::norm_rope,
      .norm_rope_store = RowOps<Pages>::norm_rope_store,
      .attention = Attend::run,
  };
}

}  // namespace qwen3::cpu
