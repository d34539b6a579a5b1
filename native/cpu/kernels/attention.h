// Causal attention over pages, for one instruction set and one task: some rows of a chunk, one query head.
//
// The rows go through their keys page by page with a running softmax (Dao et al., FlashAttention, 2022):
//   scores  [rows, 64] = query keys^T
//   largest [rows]     = max(largest, scores), in powers of two
//   weights [rows, 64] = 2^(scores - largest), total = total * 2^(old largest - largest) + sum(weights)
//   sums    [rows,128] = sums * 2^(old largest - largest) + weights values
// Both products are the micro-kernel of gemm.h on pages that are packed as it wants them. A row stops at its own key:
// what lies behind it is not read, not even times zero, for it may be anything. So its bits depend on its own keys only.
#pragma once
#include "cpu/kernels/row_ops.h"

namespace qwen3::cpu {

template <class F, uint32_t kQueryRows>
struct Attention {
  using V = typename F::Set;
  using Vector = typename V::Vector;
  using Input = typename F::Input;
  static constexpr bool kConverts = sizeof(Input) != sizeof(float);

  struct Scratch {
    alignas(64) float scores[kQueryRows * kPageTokens];
    alignas(64) Input probabilities[kQueryRows * kPageTokens];
    alignas(64) Input query[kConverts ? kQueryRows * kHeadDim : 1];
    alignas(64) float sums[kQueryRows * kHeadDim];
    float row_max[kQueryRows], row_sum[kQueryRows], rescale[kQueryRows];
  };

  // The query rows of one sequence, one head of them.
  struct Queries {
    const Input* data;
    size_t stride;
    uint32_t rows, position;
  };

  static void run(Matrix query, const Heads& heads, const Spans& spans, const void* pages,
                  Matrix out, Range rows, uint32_t head, void* memory) {
    auto& scratch = *static_cast<Scratch*>(memory);
    const uint32_t key_value_head = head / (heads.query / heads.key_value);
    for_spans(spans, rows, [&](const Span& span, Range own, uint32_t position) {
      const Queries queries = read_queries(query, own, head, position, scratch);
      for (uint32_t i = 0; i < own.count; ++i) {
        scratch.row_max[i] = -HUGE_VALF;
        scratch.row_sum[i] = 0;
      }
      for (uint32_t i = 0; i < own.count * kHeadDim; i += V::kLanes)
        V::store(scratch.sums + i, V::zero());
      add_run(queries, span.prefix, 0, heads, key_value_head, spans.layer, pages, scratch);
      add_run(queries, span.own, span.prefix.tokens, heads, key_value_head, spans.layer, pages,
              scratch);
      for (uint32_t i = 0; i < own.count; ++i) {
        Input* const to =
            static_cast<Input*>(out.data) + size_t{own.first + i} * out.stride + head * kHeadDim;
        const Vector scale = V::set1(1 / scratch.row_sum[i]);
        for (uint32_t j = 0; j < kHeadDim; j += V::kLanes) {
          V::store(to + j, V::mul(V::load(scratch.sums + i * kHeadDim + j), scale));
        }
      }
    });
  }

  // f32 queries are read where they are.
  static Queries read_queries(const Matrix& query, Range own, uint32_t head, uint32_t position,
                              Scratch& scratch) {
    const float* const from =
        static_cast<const float*>(query.data) + size_t{own.first} * query.stride + head * kHeadDim;
    if constexpr (kConverts) {
      for (uint32_t i = 0; i < own.count; ++i) {
        for (uint32_t j = 0; j < kHeadDim; j += V::kLanes) {
          V::store(scratch.query + i * kHeadDim + j, V::load(from + size_t{i} * query.stride + j));
        }
      }
      return {scratch.query, kHeadDim, own.count, position};
    } else {
      return {from, query.stride, own.count, position};
    }
  }

  // The keys of one run, the first of which stands at position `first`.
  static void add_run(const Queries& queries, const KeyValueRun& run, uint32_t first,
                      const Heads& heads, uint32_t head, uint32_t layer, const void* pages,
                      Scratch& scratch) {
    const uint32_t end = queries.position + queries.rows;
    for (uint32_t token = 0; token < run.tokens && first + token < end; token += kPageTokens) {
      // Rows before `blind` stand before the page; the one after them sees `seen` of its keys, and each next one more,
      // until there are no more.
      const uint32_t start = first + token;
      const uint32_t blind = start > queries.position ? start - queries.position : 0;
      const uint32_t seen = queries.position + blind - start + 1;
      const uint32_t keys = run.tokens - token < kPageTokens ? run.tokens - token : kPageTokens;
      const Page page{
          PageHead<F>::at(const_cast<void*>(pages), run, layer, token / kPageTokens, heads, head),
          Range{blind, queries.rows - blind}, keys, seen};
      score(queries, page, scratch);
      online_softmax(page, scratch);
      add_values(page, scratch);
    }
  }

  struct Page {
    PageHead<F> head;
    Range rows;
    uint32_t keys, seen;
    uint32_t seen_by(uint32_t row) const {  // counted from rows.first
      return seen + row < keys ? seen + row : keys;
    }
  };

  static void score(const Queries& queries, const Page& page, Scratch& scratch) {
    const uint32_t columns = page.seen_by(page.rows.count - 1);
    for (uint32_t column = 0; column < columns; column += F::kWidth) {
      const Input* const panel = page.head.keys + column * kHeadDim;
      for_row_groups<V::kRows>(page.rows.count, [&](uint32_t first, auto n) {
        const uint32_t row = page.rows.first + first;
        Vector sum[n.kCount][2];
        clear<V>(sum);
        accumulate<F>(queries.data + row * queries.stride, queries.stride, panel, kHeadDim, sum);
        float* to = scratch.scores + row * kPageTokens + column;
#pragma GCC unroll 16
        for (int i = 0; i < n.kCount; ++i, to += kPageTokens) {
          V::store(to, sum[i][0]);
          V::store(to + V::kLanes, sum[i][1]);
        }
      });
    }
  }

  // Scores to weights. A row's last vector may hold scores of keys that it does not see: they are dropped unread.
  static void online_softmax(const Page& page, Scratch& scratch) {
    const Vector scale = V::set1(0x1.0527dcp-3f);  // log2(e) / sqrt(128)
    for (uint32_t r = 0; r < page.rows.count; ++r) {
      const uint32_t row = page.rows.first + r, seen = page.seen_by(r);
      const uint32_t last = (seen - 1) / V::kLanes * V::kLanes;
      const float* const scores = scratch.scores + row * kPageTokens;
      const Vector last_scores =
          V::keep_first(V::load(scores + last), seen - last, V::set1(-HUGE_VALF));
      Vector most = last_scores;
      for (uint32_t i = 0; i < last; i += V::kLanes) most = V::max(most, V::load(scores + i));
      const Vector old_largest = V::set1(scratch.row_max[row]);
      const Vector largest = V::max(old_largest, V::mul(V::set1(V::largest(most)), scale));
      const Vector below = V::sub(V::zero(), largest);
      const auto weights = [&](Vector values) { return exp2<V>(V::fma(values, scale, below)); };
      const Vector last_weights = V::keep_first(weights(last_scores), seen - last, V::zero());
      Vector total = last_weights;
      V::store(scratch.probabilities + row * kPageTokens + last, last_weights);
      for (uint32_t i = 0; i < last; i += V::kLanes) {
        const Vector weight = weights(V::load(scores + i));
        V::store(scratch.probabilities + row * kPageTokens + i, weight);
        total = V::add(total, weight);
      }
      const float rescale = V::first(exp2<V>(V::sub(old_largest, largest)));
      scratch.row_max[row] = V::first(largest);
      scratch.rescale[row] = rescale;
      scratch.row_sum[row] = scratch.row_sum[row] * rescale + V::sum(total);
    }
  }

  static void add_values(const Page& page, Scratch& scratch) {
    for (uint32_t column = 0; column < kHeadDim; column += F::kWidth) {
      const Input* const panel = page.head.values + column * kPageTokens;
      for_row_groups<V::kRows>(page.rows.count, [&](uint32_t first, auto n) {
        const uint32_t row = page.rows.first + first;
        Vector sum[n.kCount][2];
        clear<V>(sum);
        const Input* const weights = scratch.probabilities + row * kPageTokens;
        // All rows of the group see the keys of `common`; those behind them go key by key.
        const uint32_t common = page.seen_by(first) / F::kDepth * F::kDepth;
        accumulate<F>(weights, kPageTokens, panel, common, sum);
        const uint32_t seen = page.seen_by(first + n.kCount - 1);
        for (uint32_t key = common; key < seen; key += F::kDepth) {
#pragma GCC unroll 16
          for (int i = 0; i < n.kCount; ++i) {
            const uint32_t left = page.seen_by(first + i);
            if (left > key)
              add_key(weights + i * kPageTokens + key, panel + key * F::kWidth, left - key, sum[i]);
          }
        }
        float* to = scratch.sums + row * kHeadDim + column;
#pragma GCC unroll 16
        for (int i = 0; i < n.kCount; ++i, to += kHeadDim) {
          const Vector rescale = V::set1(scratch.rescale[row + i]);
          V::store(to, V::fma(V::load(to), rescale, sum[i][0]));
          V::store(to + V::kLanes, V::fma(V::load(to + V::kLanes), rescale, sum[i][1]));
        }
      });
    }
  }

  // One step of the micro-kernel for one row, which sees the first `seen` keys of it.
  static void add_key(const Input* weights, const Input* panel, uint32_t seen, Vector (&sum)[2]) {
    typename F::Operand values[2];
    F::load(panel, values);
    if constexpr (F::kDepth > 1) {
      if (seen < F::kDepth) F::keep_first_depth(values);
    }
    const typename F::Operand weight = F::broadcast(weights);
    sum[0] = F::step(weight, values[0], sum[0]);
    sum[1] = F::step(weight, values[1], sum[1]);
  }
};

}  // namespace qwen3::cpu
