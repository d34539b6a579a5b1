// Packs weights into panels (see PanelFormat in kernels.h) while a model is loaded.
#pragma once
#include <cstddef>
#include <cstdint>

#include "backend/backend.h"
#include "cpu/kernels/kernels.h"
#include "cpu/thread_pool.h"

namespace qwen3::cpu {

constexpr uint32_t ceil_div(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

// Bytes of a packed weight. Zeros pad its last panel. A gate_up weight has an even number of rows.
size_t packed_bytes(PanelFormat format, uint32_t width, uint32_t rows, uint32_t cols);

// Backend::store_weight for the weights of linear ops. A gate_up panel has width / 2 gate columns,
// then the up columns of the same outputs.
void pack_weight(PanelFormat format, uint32_t width, Matrix weight, WeightUse use, Range rows,
                 const void* from, DType stored, const Threads& threads);

}  // namespace qwen3::cpu
