// The interface of an instruction set to the CPU backend: a table of functions, each of which runs
// one task of an op on one thread. The backend divides ops into tasks; the bits of a result do not
// depend on the division.
//
// The templates that implement the functions (gemm.h, attention.h, row_ops.h) have the instruction
// set as a type parameter from an anonymous namespace. They use neither std:: nor any other shared
// inline function: the linker keeps one copy of such a function for the whole program, which may be
// the copy that was compiled for instructions that this CPU does not have.
#pragma once
#include <cstddef>
#include <cstdint>

#include "backend/backend.h"

namespace qwen3::cpu {

// How `width` columns are packed into a panel: output columns of a weight, keys, or columns of
// values. A panel stores depth after depth (depth: the index that is summed over), all columns of a
// depth side by side.
enum class PanelFormat : uint8_t {
  // [depth][width]
  f32,
  // [depth][width / 2] 32-bit units: column c in the low half, column c + width / 2 in the high
  // half. A shift and a mask widen them to two f32 vectors.
  bf16_halves,
  // [depth / 2][width] 32-bit units of two depths of a column, as BF16 dot products read them.
  // Zeros pad an odd depth.
  bf16_pairs,
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
  const char* name;  // for people to read: "AVX2"
  PanelFormat weights;
  DType input;     // of the activations that linear ops read, and of keys and values
  uint32_t width;  // columns of a panel
  // Upper bounds of a task: rows and panels of a linear op, rows of attention. They determine
  // scratch_bytes.
  uint32_t block_rows, block_panels, query_rows;
  size_t scratch_bytes;  // per thread, 64-byte aligned

  // Linear ops. For SwiGLU, `panels` are those of gate_up: a pair of gate and up columns is one
  // output column.
  void (*multiply)(const Product& product, Range rows, Range panels, void* scratch);
  void (*rms_norm)(Matrix x, Matrix gain, float eps, Matrix out, Range rows);
  void (*norm_rope)(Matrix query, Matrix gain, const Heads& heads, const Spans& spans, Range rows);
  void (*norm_rope_store)(Matrix key_value, Matrix gain, const Heads& heads, const Spans& spans,
                          void* pages, Range rows, uint32_t key_value_head);
  void (*attention)(Matrix query, const Heads& heads, const Spans& spans, const void* pages,
                    Matrix out, Range rows, uint32_t query_head, void* scratch);
};

}  // namespace qwen3::cpu
