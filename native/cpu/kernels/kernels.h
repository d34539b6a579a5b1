// What an instruction set gives the CPU backend: a table of functions, each of which does one task of an op on one
// thread. The backend cuts ops into tasks; a result's bits do not depend on the cut.
//
// The templates behind the table (gemm.h, attention.h, row_ops.h) take the instruction set as a type that lives in an
// anonymous namespace, and use neither std:: nor any other shared inline function: the linker keeps one copy of those
// for the whole program, and it might be the one compiled for a CPU that this is not.
#pragma once
#include <cstddef>
#include <cstdint>

#include "backend/backend.h"

namespace qwen3::cpu {

// How `width` output columns of a weight, or 64 keys' or values' columns, are packed into a panel. Depth (the index
// summed over) by depth, all columns side by side:
enum class PanelFormat : uint8_t {
  f32,
  bf16_halves,  // 32-bit units, column c below column c + width / 2: a shift and a mask widen them to two f32 vectors
  bf16_pairs,   // 32-bit units of two depths of one column, as the BF16 dot product takes them
};

enum class Epilogue : uint8_t { store, add, swiglu };

// One linear op.
struct Product {
  Matrix in, weight, out;
  Epilogue epilogue;
};

struct Range {
  uint32_t first, count;
};

struct Kernels {
  const char* name;  // for people: "AVX2"
  PanelFormat weights;
  DType input;     // activations that linear ops read, keys and values
  uint32_t width;  // columns of a panel
  // The most that one task takes; they size the scratch memory.
  uint32_t block_rows, block_panels, query_rows;
  size_t scratch_bytes;  // per thread, 64-byte aligned

  // SwiGLU makes one output column of each pair: `panels` count panels of gate and up columns together.
  void (*multiply)(const Product& product, Range rows, Range panels, void* scratch);
  void (*rms_norm)(Matrix x, Matrix gain, float eps, Matrix out, Range rows);
  void (*norm_rope)(Matrix query, Matrix gain, const Heads& heads, const Spans& spans, Range rows);
  void (*norm_rope_store)(Matrix key_value, Matrix gain, const Heads& heads, const Spans& spans,
                          void* pages, Range rows, uint32_t key_value_head);
  void (*attend)(Matrix query, const Heads& heads, const Spans& spans, const void* pages,
                 Matrix out, Range rows, uint32_t query_head, void* scratch);
};

}  // namespace qwen3::cpu
