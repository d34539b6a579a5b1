// out = in weight^T on packed weights, for one instruction set: the micro-kernel, which attention
// also uses, and one task of a linear op. An instruction set `V` (cpu/isa/) has vectors of kLanes
// floats, functions on them, and kRows: the micro-kernel keeps the sums of kRows rows x two vectors
// of columns in registers.
//
// Activations are read in place, each value broadcast to a vector. Weights are read panel by panel.
// Every sum adds depth after depth within blocks of kDepthBlock, then the sums of the blocks in
// order, whatever the rows and columns of the task. So a row's bits do not depend on other rows.
#pragma once
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/vector_math.h"

namespace qwen3::cpu {

// A panel block of 16 columns of f32 weights fills half of a 32 KiB L1 cache. The other half is for
// rows and sums.
constexpr uint32_t kDepthBlock = 256;

constexpr uint32_t kCacheLine = 64;

// How the micro-kernel reads a panel. A step covers kDepth depths; an `Operand` is a vector of the
// values that one step multiplies.
template <class V>
struct F32Panels {
  using Set = V;
  using Input = float;
  using Weight = float;
  using Operand = typename V::Vector;
  static constexpr PanelFormat kFormat = PanelFormat::f32;
  static constexpr DType kInput = DType::f32;
  static constexpr uint32_t kDepth = 1;
  static constexpr uint32_t kWidth = 2 * V::kLanes;

  static void load(const Weight* panel, Operand (&weights)[2]) {
    weights[0] = V::load(panel);
    weights[1] = V::load(panel + V::kLanes);
  }
  static Operand broadcast(const Input* values) { return V::broadcast(values); }
  static typename V::Vector step(Operand value, Operand weight, typename V::Vector sum) {
    return V::fma(value, weight, sum);
  }
  // Index of an element in its panel.
  static size_t index(uint32_t depth, uint32_t column) { return size_t{depth} * kWidth + column; }
};

// bf16 weights; activations and math in f32.
template <class V>
struct Bf16Halves : F32Panels<V> {
  using Weight = uint16_t;
  static constexpr PanelFormat kFormat = PanelFormat::bf16_halves;

  static void load(const Weight* panel, typename V::Vector (&weights)[2]) {
    V::load_halves(panel, weights[0], weights[1]);
  }
};

// bf16 weights and activations. A step covers two depths: the dot product of a row's pair of values
// and each column's pair. V has vectors `Pairs` of two bf16 values per lane, and their dot product.
template <class V>
struct Bf16Pairs {
  using Set = V;
  using Input = uint16_t;
  using Weight = uint16_t;
  using Operand = typename V::Pairs;
  static constexpr PanelFormat kFormat = PanelFormat::bf16_pairs;
  static constexpr DType kInput = DType::bf16;
  static constexpr uint32_t kDepth = 2;
  static constexpr uint32_t kWidth = 2 * V::kLanes;

  static void load(const Weight* panel, Operand (&weights)[2]) {
    weights[0] = V::load_pairs(panel);
    weights[1] = V::load_pairs(panel + kWidth);
  }
  static Operand broadcast(const Input* values) {
    uint32_t pair;
    __builtin_memcpy(&pair, values, sizeof pair);
    return V::broadcast_pair(pair);
  }
  // The last depth of an odd count. Does not read the value after it.
  static Operand broadcast_last(const Input* value) { return V::broadcast_pair(*value); }
  static typename V::Vector step(Operand value, Operand weight, typename V::Vector sum) {
    return V::dot(value, weight, sum);
  }
  // Zeroes the second depth of each pair.
  static void keep_first_depth(Operand (&weights)[2]) {
    const Operand first = V::broadcast_pair(0xffff);
    weights[0] = V::bitwise_and(weights[0], first);
    weights[1] = V::bitwise_and(weights[1], first);
  }
  static size_t index(uint32_t depth, uint32_t column) {
    return (size_t{depth} / 2 * kWidth + column) * 2 + depth % 2;
  }
};

// The micro-kernel: sum[i] += row i of `in` x the panel, over `depth` depths.
template <class F, int kRows, class V = typename F::Set>
inline void accumulate(const typename F::Input* in, size_t stride, const typename F::Weight* panel,
                       uint32_t depth, typename V::Vector (&sum)[kRows][2]) {
  using Operand = typename F::Operand;
  const typename F::Input* const end = in + depth / F::kDepth * F::kDepth;
#pragma GCC unroll 2
  for (; in != end; in += F::kDepth, panel += F::kWidth * F::kDepth) {
    Operand weights[2];
    F::load(panel, weights);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const Operand value = F::broadcast(in + i * stride);
      sum[i][0] = F::step(value, weights[0], sum[i][0]);
      sum[i][1] = F::step(value, weights[1], sum[i][1]);
    }
  }
  if constexpr (F::kDepth > 1) {
    if (depth % F::kDepth != 0) {
      Operand weights[2];
      F::load(panel, weights);
      for (int i = 0; i < kRows; ++i) {
        const Operand value = F::broadcast_last(in + i * stride);
        sum[i][0] = F::step(value, weights[0], sum[i][0]);
        sum[i][1] = F::step(value, weights[1], sum[i][1]);
      }
    }
  }
}

template <class V, int kRows>
inline void clear(typename V::Vector (&sum)[kRows][2]) {
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) sum[i][0] = sum[i][1] = V::zero();
}

// A number of rows as a compile-time constant.
template <int n>
struct Rows {
  static constexpr int kCount = n;
};

template <int n, class Function>
inline void with_rows(uint32_t rows, const Function& function) {
  if (rows == n) {
    function(Rows<n>{});
  } else if constexpr (n > 1) {
    with_rows<n - 1>(rows, function);
  }
}

// Calls function(first, Rows<n>) for groups of at most `max_rows` rows. The groups have nearly
// equal sizes, because a group of few rows does not fill the pipeline.
template <int max_rows, class Function>
inline void for_row_groups(uint32_t rows, const Function& function) {
  uint32_t groups = (rows + max_rows - 1) / max_rows;
  for (uint32_t first = 0; first < rows; --groups) {
    const uint32_t count = (rows - first + groups - 1) / groups;
    with_rows<max_rows>(count, [&](auto n) { function(first, n); });
    first += count;
  }
}

// One task of Kernels::multiply. Adds the products of one block of depths after another to
// `partial` [panels][rows][width], then applies the epilogue and writes `out`.
template <class F>
struct Multiply {
  using V = typename F::Set;
  using Vector = typename V::Vector;
  using Input = typename F::Input;
  using Weight = typename F::Weight;

  static void run(const Product& product, Range rows, Range panels, void* scratch) {
    const uint32_t depth = product.in.cols;
    auto* const partial = static_cast<float*>(scratch);
    for (uint32_t first = 0; first < depth; first += kDepthBlock) {
      const uint32_t block = depth - first < kDepthBlock ? depth - first : kDepthBlock;
      for (uint32_t p = 0; p < panels.count; ++p) {
        add_block(product, rows, panels.first + p, Range{first, block},
                  partial + size_t{p} * rows.count * F::kWidth);
      }
    }
    for (uint32_t p = 0; p < panels.count; ++p) {
      apply_epilogue(product, rows, panels.first + p, partial + size_t{p} * rows.count * F::kWidth);
    }
  }

  static void add_block(const Product& product, Range rows, uint32_t panel, Range depths,
                        float* partial) {
    const size_t stride = product.in.stride;
    const Input* const in =
        static_cast<const Input*>(product.in.data) + rows.first * stride + depths.first;
    const size_t panel_depth = (product.in.cols + F::kDepth - 1) / F::kDepth * F::kDepth;
    const Weight* const weights = static_cast<const Weight*>(product.weight.data) +
                                  (panel * panel_depth + depths.first) * F::kWidth;
    // Each group of rows prefetches a share of the next panel's block: 2 to 4 % faster at 32 to 512
    // rows (Zen 3).
    const uint32_t groups = (rows.count + V::kRows - 1) / V::kRows;
    const size_t share = depths.count * F::kWidth * sizeof(Weight) / groups;
    const char* next = reinterpret_cast<const char*>(weights + panel_depth * F::kWidth);
    for_row_groups<V::kRows>(rows.count, [&](uint32_t first, auto n) {
      for (const char* end = next + share; next < end; next += kCacheLine)
        __builtin_prefetch(next, 0, 2);

      Vector sum[n.kCount][2];
      clear<V>(sum);
      accumulate<F>(in + first * stride, stride, weights, depths.count, sum);
      // Accumulate into the partial sums. The first block overwrites what the memory held.
      float* to = partial + first * F::kWidth;
#pragma GCC unroll 16
      for (int i = 0; i < n.kCount; ++i, to += F::kWidth) {
        if (depths.first != 0) {
          sum[i][0] = V::add(V::load(to), sum[i][0]);
          sum[i][1] = V::add(V::load(to + V::kLanes), sum[i][1]);
        }
        V::store(to, sum[i][0]);
        V::store(to + V::kLanes, sum[i][1]);
      }
    });
  }

  static void apply_epilogue(const Product& product, Range rows, uint32_t panel,
                             const float* partial) {
    const Matrix& out = product.out;
    // SwiGLU: the panel's first half is gate columns, its second half the up columns.
    if (product.epilogue == Epilogue::swiglu) {
      const uint32_t column = panel * V::kLanes;
      const uint32_t columns = out.cols - column < V::kLanes ? out.cols - column : V::kLanes;
      auto* to = static_cast<Input*>(out.data) + size_t{rows.first} * out.stride + column;
      for (uint32_t r = 0; r < rows.count; ++r, to += out.stride, partial += F::kWidth) {
        V::store(to, silu_times<V>(V::load(partial), V::load(partial + V::kLanes)), columns);
      }
      return;
    }
    // Store or add, f32.
    for (uint32_t half = 0; half < 2; ++half, partial += V::kLanes) {
      const uint32_t column = panel * F::kWidth + half * V::kLanes;
      if (column >= out.cols) return;
      const uint32_t columns = out.cols - column < V::kLanes ? out.cols - column : V::kLanes;
      auto* to = static_cast<float*>(out.data) + size_t{rows.first} * out.stride + column;
      for (uint32_t r = 0; r < rows.count; ++r, to += out.stride) {
        const Vector sum = V::load(partial + size_t{r} * F::kWidth);
        V::store(to, product.epilogue == Epilogue::add ? V::add(V::load(to, columns), sum) : sum,
                 columns);
      }
    }
  }
};

}  // namespace qwen3::cpu
